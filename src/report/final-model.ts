/** Formats how a final model does on the evaluation rows: by class, by value, and its largest errors. */
import type { Range } from "./axis.ts";
import { confusions } from "./confusion.ts";
import { formatPercent, isWhole } from "./evaluation-table.ts";
import { element, escapeMarkup } from "./markup.ts";
import { card, details, halves, htmlTable, subheading } from "./page.ts";
import type { ClassResults, FinalModel, RowError } from "./run-report.ts";
import { scatterPlot } from "./scatter-plot.ts";
import type { TextTable } from "./table.ts";

/** With more classes, metrics by class are shown on request. */
const MOST_OPEN_CLASSES = 12;
/** With more classes, a matrix takes the whole width of the page. */
const MOST_HALF_CLASSES = 8;
/** Of a longer text, the start is shown, and the rest on request. */
const LONG_TEXT = 400;

/** Formats the metrics by class, and the confusions. `dense` is the dense model with which a pruned one is compared. */
export function classSection(
  label: string,
  { results, seed }: FinalModel,
  dense: FinalModel | undefined,
): string {
  if (results === undefined) return "";
  const title = `${label}, seed ${seed}`;
  const { names, confusion } = results;
  const isOpen = names.length <= MOST_OPEN_CLASSES;
  const byLabel = details(
    `By label: ${title}`,
    htmlTable(labelTable(results, dense?.results), { phone: "flow" }),
    isOpen,
  );
  if (confusion === null) return byLabel;
  const heading = isWhole(names) ? "Confusions" : "Most frequent confusions";
  const matrix = subheading(`${heading}: ${title}`) + confusions(title, names, confusion);
  const parts = [matrix, byLabel];
  return names.length <= MOST_HALF_CLASSES ? halves(parts) : parts.join("");
}

/** Formats the largest errors of a model with their texts. */
export function errorSection(
  label: string,
  { errors = [], seed }: FinalModel,
  isOpen: boolean,
): string {
  if (errors.length === 0) return "";
  return details(`Largest errors: ${label}, seed ${seed}`, errorList(errors), isOpen);
}

/** Draws predicted against true values, if the model has them. */
export function valuesPlot({ values }: FinalModel, range: Range): readonly string[] {
  if (values === undefined) return [];
  return [card(scatterPlot("Predicted against true value", values, range))];
}

/** Lists the metrics of each class in percent, with the F1 of the dense model beside that of a pruned one. */
function labelTable({ names, perClass }: ClassResults, dense: ClassResults | undefined): TextTable {
  const denseF1 = new Map(dense?.perClass.map(({ id, f1 }) => [id, f1]));
  return {
    header: [
      ...["label", "precision", "recall", "F1"],
      ...(dense === undefined ? [] : ["F1 of dense"]),
      "rows",
    ],
    rows: perClass.map(({ id, precision, recall, f1, support }, i) => [
      names[i] ?? "",
      ...[precision, recall, f1].map(formatPercent),
      ...(dense === undefined ? [] : [formatPercent(denseF1.get(id) ?? null)]),
      String(support),
    ]),
  };
}

function errorList(errors: readonly RowError[]): string {
  const items = errors.map(({ text, textPair, label, predicted, degree, dense }) => {
    const bold = (value: string): string => element("b", {}, escapeMarkup(value));
    const verdict = [
      `label ${bold(label)}`,
      `predicted ${bold(predicted)} (${escapeMarkup(degree)})`,
      ...(dense === undefined ? [] : [`dense ${bold(dense)}${dense === label ? " (right)" : ""}`]),
    ].join(", ");
    const texts = textPair === null ? [text] : [text, textPair];
    return element(
      "li",
      {},
      texts.map(errorText).join("") + element("p", { class: "verdict" }, verdict),
    );
  });
  return element("div", { class: "card" }, element("ol", { class: "errors" }, items.join("")));
}

/** Formats a text of any language. */
function errorText(text: string): string {
  if (text.trim() === "") return element("p", { class: "verdict" }, "(empty text)");
  const characters = [...text];
  if (characters.length <= LONG_TEXT) return element("p", { dir: "auto" }, escapeMarkup(text));
  const [start, rest] = [characters.slice(0, LONG_TEXT), characters.slice(LONG_TEXT)].map((part) =>
    escapeMarkup(part.join("")),
  );
  const summary = element("summary", {}, `${start} …`);
  return element("details", { dir: "auto" }, `${summary}${element("p", {}, `… ${rest}`)}`);
}
