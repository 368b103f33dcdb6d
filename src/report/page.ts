/** The parts of reports: self-contained HTML files without scripts. */
import { element, escapeMarkup } from "./markup.ts";
import { maskPicture } from "./mask-picture.ts";
import type { MaskMatrix } from "./run-report.ts";
import { REPORT_STYLE } from "./style.ts";
import type { TextTable } from "./table.ts";

/** A heading that may end in code. */
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

/** A table in a frame. */
export function htmlTable(table: TextTable): string {
  const head = element("thead", {}, cells("th", table.header));
  const body = element("tbody", {}, table.rows.map((row) => cells("td", row)).join(""));
  return card(element("div", { class: "scroll" }, element("table", {}, head + body)));
}

/** A layer's mask as a picture in a frame. */
export function maskCard(mask: MaskMatrix): string {
  const caption = element(
    "figcaption",
    {},
    `Mask of ${element("code", {}, escapeMarkup(mask.layer))} ` +
      element("span", {}, `${mask.rows} x ${mask.columns}, one pixel a weight, coloured = kept`),
  );
  return card(caption + element("div", { class: "scroll" }, maskPicture(mask)));
}

/** Names and values, a row each. */
export function factsTable(facts: readonly (readonly [name: string, value: string])[]): string {
  const rows = facts.map((row) => cells("td", row)).join("");
  return card(element("table", { class: "settings" }, element("tbody", {}, rows)));
}

/** The whole document. The title is text, the parts of the body are markup. */
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
