/** Formats the parts of reports, which are self-contained HTML files without scripts. */
import { element, escapeMarkup } from "./markup.ts";
import { type Color, writePng } from "./png.ts";
import type { MaskMatrix } from "./run-report.ts";
import { REPORT_STYLE } from "./style.ts";
import type { TextTable } from "./table.ts";

const PRUNED: Color = [0, 0, 0, 0];
const KEPT: Color = [47, 123, 214, 255];
/** Masks of small layers are enlarged by an integer factor to at most this width, in CSS pixels. */
const COMFORTABLE_WIDTH = 512;
/** Bytes per `String.fromCharCode` call; engines limit the number of arguments. */
const SLICE = 0x8000;

export function heading(text: string, code: string = ""): string {
  return element("h2", {}, escapeMarkup(text) + (code && element("code", {}, escapeMarkup(code))));
}

export function paragraph(text: string): string {
  return element("p", {}, escapeMarkup(text));
}

export function card(content: string): string {
  return element("figure", { class: "card" }, content);
}

function cells(name: "td" | "th", row: readonly string[]): string {
  return element("tr", {}, row.map((cell) => element(name, {}, escapeMarkup(cell))).join(""));
}

export function htmlTable(table: TextTable): string {
  const head = element("thead", {}, cells("th", table.header));
  const body = element("tbody", {}, table.rows.map((row) => cells("td", row)).join(""));
  return card(element("div", { class: "scroll" }, element("table", {}, head + body)));
}

export function maskCard(mask: MaskMatrix): string {
  const caption = element(
    "figcaption",
    {},
    `Mask of ${element("code", {}, escapeMarkup(mask.layer))} ` +
      element("span", {}, `${mask.rows} x ${mask.columns}, one pixel a weight, coloured = kept`),
  );
  return card(caption + element("div", { class: "scroll" }, maskPicture(mask)));
}

/** Formats a table with one row for each name-value pair. */
export function factsTable(facts: readonly (readonly [name: string, value: string])[]): string {
  const rows = facts.map((row) => cells("td", row)).join("");
  return card(element("table", { class: "settings" }, element("tbody", {}, rows)));
}

/** Formats a whole document. `title` is text, and `parts` are markup. */
export function htmlPage(title: string, parts: readonly string[]): string {
  const body = [
    element("h1", {}, escapeMarkup(title)),
    ...parts,
    element("footer", {}, "Written by Espalier."),
  ].join("\n");
  const head = [
    '<meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    element("title", {}, escapeMarkup(title)),
    element("style", {}, REPORT_STYLE),
  ].join("\n");
  return `<!doctype html>\n<html lang="en">\n<head>\n${head}\n</head>\n<body>\n<main>\n${body}\n</main>\n</body>\n</html>\n`;
}

/** Formats a mask as an embedded PNG. Pruned weights are transparent, so that the mask suits light and dark pages. */
export function maskPicture(matrix: MaskMatrix): string {
  const { layer, rows, columns, mask } = matrix;
  if (mask.length !== rows * columns)
    throw new RangeError(
      `mask of ${layer}: expected ${rows} x ${columns} entries, got ${mask.length}`,
    );
  const magnification = Math.max(1, Math.floor(COMFORTABLE_WIDTH / columns));
  const png = writePng({ width: columns, height: rows, pixels: mask, colors: [PRUNED, KEPT] });
  return element("img", {
    class: "mask",
    width: columns * magnification,
    height: rows * magnification,
    alt: `Mask of ${layer}: ${rows} rows of ${columns} weights; coloured weights are kept`,
    src: `data:image/png;base64,${toBase64(png)}`,
  });
}

export function toBase64(bytes: Uint8Array): string {
  let text = "";
  for (let offset = 0; offset < bytes.length; offset += SLICE)
    text += String.fromCharCode(...bytes.subarray(offset, offset + SLICE));
  return btoa(text);
}
