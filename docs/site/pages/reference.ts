/** Changes pages of TypeDoc for the policy of the site, which forbids scripts in pages. */
import { POLICY_TAG } from "./policy.ts";

/** Chooses the theme before the page is drawn, as TypeDoc's script in the page does. */
export const THEME_SCRIPT =
  'document.documentElement.dataset.theme = localStorage.getItem("tsd-theme") || "os";\n';

/** The only script in a page of TypeDoc. */
const INLINE = /<script>document\.documentElement\.dataset\.theme = .*?<\/script>/s;

/** Returns a page of TypeDoc with its script as a file, the policy, and links to the rest of the site. */
export function underPolicy(name: string, html: string): string {
  if (!INLINE.test(html)) throw new Error(`${name}: expected TypeDoc's script, got none`);
  const up = "../".repeat(name.split(/[\\/]/).length - 1);
  const page = html
    .replace(INLINE, `<script src="${up}assets/theme.js"></script>`)
    .replace("<head>", `<head>${POLICY_TAG}<link rel="icon" href="${up}../icon.svg"/>`)
    .replace(
      /(<a href="[^"]*" class="title">[^<]*<\/a>)/,
      `$1<div id="tsd-toolbar-links"><a href="${up}../index.html">Playground</a><a href="${up}../guide/index.html">Guide</a></div>`,
    )
    .replace('<div id="tsd-toolbar-links"></div>', "");
  if (/<script(?![^>]*\ssrc=)/.test(page))
    throw new Error(`${name}: expected scripts in files, got one in the page`);
  return page;
}

/** Shows the links to the rest of the site on phones too, where TypeDoc hides them. */
export const LINKS_STYLE =
  "\n#tsd-toolbar-links { display: flex !important; margin-left: 1rem; gap: 1rem; }\n";

export function pictureName(i: number): string {
  return `picture-${i}.svg`;
}

/** Returns a style sheet whose pictures are files, and the pictures: the policy forbids addresses of data. */
export function separatePictures(style: string): {
  readonly css: string;
  readonly pictures: readonly string[];
} {
  const pictures: string[] = [];
  const css = style.replace(/url\("data:image\/svg\+xml;utf8,([^"]*)"\)/g, (_, svg: string) => {
    pictures.push(svg.replaceAll("%23", "#"));
    return `url("${pictureName(pictures.length - 1)}")`;
  });
  return { css, pictures };
}

const STYLE_ELEMENT = 'document.head.appendChild(document.createElement("style"))';
const STYLE_SHEET =
  "(()=>{const sheet=new CSSStyleSheet;document.adoptedStyleSheets.push(sheet);" +
  "return{dataset:{},set innerHTML(text){sheet.replaceSync(text)}}})()";

/** Returns TypeDoc's script with a style sheet in place of a style element, which the policy forbids. */
export function withStyleSheet(script: string): string {
  if (!script.includes(STYLE_ELEMENT))
    throw new Error("main.js: expected TypeDoc's style element, got none");
  return script.replace(STYLE_ELEMENT, () => STYLE_SHEET);
}
