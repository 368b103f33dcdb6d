/** Turns the outcome of a run into what its report shows. */

import type { MeasuredModel, PhaseResult } from "../experiment/events.ts";
import type {
  LayerSparsity,
  MaskMatrix,
  PatternRun,
  ResultRow,
  RunReport,
  SeedCurve,
} from "../report/run-report.ts";
import { mean } from "../report/table.ts";
import type { Evaluation } from "../train/events.ts";
import { ratioOf } from "./metrics.ts";
import { timingKey } from "./run-board.ts";
import { readSavedMask } from "./saved-mask.ts";
import type { PhaseHistory } from "./seed-task.ts";
import type { RunOutcome } from "./training-run.ts";

/** What a report says beside its figures. */
export interface ReportTexts {
  readonly title: string;
  readonly summary: string;
  readonly settings: RunReport["settings"];
}

type Metric = PhaseResult["metric"];

const METRIC_NAMES: Readonly<Record<Metric, string>> = { accuracy: "accuracy", f1: "F1" };

/** The metric of an evaluation; NaN where the task has none. */
function metricOf(evaluation: Pick<Evaluation, Metric>, metric: Metric): number {
  return evaluation[metric] ?? Number.NaN;
}

function curveOf(phase: PhaseHistory, metric: Metric): SeedCurve {
  const epochs = phase.epochs.map((line) => ({
    epoch: line.epoch,
    loss: line.training_loss,
    metric: metricOf(line, metric),
  }));
  return { seed: phase.seed, epochs };
}

function layersOf({ last }: PhaseResult): readonly LayerSparsity[] {
  const layers = last.sparsity?.layers ?? [];
  return layers.map((layer) => ({
    name: layer.name,
    pruned: layer.pruned,
    sparsity: ratioOf(layer),
  }));
}

/** One pattern over all seeds: phases are those of one recipe. */
function patternRun(
  phases: readonly PhaseHistory[],
  metric: Metric,
  mask: MaskMatrix | undefined,
): PatternRun {
  const [first] = phases;
  return {
    pattern: first?.pattern ?? "",
    curves: phases.map((phase) => curveOf(phase, metric)),
    schedule: first?.schedule ?? [],
    layers: first?.result ? layersOf(first.result) : [],
    ...(mask === undefined ? {} : { mask }),
  };
}

function resultsOf(phases: readonly PhaseHistory[]): readonly PhaseResult[] {
  return phases.flatMap(({ result }) => (result === null ? [] : [result]));
}

function sparsityOf(models: readonly MeasuredModel[], count: "prunedLayers" | "allLayers"): number {
  return mean(models.map(({ sparsity }) => (sparsity === null ? 0 : ratioOf(sparsity[count]))));
}

/** The row of one pattern; undefined until every seed has finished it. */
function resultRow(
  outcome: RunOutcome,
  dense: readonly PhaseResult[],
  phases: readonly PhaseHistory[],
  metric: Metric,
): ResultRow | undefined {
  const results = resultsOf(phases);
  const [first] = results;
  if (first === undefined || results.length < outcome.seeds.length) return undefined;
  const last = results.map((result) => result.last);
  const oneShot = results.flatMap((result) => (result.oneShot === null ? [] : [result.oneShot]));
  const metrics = (models: readonly MeasuredModel[]): readonly number[] =>
    models.map(({ evaluation }) => metricOf(evaluation, metric));
  return {
    pattern: first.pattern,
    prunedBlocks: mean(last.map(({ sparsity }) => sparsity?.prunedBlocks.zeros ?? 0)),
    totalBlocks: mean(last.map(({ sparsity }) => sparsity?.prunedBlocks.total ?? 0)),
    sparsityOverPruned: sparsityOf(last, "prunedLayers"),
    sparsityOverLinear: sparsityOf(last, "allLayers"),
    dense: metrics(dense.map((result) => result.last)),
    sparse: metrics(last),
    ...(oneShot.length > 0 ? { withoutFineTuning: metrics(oneShot) } : {}),
    seconds: mean(results.map((result) => outcome.timings[timingKey(result)] ?? 0)),
  };
}

/** A finished phase's picture: its first pruned layer in the model that was saved. */
async function maskOf(outcome: RunOutcome, phase: PhaseHistory | undefined) {
  const [layer] = phase?.prunedLayers ?? [];
  if (phase?.result == null || layer === undefined) return undefined;
  return readSavedMask(outcome.modelDirectory(phase), layer);
}

/** The recipes with a sparse phase, each with its phases over the seeds. */
function sparsePhases({ seeds }: RunOutcome): readonly (readonly PhaseHistory[])[] {
  const phases = seeds.flatMap((seed) => seed.phases.filter(({ phase }) => phase === "sparse"));
  const recipes = [...new Set(phases.map(({ recipe }) => recipe))];
  return recipes.map((recipe) => phases.filter((phase) => phase.recipe === recipe));
}

/**
 * The report of a run, complete or interrupted. `metric` is the one that the results compare. Masks are read from
 * the models that were saved.
 */
export async function reportOf(
  outcome: RunOutcome,
  metric: Metric,
  texts: ReportTexts,
): Promise<RunReport> {
  const densePhases = outcome.seeds.flatMap((seed) =>
    seed.phases.filter(({ phase }) => phase === "dense"),
  );
  const sparse = sparsePhases(outcome);
  const dense = resultsOf(densePhases);
  const masks = await Promise.all(sparse.map(([first]) => maskOf(outcome, first)));
  return {
    ...texts,
    table: {
      metric: METRIC_NAMES[metric],
      rows: sparse.flatMap((phases) => resultRow(outcome, dense, phases, metric) ?? []),
    },
    dense: densePhases.map((phase) => curveOf(phase, metric)),
    patterns: sparse.map((phases, index) => patternRun(phases, metric, masks[index])),
  };
}
