/** Turns documents in Markdown into pages of the guide. */
import { Marked, type Tokens } from "marked";
import { escapeMarkup } from "../../../src/report/markup.ts";
import { POLICY_TAG } from "./policy.ts";

/** A document by its path in the project. */
export interface GuidePage {
  readonly path: string;
  readonly text: string;
}

/** The name of a document's page. */
function pageName(path: string): string {
  const name = path.replace(/^docs\//, "").replace(/\.md$/, "");
  // The page of the guide's own document is beside the index.
  return `${name === "README" ? "overview" : name.toLowerCase()}.html`;
}

/** Returns a function that makes ids of headings as GitHub does. */
function slugger(): (text: string) => string {
  const seen = new Map<string, number>();
  return (text) => {
    const slug = text
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, "")
      .trim()
      .replace(/\s/g, "-");
    const count = seen.get(slug) ?? 0;
    seen.set(slug, count + 1);
    return count === 0 ? slug : `${slug}-${count}`;
  };
}

/** What a link of a document leads to on the site. */
type Target =
  | { readonly kind: "address"; readonly href: string }
  /** A file of `docs/` that is copied beside the pages. */
  | { readonly kind: "file"; readonly name: string }
  /** A source file, which is not part of the site. */
  | { readonly kind: "none" };

function targetOf(link: string, from: string, pages: readonly GuidePage[]): Target {
  if (/^([a-z]+:|#)/.test(link)) return { kind: "address", href: link };
  const { pathname, hash } = new URL(link, `file:///${from}`);
  const path = pathname.slice(1);
  if (pages.some((page) => page.path === path))
    return { kind: "address", href: pageName(path) + hash };
  const [, name] = /^docs\/([\w.-]+\.(?:svg|json))$/.exec(path) ?? [];
  return name === undefined ? { kind: "none" } : { kind: "file", name };
}

function titleOf({ text, path }: GuidePage): string {
  return /^# (.*)$/m.exec(text)?.[1] ?? path;
}

function document(title: string, current: string, body: string): string {
  const links: readonly (readonly [string, string])[] = [
    ["../index.html", "Playground"],
    ["index.html", "Guide"],
    ["../reference/index.html", "API reference"],
  ];
  const items = links.map(([href, text]) => {
    const here = href === current ? ' aria-current="page"' : "";
    return `<li><a href="${href}"${here}>${text}</a></li>`;
  });
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
${POLICY_TAG}
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeMarkup(title)} - Espalier</title>
<link rel="icon" href="../icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="guide.css">
</head>
<body>
<nav aria-label="Site"><ul>${items.join("")}</ul></nav>
<main>
${body}
</main>
</body>
</html>
`;
}

/** Returns the page of a document, and the files that it needs beside it. */
export function guidePage(
  page: GuidePage,
  pages: readonly GuidePage[],
): { readonly name: string; readonly html: string; readonly files: readonly string[] } {
  const slug = slugger();
  const files = new Set<string>();
  const hrefOf = (link: string): string | null => {
    const target = targetOf(link, page.path, pages);
    switch (target.kind) {
      case "address":
        return target.href;
      case "file":
        files.add(target.name);
        return target.name;
      case "none":
        return null;
      default:
        return target satisfies never;
    }
  };
  const marked = new Marked({
    renderer: {
      heading({ tokens, depth, text }: Tokens.Heading) {
        const plain = text.replace(/[`*]/g, "").replace(/\[([^\]]*)\]\([^)]*\)/g, "$1");
        return `<h${depth} id="${slug(plain)}">${this.parser.parseInline(tokens)}</h${depth}>\n`;
      },
      link({ href, tokens }: Tokens.Link) {
        const text = this.parser.parseInline(tokens);
        const address = hrefOf(href);
        return address === null ? text : `<a href="${escapeMarkup(address)}">${text}</a>`;
      },
      image({ href, text }: Tokens.Image) {
        const address = hrefOf(href) ?? "";
        return `<img src="${escapeMarkup(address)}" alt="${escapeMarkup(text)}">`;
      },
      code({ text }: Tokens.Code) {
        return `<pre tabindex="0"><code>${escapeMarkup(text)}</code></pre>\n`;
      },
      table({ header, rows }: Tokens.Table) {
        const head = header.map((cell) => {
          const text = this.parser.parseInline(cell.tokens);
          return text === "" ? "<td></td>" : `<th scope="col">${text}</th>`;
        });
        const body = rows.map((row) => {
          const cells = row.map(({ tokens }) => `<td>${this.parser.parseInline(tokens)}</td>`);
          return `<tr>${cells.join("")}</tr>`;
        });
        const table = `<table><thead><tr>${head.join("")}</tr></thead><tbody>${body.join("")}</tbody></table>`;
        return `<div class="scroll" role="group" aria-label="Table" tabindex="0">${table}</div>\n`;
      },
    },
  });
  const body = marked.parse(page.text, { async: false });
  const html = document(titleOf(page), "", body);
  return { name: pageName(page.path), html, files: [...files] };
}

/** Returns the index of all pages. */
export function guideIndex(pages: readonly GuidePage[]): string {
  const items = pages.map((page) => {
    const title = page.path === "README.md" ? "Overview" : titleOf(page);
    return `<li><a href="${pageName(page.path)}">${escapeMarkup(title)}</a></li>`;
  });
  const body = `<h1>Guide</h1>\n<ul class="pages">${items.join("\n")}</ul>`;
  return document("Guide", "index.html", body);
}
