/** Formats the report of a run as a self-contained HTML file without scripts. */
import { type Range, rangeOf } from "./axis.ts";
import { barPlot } from "./bar-plot.ts";
import { comparisonLines } from "./comparison.ts";
import { classSection, errorSection, valuesPlot } from "./final-model.ts";
import { linePlot, type Series } from "./line-plot.ts";
import { element, escapeMarkup } from "./markup.ts";
import { modelsTable } from "./models-table.ts";
import { narrowTable } from "./narrow-table.ts";
import {
  card,
  details,
  factsTable,
  halves,
  heading,
  htmlPage,
  htmlTable,
  maskCard,
  note,
  paragraph,
  plots,
  scrolled,
  warning,
} from "./page.ts";
import type { LossName, PatternRun, RunReport, SeedCurve } from "./run-report.ts";
import { valueRange } from "./scatter-plot.ts";
import { formatMarkdown, mean, resultsTable, type TextTable } from "./table.ts";

const RATIOS: Range = { low: 0, high: 1 };
const PERCENT: Range = { low: 0, high: 100 };
const PERCENT_OF_CORRELATION: Range = { low: -100, high: 100 };

/** The ranges of axes that plots of all phases share, so that they can be compared. */
interface SharedAxes {
  readonly epochs: Range | undefined;
  readonly steps: Range | undefined;
  readonly metric: Range | undefined;
  readonly metricLimits: Range;
  /** By the name of the loss: other losses have other units. */
  readonly losses: ReadonlyMap<string, Range>;
  readonly values: Range;
}

/** Returns the range of values; undefined without values. */
function given(values: readonly number[]): Range | undefined {
  return values.some(Number.isFinite) ? rangeOf(values) : undefined;
}

function sharedAxes({ dense, denseLoss, patterns, denseFinal }: RunReport): SharedAxes {
  const sparse = patterns.flatMap(({ curves }) => curves);
  const pointsOf = (curves: readonly SeedCurve[]) => curves.flatMap(({ epochs }) => epochs);
  const metrics = pointsOf([...dense, ...sparse]).map(({ metric }) => 100 * metric);
  const losses = new Map<string, readonly number[]>();
  for (const [{ name }, curves] of [
    [denseLoss, dense] as const,
    ...patterns.map(({ loss, curves }) => [loss, curves] as const),
  ])
    losses.set(name, [...(losses.get(name) ?? []), ...pointsOf(curves).map(({ loss }) => loss)]);
  const finals = [denseFinal, ...patterns.map(({ final }) => final)];
  return {
    epochs: given(pointsOf(sparse).map(({ epoch }) => epoch)),
    steps: given(patterns.flatMap(({ schedule }) => schedule.map(({ step }) => step))),
    metric: given(metrics),
    metricLimits: metrics.some((value) => value < 0) ? PERCENT_OF_CORRELATION : PERCENT,
    losses: new Map([...losses].map(([name, values]) => [name, rangeOf(values)])),
    values: valueRange(finals.flatMap((final) => final?.values ?? [])),
  };
}

function lossCurves(curves: readonly SeedCurve[], name: string): readonly Series[] {
  return curves.map(({ seed, epochs }, color) => {
    const lost = epochs.filter(({ loss }) => !Number.isFinite(loss)).map(({ epoch }) => epoch);
    const end = lost.length === 0 ? "" : `, not finite in epoch ${lost.join(", ")}`;
    const points = epochs.map(({ epoch, loss }) => [epoch, loss] as const);
    return { name: `${name}, seed ${seed}${end}`, color, points };
  });
}

function metricCurves(curves: readonly SeedCurve[], name: string): readonly Series[] {
  return curves.map(({ seed, epochs }, color) => {
    const points = epochs.map(({ epoch, metric }) => [epoch, 100 * metric] as const);
    return { name: `${name}, seed ${seed}`, color, points };
  });
}

/** Returns a dashed horizontal line across the epochs of `curves`, at the mean metric of the final dense models. */
function denseReference({ models, dense }: RunReport, curves: readonly SeedCurve[]): Series[] {
  const last = dense.flatMap(({ epochs }) => epochs.slice(-1)).map(({ metric }) => metric);
  const final = models[0]?.metric ?? last;
  const epochs = curves.flatMap((curve) => curve.epochs.map((point) => point.epoch));
  if (final.length === 0 || epochs.length === 0) return [];
  const ends = [Math.min(...epochs), Math.max(...epochs)];
  const points = ends.map((epoch) => [epoch, 100 * mean(final)] as const);
  const name = final.length === 1 ? "dense" : "dense, mean of seeds";
  return [{ name, color: "muted", dashed: true, points }];
}

function trainingPlots(
  report: RunReport,
  axes: SharedAxes,
  { label, loss, curves }: Pick<PatternRun, "label" | "loss" | "curves">,
): readonly string[] {
  if (curves.every(({ epochs }) => epochs.length === 0)) return [];
  const isDense = label === "dense";
  const reference = isDense ? [] : denseReference(report, curves);
  const xRange = !isDense && axes.epochs && { xRange: axes.epochs };
  const lossRange = axes.losses.get(loss.name);
  const losses = linePlot({
    title: "Training loss, mean of each epoch",
    xLabel: "epoch",
    series: lossCurves(curves, loss.name),
    ...xRange,
    ...(lossRange && { yRange: lossRange }),
  });
  const metrics = linePlot({
    title: `Evaluation ${report.table.metric} in percent`,
    xLabel: "epoch",
    series: [...metricCurves(curves, label), ...reference],
    yLimits: axes.metricLimits,
    ...xRange,
    ...(axes.metric && { yRange: axes.metric }),
  });
  return [card(losses, meaningOf(loss)), card(metrics)];
}

function meaningOf({ name, meaning }: LossName): string {
  return meaning === undefined ? "" : `${name}: ${meaning}`;
}

function schedulePlot({ schedule }: PatternRun, axes: SharedAxes): string {
  const pointsOf = (value: "reached" | "target") =>
    schedule.map((point) => [point.step, point[value]] as const);
  const reached = { name: "reached", color: 0, stepped: true, points: pointsOf("reached") };
  const target = { name: "schedule's target", color: 1, dashed: true, stepped: true };
  const series = [reached, { ...target, points: pointsOf("target") }];
  const title = "Pruned share: schedule and reached";
  const xRange = axes.steps && { xRange: axes.steps };
  return card(linePlot({ title, xLabel: "step", yRange: RATIOS, series, ...xRange }));
}

function layerPlot({ layers }: PatternRun): string {
  const bars = layers.map(({ name, sparsity: ratio, pruned: accented }) => {
    return { name, ratio, accented };
  });
  return barPlot("Zeros per linear layer; grey layers are not pruned", bars);
}

function denseSection(report: RunReport, axes: SharedAxes): string {
  const { dense: curves, denseLoss: loss, denseFinal: final } = report;
  const figures = [
    ...trainingPlots(report, axes, { label: "dense", loss, curves }),
    ...(final === undefined ? [] : valuesPlot(final, axes.values)),
  ];
  return [
    heading("Dense"),
    plots(figures),
    ...(final === undefined
      ? []
      : [
          classSection("dense", final, undefined),
          errorSection("dense", final, report.patterns.length === 0),
        ]),
  ].join("");
}

function patternSection(report: RunReport, axes: SharedAxes, run: PatternRun): string {
  const { final, mask, label } = run;
  const figures = [
    ...trainingPlots(report, axes, run),
    ...(run.schedule.length > 0 ? [schedulePlot(run, axes)] : []),
    ...(final === undefined ? [] : valuesPlot(final, axes.values)),
  ];
  return [
    heading("Pruned to ", label),
    plots(figures),
    ...(final === undefined ? [] : [classSection(label, final, report.denseFinal)]),
    ...(run.narrow === undefined
      ? []
      : [htmlTable(narrowTable(run.narrow), { text: ["layer", "heads or width"] })]),
    halves([
      ...(run.layers.length > 0 ? [layerPlot(run)] : []),
      ...(mask === undefined ? [] : [maskCard(mask)]),
    ]),
    ...(final === undefined ? [] : [errorSection(label, final, true)]),
  ].join("");
}

function resultsSection({ table, models, measurement }: RunReport): readonly string[] {
  if (models.length === 0) return [];
  const shown = models.length === 1 ? models : models.slice(1);
  const items = comparisonLines(table.metric, models).map((line, i) => {
    const name = `${shown[i]?.label ?? ""}:`;
    const rest = line.slice(name.length);
    return element("li", {}, element("b", {}, escapeMarkup(name)) + escapeMarkup(rest));
  });
  return [
    heading("Results"),
    element("ul", { class: "answers" }, items.join("")),
    htmlTable(modelsTable(table.metric, models), { phone: "stack" }),
    note(`${RESULTS_NOTE}${measurement === undefined ? "" : ` ${measurement}`}`),
  ];
}

const RESULTS_NOTE =
  "Metrics are in percent, of the final models on the evaluation rows. Zeros are those in the weights of all linear layers.";

/** Formats a report as an HTML document. All text is escaped. */
export function htmlReport(report: RunReport): string {
  const axes = sharedAxes(report);
  const { table, evaluations } = report;
  return htmlPage(report.title, [
    paragraph(report.summary),
    ...(report.notices ?? []).map(warning),
    ...resultsSection(report),
    ...(evaluations === undefined
      ? []
      : [
          heading("Final models"),
          htmlTable(evaluations, { text: ["rows"], phone: "flow" }),
          note(EVALUATIONS_NOTE),
        ]),
    denseSection(report, axes),
    ...report.patterns.map((run) => patternSection(report, axes, run)),
    ...(table.rows.length > 0
      ? [
          heading("As published tables have it"),
          htmlTable(resultsTable(table), { phone: "stack" }),
          note(PUBLISHED_NOTE),
          details("The same as Markdown", markdown(resultsTable(table)), false),
        ]
      : []),
    heading("Settings"),
    settingsSection(report.settings),
  ]);
}

function markdown(table: TextTable): string {
  const text = element("pre", {}, escapeMarkup(formatMarkdown(table)));
  return card(scrolled(text, "The table as Markdown"));
}

/** Arranges settings in columns: those of the run, of the dense phase and of the sparse phases. */
function settingsSection(settings: RunReport["settings"]): string {
  const groupOf = (name: string): string => /^(dense|sparse)(?: \S+)?: /.exec(name)?.[1] ?? "run";
  const groups = [...new Set(settings.map(([name]) => groupOf(name)))];
  const tables = groups.map((group) =>
    factsTable(settings.filter(([name]) => groupOf(name) === group)),
  );
  return element("div", { class: "columns" }, tables.join(""));
}

const EVALUATIONS_NOTE =
  "Metrics are in percent, except errors. The loss is that of labels, as a mean over rows.";

const PUBLISHED_NOTE =
  "Metrics are in percent, mean/max over seeds. Sparsity is zeros over entries. Relative drop is (sparse max - dense max) / dense max: negative if the sparse model is worse.";
