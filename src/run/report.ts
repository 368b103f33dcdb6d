/** Builds a run's report from the run's outcome. */

import { METRIC_NAMES, type MetricName } from "../core/metric-names.ts";
import type { MeasuredModel, PhaseId, PhaseResult } from "../experiment/events.ts";
import { HUGGING_FACE_FILES } from "../io/hugging-face.ts";
import { readSafetensorsOrThrow, toFloat32 } from "../io/safetensors.ts";
import type {
  MaskMatrix,
  PatternRun,
  ResultRow,
  RunReport,
  SeedCurve,
} from "../report/run-report.ts";
import { mean } from "../report/table.ts";
import type { Evaluation } from "../train/events.ts";
import { type Timings, timingKey } from "./board.ts";
import { classTables, type EvaluatedTask, evaluationTable } from "./evaluation-tables.ts";
import { lineMetric, ratioOf } from "./metrics.ts";
import type { SeedResult } from "./seed.ts";
import type { PhaseHistory } from "./seed-history.ts";
import { joinPath, type RunStorage } from "./storage.ts";

export interface RunOutcome {
  /** False if the run was interrupted, or if a seed diverged. */
  readonly completed: boolean;
  /** "seed N, ...: training diverged at step N: ..." for each seed that diverged. */
  readonly diverged: readonly string[];
  /** The results in the order of the seeds. Seeds that never started are left out. */
  readonly seeds: readonly SeedResult[];
  readonly timings: Timings;
  /** Returns the directory in which the model of a phase is saved. */
  readonly modelDirectory: (phase: PhaseId) => string;
}

/** Returns a metric of an evaluation; NaN if the task does not have this metric. */
function metricOf(evaluation: Evaluation, metric: MetricName): number {
  return evaluation[metric] ?? Number.NaN;
}

function curveOf(phase: PhaseHistory, metric: MetricName): SeedCurve {
  const epochs = phase.epochs.map((line) => {
    const { epoch, training_loss: loss } = line;
    return { epoch, loss, metric: lineMetric(line, metric) };
  });
  return { seed: phase.seed, epochs };
}

/** Returns a label for the phases of each recipe: the pattern, with the recipe if several have the same pattern. */
function labelsOf(recipes: readonly (readonly PhaseHistory[])[]): readonly string[] {
  const patterns = recipes.map(([first]) => first?.pattern ?? "");
  return patterns.map((pattern, i) => {
    const isAlone = patterns.indexOf(pattern) === patterns.lastIndexOf(pattern);
    return isAlone ? pattern : `${pattern} (${recipes[i]?.[0]?.recipe ?? ""})`;
  });
}

/** Builds the report's section for one pattern. `phases` are the sparse phases of one recipe, one for each seed. */
function patternRun(
  label: string,
  phases: readonly PhaseHistory[],
  metric: MetricName,
  mask: MaskMatrix | undefined,
): PatternRun {
  const [first] = phases;
  const layers = first?.result?.last.sparsity?.layers ?? [];
  return {
    label,
    pattern: first?.pattern ?? "",
    curves: phases.map((phase) => curveOf(phase, metric)),
    schedule: first?.schedule ?? [],
    layers: layers.map(({ name, pruned, ...count }) => ({
      name,
      pruned,
      sparsity: ratioOf(count),
    })),
    ...(mask === undefined ? {} : { mask }),
  };
}

function resultsOf(phases: readonly PhaseHistory[]): readonly PhaseResult[] {
  return phases.flatMap(({ result }) => (result === null ? [] : [result]));
}

function sparsityOf(models: readonly MeasuredModel[], count: "prunedLayers" | "allLayers"): number {
  return mean(models.map(({ sparsity }) => (sparsity === null ? 0 : ratioOf(sparsity[count]))));
}

/** Builds the table row for one pattern; undefined until every started seed has finished its sparse phase. */
function resultRow(
  label: string,
  outcome: RunOutcome,
  dense: readonly PhaseResult[],
  phases: readonly PhaseHistory[],
  metric: MetricName,
): ResultRow | undefined {
  const results = resultsOf(phases);
  const [first] = results;
  if (first === undefined || results.length < outcome.seeds.length) return undefined;
  const last = results.map((result) => result.last);
  const oneShot = results.flatMap((result) => (result.oneShot === null ? [] : [result.oneShot]));
  const metrics = (models: readonly MeasuredModel[]): readonly number[] =>
    models.map(({ evaluation }) => metricOf(evaluation, metric));
  return {
    label,
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

/** Reads the first pruned layer from a finished phase's model. Its mask is 1 for each weight that is not zero. */
async function maskOf(
  storage: RunStorage,
  outcome: RunOutcome,
  phase: PhaseHistory | undefined,
): Promise<MaskMatrix | undefined> {
  const [layer] = phase?.prunedLayers ?? [];
  if (phase?.result == null || layer === undefined) return undefined;
  const path = joinPath(outcome.modelDirectory(phase), HUGGING_FACE_FILES.weights);
  const { tensors } = readSafetensorsOrThrow(await storage.read(path), { source: path });
  const weight = tensors.get(`${layer}.weight`);
  const [rows, columns] = weight?.shape ?? [];
  if (weight === undefined || rows === undefined || columns === undefined) return undefined;
  const mask = Uint8Array.from(toFloat32(weight), (value) => Number(value !== 0));
  return { layer, rows, columns, mask };
}

/** Returns the tables of final models, if the task has further metrics or rows. By class only for the first seed. */
function finalTables(
  results: readonly PhaseResult[],
  task: EvaluatedTask | undefined,
): Pick<RunReport, "evaluations" | "classes"> {
  const [first] = results;
  if (first === undefined || task === undefined) return {};
  const ofFirst = results.filter(({ seed }) => seed === first.seed);
  return {
    evaluations: evaluationTable(results, task),
    classes: ofFirst.flatMap((result) => classTables(result, task)),
  };
}

/**
 * Builds the report of a complete or interrupted run. Its table shows `metric`; masks are read from saved models. With
 * a `task`, final models are shown by all metrics and by class.
 */
export async function reportOf(
  storage: RunStorage,
  outcome: RunOutcome,
  { metric, task }: { readonly metric: MetricName; readonly task?: EvaluatedTask | undefined },
  texts: Pick<RunReport, "title" | "summary" | "settings">,
): Promise<RunReport> {
  const phases = outcome.seeds.flatMap((seed) => seed.phases);
  const densePhases = phases.filter(({ phase }) => phase === "dense");
  const sparsePhases = phases.filter(({ phase }) => phase === "sparse");
  const recipes = [...new Set(sparsePhases.map(({ recipe }) => recipe))];
  const sparse = recipes.map((recipe) => sparsePhases.filter((each) => each.recipe === recipe));
  const labels = labelsOf(sparse);
  const dense = resultsOf(densePhases);
  const masks = await Promise.all(sparse.map(([first]) => maskOf(storage, outcome, first)));
  return {
    ...texts,
    table: {
      metric: METRIC_NAMES[metric].text,
      rows: sparse.flatMap(
        (phases, i) => resultRow(labels[i] ?? "", outcome, dense, phases, metric) ?? [],
      ),
    },
    ...finalTables(resultsOf(phases), task),
    dense: densePhases.map((phase) => curveOf(phase, metric)),
    patterns: sparse.map((phases, i) => patternRun(labels[i] ?? "", phases, metric, masks[i])),
  };
}
