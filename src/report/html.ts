/** Formats the report of a run as a self-contained HTML file without scripts. */
import type { Range } from "./axis.ts";
import { barPlot } from "./bar-plot.ts";
import { linePlot, type Series } from "./line-plot.ts";
import { element, escapeMarkup } from "./markup.ts";
import { card, factsTable, heading, htmlPage, htmlTable, maskCard, paragraph } from "./page.ts";
import type { PatternRun, RunReport, SeedCurve } from "./run-report.ts";
import { mean, resultsTable } from "./table.ts";

const RATIOS: Range = { low: 0, high: 1 };
const CORRELATIONS: Range = { low: -1, high: 1 };

function curvesOf(
  curves: readonly SeedCurve[],
  value: "loss" | "metric",
  name: string,
): readonly Series[] {
  return curves.map((curve, index) => ({
    name: `${name}, seed ${curve.seed}`,
    color: index,
    points: curve.epochs.map((point) => [point.epoch, point[value]] as const),
  }));
}

/** Returns a dashed horizontal line across the epochs of `curves`, at the mean final metric of the dense models. */
function denseReference(dense: readonly SeedCurve[], curves: readonly SeedCurve[]): Series[] {
  const last = dense.flatMap((curve) => curve.epochs.slice(-1)).map((point) => point.metric);
  const epochs = curves.flatMap((curve) => curve.epochs.map((point) => point.epoch));
  if (last.length === 0 || epochs.length === 0) return [];
  const ends = [Math.min(...epochs), Math.max(...epochs)];
  const points = ends.map((epoch) => [epoch, mean(last)] as const);
  return [{ name: "dense, mean at its end", color: 4, dashed: true, points }];
}

/** Returns the range of a metric: that of correlations if a value is negative. */
function limitsOf(series: readonly Series[]): Range {
  const isNegative = series.some(({ points }) => points.some(([, y]) => y < 0));
  return isNegative ? CORRELATIONS : RATIOS;
}

function trainingPlots(report: RunReport, curves: readonly SeedCurve[], name: string): string[] {
  const reference = name === "dense" ? [] : denseReference(report.dense, curves);
  const losses = curvesOf(curves, "loss", name);
  const metrics = [...curvesOf(curves, "metric", name), ...reference];
  const title = `Evaluation ${report.table.metric} after each epoch`;
  return [
    linePlot({ title: "Training loss, mean of each epoch", xLabel: "epoch", series: losses }),
    linePlot({ title, yLimits: limitsOf(metrics), xLabel: "epoch", series: metrics }),
  ].map(card);
}

function schedulePlot({ schedule }: PatternRun): string {
  const pointsOf = (value: "reached" | "target") =>
    schedule.map((point) => [point.step, point[value]] as const);
  const reached = { name: "reached", color: 0, stepped: true, points: pointsOf("reached") };
  const target = { name: "schedule's target", color: 1, dashed: true, stepped: true };
  const series = [reached, { ...target, points: pointsOf("target") }];
  const title = "Pruned share: schedule and reached";
  return card(linePlot({ title, xLabel: "step", yRange: RATIOS, series }));
}

function layerPlot({ layers }: PatternRun): string {
  const bars = layers.map(({ name, sparsity: ratio, pruned: accented }) => {
    return { name, ratio, accented };
  });
  return card(barPlot("Zeros per linear layer; grey layers are not pruned", bars));
}

function patternSection(report: RunReport, run: PatternRun): string {
  const figures = [
    ...trainingPlots(report, run.curves, "sparse"),
    ...(run.schedule.length > 0 ? [schedulePlot(run)] : []),
    ...(run.layers.length > 0 ? [layerPlot(run)] : []),
  ];
  return [
    heading("Pruned to ", run.label),
    element("div", { class: "grid-2" }, figures.join("")),
    run.mask === undefined ? "" : element("div", { class: "wide" }, maskCard(run.mask)),
  ].join("");
}

/** Formats a report as an HTML document. All text is escaped. */
export function htmlReport(report: RunReport): string {
  return htmlPage(report.title, [
    paragraph(report.summary),
    ...(report.table.rows.length > 0
      ? [
          heading("Results"),
          htmlTable(resultsTable(report.table)),
          element("p", { class: "note" }, escapeMarkup(RESULTS_NOTE)),
        ]
      : []),
    ...(report.evaluations === undefined
      ? []
      : [heading("Final models"), htmlTable(report.evaluations)]),
    ...(report.classes ?? []).flatMap(({ title, table }) => [heading(title), htmlTable(table)]),
    heading("Dense"),
    element("div", { class: "grid-2" }, trainingPlots(report, report.dense, "dense").join("")),
    ...report.patterns.map((run) => patternSection(report, run)),
    heading("Settings"),
    factsTable(report.settings),
  ]);
}

const RESULTS_NOTE =
  "Metrics are in percent, mean/max over seeds, of the model after its last epoch. Sparsity is zeros over " +
  "entries. Relative drop is (sparse max - dense max) / dense max.";
