/** Formats the report on a checkpoint's tensors, sizes and sparsity as a self-contained HTML file. */
import { type Bar, barPlot } from "./bar-plot.ts";
import { factsTable, halves, heading, htmlPage, htmlTable, maskCard, paragraph } from "./page.ts";
import type { MaskMatrix } from "./run-report.ts";
import type { TextTable } from "./table.ts";

interface CheckpointReport {
  readonly title: string;
  /** One or two sentences that state which checkpoint was inspected, and how. */
  readonly summary: string;
  readonly facts: readonly (readonly [name: string, value: string])[];
  /** The numbers and sizes of the tensors of each role. */
  readonly roles: TextTable;
  /** States which tensors are layers, and which are left alone for which reason. */
  readonly account: readonly string[];
  readonly tensors: TextTable;
  /** The share of zeros in each layer. Bars of layers that satisfy a pattern are accented. */
  readonly zeros: readonly Bar[];
  /** For each layer, its size in bytes in its smallest layout, divided by its dense size. */
  readonly packed: readonly Bar[];
  readonly mask?: MaskMatrix;
}

/** The columns of tensors that are no numbers. */
const TEXT_COLUMNS = ["role", "axes", "dtype", "layout", "patterns"];

/** Formats a report as an HTML document. All text is escaped. */
export function checkpointReport(report: CheckpointReport): string {
  const { title, summary, facts, roles, account, tensors, zeros, packed, mask } = report;
  const figures = [
    ...(zeros.length > 0
      ? [barPlot("Zeros per layer; grey layers satisfy no pattern", zeros)]
      : []),
    ...(packed.length > 0 ? [barPlot("Packed bytes over dense bytes per layer", packed)] : []),
  ];
  const parts = [
    paragraph(summary),
    factsTable(facts),
    heading("Roles and coverage"),
    htmlTable(roles, { phone: "flow" }),
    ...account.map(paragraph),
    heading("Tensors"),
    htmlTable(tensors, { text: TEXT_COLUMNS, phone: "flow", sticky: true }),
    ...(figures.length > 0 ? [heading("Layers"), halves(figures)] : []),
    ...(mask === undefined ? [] : [maskCard(mask)]),
  ];
  return htmlPage(title, parts, true);
}
