/** Formats the confusions of a model: as a matrix with coloured cells, or as a list of the most frequent ones. */
import { isWhole, largestConfusions } from "./evaluation-table.ts";
import { element, escapeBreakable, escapeMarkup } from "./markup.ts";
import { card, htmlTable, note, rowName, scrolled } from "./page.ts";

type Counts = readonly (readonly number[])[];

/** Columns are named by their labels if all labels together have at most this many characters. */
const MOST_HEAD_CHARACTERS = 32;
/** The room for the cells of a matrix on a phone, and the estimated widths of a digit and of a cell without one. */
const PHONE_WIDTH = 226;
const DIGIT = 8;
const LEAST_CELL = 12;

/** Formats confusions. `title` names the model. A matrix that does not fit a phone is a list there. */
export function confusions(title: string, names: readonly string[], counts: Counts): string {
  const list = confusionList(names, counts);
  if (!isWhole(names)) return list;
  const matrix = card(
    scrolled(confusionMatrix(names, counts), `Confusions of ${title}`),
    "Rows by label (down) and prediction (across); blue is right, orange wrong, by the share of the label's rows.",
  );
  return fitsPhone(counts)
    ? matrix
    : element("div", { class: "not-phone" }, matrix) + element("div", { class: "phone" }, list);
}

function confusionList(names: readonly string[], counts: Counts): string {
  const table = largestConfusions(counts, names);
  if (table.rows.length === 0) return note("Every row has its label predicted.");
  return htmlTable(table, { text: ["prediction"] });
}

function fitsPhone(counts: Counts): boolean {
  const widths = counts.map((_, column) => {
    const digits = Math.max(...counts.map((row) => String(row[column] ?? 0).length));
    return LEAST_CELL + DIGIT * Math.max(2, digits);
  });
  return widths.reduce((sum, width) => sum + width, 0) <= PHONE_WIDTH;
}

/** Columns have names if these are short, and numbers otherwise. */
function confusionMatrix(names: readonly string[], counts: Counts): string {
  const hasNames = names.join("").length <= MOST_HEAD_CHARACTERS;
  const heads = names.map((name, i) =>
    element("th", { scope: "col", title: name }, hasNames ? escapeBreakable(name) : String(i + 1)),
  );
  const rows = counts.map((row, label) => {
    const all = row.reduce((sum, count) => sum + count, 0);
    const name = names[label] ?? "";
    const cells = row.map((count, predicted) => cell(count, all, label === predicted));
    return element("tr", {}, rowName(hasNames ? name : `${label + 1} ${name}`) + cells.join(""));
  });
  const corner = element("th", { scope: "col" }, escapeMarkup("label \\ predicted"));
  const head = element("thead", {}, element("tr", {}, corner + heads.join("")));
  return element("table", { class: "matrix" }, head + element("tbody", {}, rows.join("")));
}

function cell(count: number, all: number, isRight: boolean): string {
  if (count === 0) return element("td", {}, "0");
  const color = isRight ? "var(--right)" : "var(--wrong)";
  const style = `background:rgb(${color} / ${tint(count / all)})`;
  return element("td", { style }, String(count));
}

/** Returns the opacity of a cell. Text stays legible on the strongest one. */
function tint(share: number): string {
  return (0.06 + 0.34 * share).toFixed(2);
}
