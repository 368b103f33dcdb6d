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

export function subheading(text: string): string {
  return element("h3", {}, escapeMarkup(text));
}

export function paragraph(text: string): string {
  return element("p", {}, escapeMarkup(text));
}

export function note(text: string): string {
  return element("p", { class: "note" }, escapeMarkup(text));
}

/** Formats a figure, with a caption below it if there is one. `content` is markup, and `caption` is text. */
export function card(content: string, caption: string = ""): string {
  const below = caption && element("figcaption", { class: "below" }, escapeMarkup(caption));
  return element("figure", { class: "card" }, content + below);
}

/** Formats figures side by side if there is room. */
export function plots(figures: readonly string[]): string {
  return element("div", { class: "plots" }, figures.join(""));
}

/** Formats content that is shown on request. `summary` is text, and `content` is markup. */
export function details(summary: string, content: string, isOpen: boolean): string {
  const attributes: Readonly<Record<string, string>> = isOpen ? { open: "" } : {};
  return element("details", attributes, element("summary", {}, escapeMarkup(summary)) + content);
}

/** With more columns, the rows of a table become blocks on a phone. */
const MOST_PHONE_COLUMNS = 5;

/**
 * Formats a table. The first cell of a row names the row.
 *
 * @param kind a class of the style sheet
 */
export function htmlTable({ header, rows }: TextTable, kind: string = ""): string {
  const head = header.map((cell) => element("th", { scope: "col" }, escapeMarkup(cell))).join("");
  const body = rows.map(([name = "", ...cells]) => {
    const own = cells.map((cell, i) =>
      element("td", { "data-label": header[i + 1] ?? "" }, escapeMarkup(cell)),
    );
    return element("tr", {}, rowName(name) + own.join(""));
  });
  const stacked = header.length > MOST_PHONE_COLUMNS ? "stack" : "";
  const classes = [kind, stacked].filter((name) => name !== "").join(" ");
  const parts = element("thead", {}, element("tr", {}, head)) + element("tbody", {}, body.join(""));
  return card(element("table", classes === "" ? {} : { class: classes }, parts));
}

function rowName(name: string): string {
  return element("th", { scope: "row" }, escapeMarkup(name));
}

export function maskCard(mask: MaskMatrix): string {
  const caption = element(
    "figcaption",
    {},
    `Mask of ${element("code", {}, escapeMarkup(mask.layer))} ` +
      element("span", {}, `${mask.rows} x ${mask.columns}, one pixel a weight, coloured = kept`),
  );
  return element("figure", { class: "card" }, caption + maskPicture(mask));
}

/** Formats a table with one row for each name-value pair. */
export function factsTable(facts: readonly (readonly [name: string, value: string])[]): string {
  const rows = facts.map(([name, value]) =>
    element("tr", {}, rowName(name) + element("td", {}, escapeMarkup(value))),
  );
  return card(element("table", { class: "settings" }, element("tbody", {}, rows.join(""))));
}

/** Forbids scripts and everything from elsewhere. */
const POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:";

/**
 * Formats a whole document. `title` is text, and `parts` are markup.
 *
 * @param isBroad whether the page is for tables of many columns
 */
export function htmlPage(
  title: string,
  parts: readonly string[],
  isBroad: boolean = false,
): string {
  const body = [
    element("h1", {}, escapeMarkup(title)),
    ...parts,
    element("footer", {}, "Written by Espalier."),
  ].join("\n");
  const head = [
    '<meta charset="utf-8">',
    `<meta http-equiv="Content-Security-Policy" content="${POLICY}">`,
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    element("title", {}, escapeMarkup(title)),
    element("style", {}, REPORT_STYLE),
  ].join("\n");
  return `<!doctype html>\n<html lang="en">\n<head>\n${head}\n</head>\n<body${isBroad ? ' class="broad"' : ""}>\n<main>\n${body}\n</main>\n</body>\n</html>\n`;
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
