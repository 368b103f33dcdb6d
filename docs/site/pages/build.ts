/** Writes the guide, the API reference and the golden vectors beside the playground, in `docs/site/dist`. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type GuidePage, guideIndex, guidePage } from "./guide.ts";
import { guideStyle } from "./guide-style.ts";
import {
  LINKS_STYLE,
  pictureName,
  separatePictures,
  THEME_SCRIPT,
  underPolicy,
  withStyleSheet,
} from "./reference.ts";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const DIST = join(ROOT, "docs", "site", "dist");

/** The pages of the guide in the order of the index, by their documents. */
const ORDER = [
  "README.md",
  ...["guide", "cli", "runtime", "rows", "training", "pruning", "script-options"].map(
    (name) => `docs/${name}.md`,
  ),
];

function documents(): readonly GuidePage[] {
  const others = readdirSync(join(ROOT, "docs"))
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name}`);
  const all = new Set([...ORDER, ...others.sort(), "CONTRIBUTING.md", "CHANGELOG.md"]);
  return [...all].map((path) => ({ path, text: readFileSync(join(ROOT, path), "utf8") }));
}

function writeGuide(): void {
  const directory = join(DIST, "guide");
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory);
  const pages = documents();
  writeFileSync(join(directory, "guide.css"), guideStyle());
  writeFileSync(join(directory, "index.html"), guideIndex(pages));
  for (const page of pages) {
    const { name, html, files } = guidePage(page, pages);
    writeFileSync(join(directory, name), html);
    for (const file of files) copyFileSync(join(ROOT, "docs", file), join(directory, file));
  }
}

function writeReference(): void {
  const directory = join(DIST, "reference");
  const typedoc = join(ROOT, "node_modules", "typedoc", "bin", "typedoc");
  const options = [
    ...["--out", directory, "--readme", "none", "--logLevel", "Error"],
    ...["--includeHierarchySummary", "false"],
  ];
  execFileSync(process.execPath, [typedoc, ...options], { cwd: ROOT, stdio: "inherit" });
  writeFileSync(join(directory, "assets", "theme.js"), THEME_SCRIPT);
  const style = join(directory, "assets", "style.css");
  const { css, pictures } = separatePictures(readFileSync(style, "utf8"));
  writeFileSync(style, css + LINKS_STYLE);
  pictures.forEach((svg, i) => {
    writeFileSync(join(directory, "assets", pictureName(i)), svg);
  });
  const script = join(directory, "assets", "main.js");
  writeFileSync(script, withStyleSheet(readFileSync(script, "utf8")));
  for (const name of readdirSync(directory, { recursive: true, encoding: "utf8" }))
    if (name.endsWith(".html")) {
      const path = join(directory, name);
      writeFileSync(path, underPolicy(name, readFileSync(path, "utf8")));
    }
}

/** Copies the golden vectors by which the playground judges masks, with a list of their names. */
function writeVectors(): void {
  const directory = join(DIST, "vectors");
  rmSync(directory, { recursive: true, force: true });
  const names = ["pruning", "strict"].flatMap((family) => {
    const folder = join(ROOT, "test", "golden", family);
    return readdirSync(folder).map((name) => `${family}/${name}`);
  });
  const whole = names.filter((name) =>
    ["case.json", "tensors.safetensors"].every((file) =>
      existsSync(join(ROOT, "test", "golden", name, file)),
    ),
  );
  for (const name of whole)
    cpSync(join(ROOT, "test", "golden", name), join(directory, name), { recursive: true });
  writeFileSync(join(directory, "index.json"), JSON.stringify(whole.sort()));
}

/** Writes the names of the site's files before the script of the service worker. */
function writeServiceWorker(): void {
  const below = (folder: string): readonly string[] =>
    readdirSync(join(DIST, folder)).map((name) => `${folder}/${name}`);
  const first = ["index.html", "icon.svg", ...below("assets")].sort();
  const rest = ["vectors/index.json", ...below("guide")].sort();
  const path = join(DIST, "service-worker.js");
  const script = readFileSync(path, "utf8").replace(/^self\.SITE_FILES=.*\n/, "");
  const digest = createHash("sha256").update(script);
  for (const name of [...first, ...rest]) digest.update(readFileSync(join(DIST, name)));
  const files = { version: digest.digest("hex").slice(0, 16), first, rest };
  writeFileSync(path, `self.SITE_FILES=${JSON.stringify(files)};\n${script}`);
}

writeVectors();
writeGuide();
writeReference();
writeServiceWorker();
