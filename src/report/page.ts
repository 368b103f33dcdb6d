/** Formats the parts of reports, which are self-contained HTML files without scripts. */
import { element, escapeBreakable, escapeMarkup } from "./markup.ts";
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
  return element(
    "h2",
    {},
    escapeBreakable(text) + (code && element("code", {}, escapeBreakable(code))),
  );
}

export function subheading(text: string): string {
  return element("h3", {}, escapeBreakable(text));
}

export function paragraph(text: string): string {
  return element("p", {}, escapeBreakable(text));
}

/** Formats what a reader must know first. */
export function warning(text: string): string {
  return element("p", { class: "warning" }, escapeBreakable(text));
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
  return figures.length === 0 ? "" : element("div", { class: "plots" }, figures.join(""));
}

/** Formats content that is shown on request. `summary` is text, and `content` is markup. */
export function details(summary: string, content: string, isOpen: boolean): string {
  const attributes: Readonly<Record<string, string>> = isOpen ? { open: "" } : {};
  return element("details", attributes, element("summary", {}, escapeBreakable(summary)) + content);
}

interface TableStyle {
  /** The columns of text, by their headers. The others are numbers and are right-aligned. */
  readonly text?: readonly string[];
  /**
   * How a phone shows it: as a table, with a line for each cell (`stack`), or with the cells of a row one after another
   * (`flow`). Default `table`.
   */
  readonly phone?: "table" | "stack" | "flow";
  /** Whether the header stays in view. */
  readonly sticky?: boolean;
}

/** Formats a table. The first cell of a row names the row. */
export function htmlTable(table: TextTable, style: TableStyle = {}): string {
  return card(bareTable(table, style));
}

/** Formats a table without a card around it. */
export function bareTable({ header, rows }: TextTable, style: TableStyle = {}): string {
  const { text = [], phone = "table", sticky = false } = style;
  const kindOf = (name: string): Readonly<Record<string, string>> =>
    text.includes(name) ? { class: "text" } : {};
  const head = header.map((name) =>
    element("th", { scope: "col", ...kindOf(name) }, escapeBreakable(name)),
  );
  const body = rows.map(([name = "", ...cells]) => {
    const own = cells.map((cell, i) => {
      const column = header[i + 1] ?? "";
      return element("td", { "data-label": column, ...kindOf(column) }, escapeBreakable(cell));
    });
    return element("tr", {}, rowName(name) + own.join(""));
  });
  const classes = [...(sticky ? ["sticky"] : []), ...(phone === "table" ? [] : [phone])].join(" ");
  const parts =
    element("thead", {}, element("tr", {}, head.join(""))) + element("tbody", {}, body.join(""));
  return element("table", classes === "" ? {} : { class: classes }, parts);
}

export function rowName(name: string): string {
  return element("th", { scope: "row" }, escapeBreakable(name));
}

/** Formats a region that scrolls sideways if it is too wide for the page. `content` is markup, and `label` is text. */
export function scrolled(content: string, label: string): string {
  const region = { class: "scroll", role: "region", tabindex: "0", "aria-label": label };
  return element("div", region, content);
}

/** Formats parts side by side if there is room. */
export function halves(parts: readonly string[]): string {
  const cells = parts.map((part) => element("div", {}, part));
  return parts.length === 0 ? "" : element("div", { class: "halves" }, cells.join(""));
}

export function maskCard(mask: MaskMatrix): string {
  const caption = element(
    "figcaption",
    {},
    `Mask of ${element("code", {}, escapeBreakable(mask.layer))} ` +
      element("span", {}, `${mask.rows} x ${mask.columns}, one pixel a weight, coloured = kept`),
  );
  return element("figure", { class: "card" }, caption + maskPicture(mask));
}

/** Formats a table with one row for each name-value pair. */
export function factsTable(facts: readonly (readonly [name: string, value: string])[]): string {
  const rows = facts.map(([name, value]) =>
    element("tr", {}, rowName(name) + element("td", {}, escapeBreakable(value))),
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
    element("h1", {}, escapeBreakable(title)),
    ...parts.filter((part) => part !== ""),
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
