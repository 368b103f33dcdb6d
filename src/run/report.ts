/** Builds a run's report from the run's outcome. */

import { METRIC_NAMES, type MetricName } from "../core/metric-names.ts";
import type { MeasuredModel, PhaseId, PhaseResult } from "../experiment/events.ts";
import { HUGGING_FACE_FILES } from "../io/hugging-face.ts";
import { readSafetensorsOrThrow, toFloat32 } from "../io/safetensors.ts";
import type {
  FinalModel,
  LossName,
  MaskMatrix,
  ModelRow,
  PatternRun,
  ResultRow,
  RunReport,
  SeedCurve,
} from "../report/run-report.ts";
import { mean } from "../report/table.ts";
import type { Evaluation } from "../train/events.ts";
import { type Timings, timingKey } from "./board.ts";
import { evaluationTable } from "./evaluation-tables.ts";
import { denseLoss, sparseLoss } from "./loss-names.ts";
import { lineMetric, ratioOf } from "./metrics.ts";
import { outputMeaning } from "./model-labels.ts";
import type { RunPlan } from "./plan.ts";
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

/** Returns a label for each of the sparse phases: the pattern, with the recipe if several have the same pattern. */
export function patternLabels(
  phases: readonly Pick<PhaseId, "pattern" | "recipe">[],
): readonly string[] {
  const patterns = phases.map(({ pattern }) => pattern);
  return phases.map(({ pattern, recipe }) => {
    const isAlone = patterns.indexOf(pattern) === patterns.lastIndexOf(pattern);
    return isAlone ? pattern : `${pattern} (${recipe})`;
  });
}

/** Builds the report's section for one pattern. `phases` are the sparse phases of one recipe, one for each seed. */
function patternRun(
  label: string,
  phases: readonly PhaseHistory[],
  metric: MetricName,
  loss: LossName,
  {
    mask,
    final,
  }: { readonly mask: MaskMatrix | undefined; readonly final: FinalModel | undefined },
): PatternRun {
  const [first] = phases;
  const { layers = [], narrow } = first?.result?.last.sparsity ?? {};
  return {
    label,
    loss,
    pattern: first?.pattern ?? "",
    curves: phases.map((phase) => curveOf(phase, metric)),
    schedule: first?.schedule ?? [],
    layers: layers.map(({ name, pruned, ...count }) => ({
      name,
      pruned,
      sparsity: ratioOf(count),
    })),
    ...(narrow === undefined ? {} : { narrow }),
    ...(mask === undefined ? {} : { mask }),
    ...(final === undefined ? {} : { final }),
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

/** What was measured on a final model after the run. */
export interface MeasuredFinal {
  readonly bytes: { readonly plain: number; readonly packed: number | null };
  readonly rowsPerSecond: number;
  readonly values?: FinalModel["values"];
  readonly errors?: FinalModel["errors"];
}

/** What was measured on the final models of the first seed. */
export interface MeasuredFinals {
  /** Says how. */
  readonly note: string;
  readonly of: (phase: PhaseId) => MeasuredFinal | undefined;
}

/** Returns how the final model of a phase does on the evaluation rows; undefined until the phase has ended. */
function finalModel(
  phase: PhaseHistory | undefined,
  { config }: RunPlan,
  finals: MeasuredFinals | undefined,
): FinalModel | undefined {
  if (phase?.result == null) return undefined;
  const { perClass, confusion } = phase.result.last.evaluation;
  const { names } = outputMeaning(config);
  const { values, errors } = finals?.of(phase) ?? {};
  return {
    seed: phase.seed,
    ...(perClass && {
      results: {
        names: perClass.map(({ id }) => names[id] ?? ""),
        perClass,
        confusion,
      },
    }),
    ...(values && { values }),
    ...(errors && { errors }),
  };
}

/** Builds the row of the final models of one phase; undefined until every started seed has one. */
function modelRow(
  label: string,
  outcome: RunOutcome,
  results: readonly PhaseResult[],
  metric: MetricName,
  finals: MeasuredFinals | undefined,
): ModelRow | undefined {
  const [first] = results;
  if (first === undefined || results.length < outcome.seeds.length) return undefined;
  const measured = finals?.of(first);
  const last = results.map((result) => result.last);
  return {
    label,
    metric: last.map(({ evaluation }) => metricOf(evaluation, metric)),
    zeros: first.phase === "dense" ? null : sparsityOf(last, "allLayers"),
    ...(measured && { bytes: measured.bytes, rowsPerSecond: measured.rowsPerSecond }),
  };
}

/** What a report shows beside the outcome of its run. */
export interface ReportContent extends Pick<RunReport, "title" | "summary" | "settings"> {
  readonly plan: RunPlan;
  /** The metric by which models are compared. */
  readonly metric: MetricName;
  readonly finals?: MeasuredFinals | undefined;
}

/** Says why a run is not complete. */
function noticesOf({ diverged, seeds }: RunOutcome): readonly string[] {
  if (diverged.length > 0) return diverged.map((reason) => `Not complete: ${reason}.`);
  return seeds.length === 0 ? [] : ["Interrupted: this is the state so far."];
}

/** Builds the report of a complete or interrupted run. Masks are read from saved models. */
export async function reportOf(
  storage: RunStorage,
  outcome: RunOutcome,
  { plan, metric, finals, ...texts }: ReportContent,
): Promise<RunReport> {
  const phases = outcome.seeds.flatMap((seed) => seed.phases);
  const densePhases = phases.filter(({ phase }) => phase === "dense");
  const sparsePhases = phases.filter(({ phase }) => phase === "sparse");
  const recipes = [...new Set(sparsePhases.map(({ recipe }) => recipe))];
  const sparse = recipes.map((recipe) => sparsePhases.filter((each) => each.recipe === recipe));
  const labels = patternLabels(sparse.flatMap(([first]) => first ?? []));
  const dense = resultsOf(densePhases);
  const masks = await Promise.all(sparse.map(([first]) => maskOf(storage, outcome, first)));
  const results = resultsOf(phases);
  const denseRow = modelRow("dense", outcome, dense, metric, finals);
  const denseFinal = finalModel(densePhases[0], plan, finals);
  return {
    ...texts,
    ...(outcome.completed ? {} : { notices: noticesOf(outcome) }),
    table: {
      metric: METRIC_NAMES[metric].text,
      rows: sparse.flatMap(
        (phases, i) => resultRow(labels[i] ?? "", outcome, dense, phases, metric) ?? [],
      ),
    },
    models:
      denseRow === undefined
        ? []
        : [
            denseRow,
            ...sparse.flatMap(
              (phases, i) =>
                modelRow(labels[i] ?? "", outcome, resultsOf(phases), metric, finals) ?? [],
            ),
          ],
    ...(finals === undefined ? {} : { measurement: finals.note }),
    // Without further metrics, the other tables show all.
    ...(plan.metrics.length === 0 || results.length === 0
      ? {}
      : {
          evaluations: evaluationTable(results, plan.metrics, ({ phase, recipe }) =>
            phase === "dense" ? "dense" : (labels[recipes.indexOf(recipe)] ?? ""),
          ),
        }),
    denseLoss: denseLoss(plan),
    dense: densePhases.map((phase) => curveOf(phase, metric)),
    ...(denseFinal === undefined ? {} : { denseFinal }),
    patterns: sparse.map((phases, i) => {
      const shown = { mask: masks[i], final: finalModel(phases[0], plan, finals) };
      const loss = sparseLoss(plan, phases[0]?.recipe ?? "");
      return patternRun(labels[i] ?? "", phases, metric, loss, shown);
    }),
  };
}
