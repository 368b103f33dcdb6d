/** Formats how a final model does on the evaluation rows: by class, by value, and its largest errors. */
import type { Range } from "./axis.ts";
import { classTable, confusionTable, isWhole } from "./evaluation-table.ts";
import { element, escapeMarkup } from "./markup.ts";
import { card, details, htmlTable, subheading } from "./page.ts";
import type { ClassResults, FinalModel, RowError } from "./run-report.ts";
import { scatterPlot } from "./scatter-plot.ts";

/** With more classes, metrics by class are shown on request. */
const MOST_OPEN_CLASSES = 12;

/**
 * Formats the tables of a final model. The values of regression are a plot, by {@link valuesPlot}.
 *
 * @param isMain whether its errors are shown at once, and not on request
 */
export function finalModelTables(
  label: string,
  { results, errors = [], seed }: FinalModel,
  isMain: boolean,
): string {
  const title = `${label}, seed ${seed}`;
  return [
    ...(results === undefined ? [] : classTables(title, results)),
    ...(errors.length === 0
      ? []
      : [details(`Largest errors: ${title}`, errorList(errors), isMain)]),
  ].join("");
}

/** Draws predicted against true values, if the model has them. */
export function valuesPlot({ values }: FinalModel, range: Range): readonly string[] {
  if (values === undefined) return [];
  return [card(scatterPlot("Predicted against true value", values, range))];
}

function classTables(
  title: string,
  { names, perClass, confusion }: ClassResults,
): readonly string[] {
  const isOpen = names.length <= MOST_OPEN_CLASSES;
  return [
    ...(confusion === null ? [] : [confusions(title, names, confusion)]),
    details(`By label: ${title}`, htmlTable(classTable(perClass, names)), isOpen),
  ];
}

function confusions(
  title: string,
  names: readonly string[],
  confusion: readonly (readonly number[])[],
): string {
  const isMatrix = isWhole(names);
  return (
    subheading(`${isMatrix ? "Confusions" : "Most frequent confusions"}: ${title}`) +
    (isMatrix
      ? confusionMatrix(title, names, confusion)
      : htmlTable(confusionTable(confusion, names)))
  );
}

/** Formats rows by label and prediction. Labels are numbered, so that columns are narrow. */
function confusionMatrix(
  title: string,
  names: readonly string[],
  confusion: readonly (readonly number[])[],
): string {
  const heads = ["label \\ predicted", ...names.map((_, i) => String(i + 1))];
  const head = heads.map((text) => element("th", { scope: "col" }, escapeMarkup(text))).join("");
  const rows = confusion.map((counts, label) => {
    const all = counts.reduce((sum, count) => sum + count, 0);
    const cells = counts.map((count, predicted) => {
      const color = label === predicted ? "var(--right)" : "var(--wrong)";
      const share = all === 0 ? 0 : count / all;
      const attributes = count === 0 ? {} : { style: `background:rgb(${color} / ${tint(share)})` };
      return element("td", attributes, String(count));
    });
    const name = element(
      "th",
      { scope: "row" },
      escapeMarkup(`${label + 1} ${names[label] ?? ""}`),
    );
    return element("tr", {}, name + cells.join(""));
  });
  const table = element(
    "table",
    { class: "matrix" },
    element("thead", {}, element("tr", {}, head)) + element("tbody", {}, rows.join("")),
  );
  const region = {
    class: "scroll",
    role: "region",
    tabindex: "0",
    "aria-label": `Confusions of ${title}`,
  };
  return card(
    element("div", region, table),
    "Rows by label (down) and prediction (across); blue is right, orange wrong, by the share of the label's rows.",
  );
}

/** Returns the opacity of a cell. Text stays legible on the strongest one. */
function tint(share: number): string {
  return (0.06 + 0.34 * share).toFixed(2);
}

function errorList(errors: readonly RowError[]): string {
  const items = errors.map(({ text, textPair, label, predicted, degree, dense }) => {
    const bold = (value: string): string => element("b", {}, escapeMarkup(value));
    const verdict = [
      `label ${bold(label)}`,
      `predicted ${bold(predicted)} (${escapeMarkup(degree)})`,
      ...(dense === undefined ? [] : [`dense ${bold(dense)}`]),
    ].join(", ");
    const texts = textPair === null ? [text] : [text, textPair];
    return element(
      "li",
      {},
      texts.map((each) => element("p", {}, escapeMarkup(each))).join("") +
        element("p", { class: "verdict" }, verdict),
    );
  });
  const list = element("ol", { class: "errors" }, items.join(""));
  return element("div", { class: "card" }, list);
}
