/** Measures steps and evaluations of every phase of a plan, in a small experiment: its recipes on a few of its rows. */
import { sumOf } from "../core/sum.ts";
import type { PhaseId } from "../experiment/events.ts";
import { runExperiment } from "../experiment/experiment.ts";
import { evaluationCount, phaseEpochs } from "../experiment/phase-recipe.ts";
import { phaseSteps } from "../experiment/plan.ts";
import type { LocalPruningConfig, PhaseRecipe, Recipe } from "../experiment/recipes.ts";
import type { Backend } from "../kernels/backend.ts";
import { type PackedRows, selectRows } from "../train/packed-rows.ts";
import { experimentOf, type RunPlan } from "./plan.ts";

/** The times of a phase, in seconds. */
export interface PhaseTimes extends Omit<PhaseId, "seed"> {
  /** The number of optimizer updates of the phase. */
  readonly steps: number;
  /** A step of the first epoch, in which the teacher of a sparse phase runs. */
  readonly firstEpoch: number;
  /** A step of a later epoch of a sparse phase, before pruning and after it. `share` of the blocks were then pruned. */
  readonly later: Readonly<Record<"unpruned" | "pruned" | "share", number>> | null;
  /** The whole phase, with its evaluations. */
  readonly seconds: number;
}

/** What is measured of an epoch, in seconds. */
interface EpochTimes {
  readonly steps: readonly number[];
  /** From the last step to the end of the evaluation, if the epoch has one. */
  readonly evaluation: number;
  readonly share: number;
}

/** The steps that are measured in each epoch, after one that is not. */
const MEASURED_STEPS = 4;

/** The dense phase has one epoch. The sparse phase has one with the teacher, one with its cached results, one pruned. */
const EPOCHS = { dense: 1, sparse: 3 };

/** Measures the dense phase, if it has epochs, and the sparse phase of each recipe. */
export async function measurePhases(
  backend: Backend,
  plan: RunPlan,
  seed: number,
): Promise<readonly PhaseTimes[]> {
  const small = smallPlan(plan);
  const measured = await timeEpochs(backend, small, seed);
  return measured.flatMap(({ id, epochs }) => {
    const { recipe: name, phase: kind, pattern } = id;
    const recipe = plan.recipes.find((each) => each.name === name);
    const phase = recipe?.[kind] ?? null;
    if (phase === null) return [];
    const ids = { phase: kind, recipe: name, pattern };
    return { ...ids, ...timesOf(plan, phase, epochs, small.evaluationRows.length) };
  });
}

function smallPlan(plan: RunPlan): RunPlan {
  const phases = plan.recipes.flatMap(({ dense, sparse }) => [dense, ...(sparse ? [sparse] : [])]);
  const rowsOfStep = Math.max(
    ...phases.map(({ batchSize, gradientAccumulationSteps = 1 }) => {
      return batchSize * gradientAccumulationSteps;
    }),
  );
  const trainingRows = spreadRows(plan.trainingRows, (1 + MEASURED_STEPS) * rowsOfStep);
  const evaluated = Math.max(...plan.recipes.map((recipe) => recipe.evaluationBatchSize));
  return {
    ...plan,
    recipes: plan.recipes.map((recipe) => smallRecipe(recipe, trainingRows.length)),
    trainingRows,
    evaluationRows: spreadRows(plan.evaluationRows, evaluated),
    finalRows: undefined,
  };
}

function smallRecipe(recipe: Recipe, rows: number): Recipe {
  const { dense, sparse } = recipe;
  const once = { evaluations: 1, maxTrainSteps: undefined };
  // Two prune steps, between the second and the third epoch, because some criteria refuse to prune at their first one.
  const warmEpochs = (batchSize: number) => Math.max(0, 2 - Math.max(0.2, batchSize / rows));
  const steps = { cooldownEpochs: 1, pruningFrequency: 1 };
  return {
    ...recipe,
    saveBest: undefined,
    earlyStoppingPatience: undefined,
    dense: { ...dense, ...once, epochs: Math.min(EPOCHS.dense, dense.epochs) },
    sparse: sparse && {
      ...{ ...sparse, ...once, ...steps, epochs: EPOCHS.sparse },
      sparsityWarmEpochs: warmEpochs(sparse.batchSize),
      pruningConfigs: sparse.pruningConfigs.map(atOnce),
    },
  };
}

/** Replaces progressive pruning, which needs more prune steps, by pruning at once, whose steps take as long. */
function atOnce(config: LocalPruningConfig): LocalPruningConfig {
  const { pruning_type: type } = config;
  if (typeof type !== "string") return config;
  return { ...config, pruning_type: type.replace(/_progressive$/, "") };
}

/** Returns at most `most` rows, at equal distances, so that their lengths are like those of all rows. */
function spreadRows(rows: PackedRows, most: number): PackedRows {
  const count = Math.min(rows.length, most);
  const indices = Uint32Array.from({ length: count }, (_, i) =>
    Math.floor((i * rows.length) / count),
  );
  return selectRows(rows, indices, rows.labels, rows.listLength);
}

/** Runs an experiment, and returns the times of each epoch by phase. */
async function timeEpochs(
  backend: Backend,
  plan: RunPlan,
  seed: number,
): Promise<readonly { readonly id: PhaseId; readonly epochs: readonly EpochTimes[] }[]> {
  const experiment = runExperiment({ ...experimentOf(plan), backend, seed });
  const phases: { id: PhaseId; epochs: EpochTimes[] }[] = [];
  try {
    let steps: number[] = [];
    let share = 0;
    let last = performance.now();
    for await (const entry of experiment) {
      const seconds = (performance.now() - last) / 1000;
      last = performance.now();
      if (entry.type !== "training") continue;
      const { type: _, event, isBest: __, ...id } = entry;
      if (event.type === "start") phases.push({ id, epochs: [] });
      if (event.type === "step") {
        steps.push(seconds);
        share = event.reachedSparsity ?? 0;
      }
      if (event.type === "epoch") {
        phases.at(-1)?.epochs.push({ steps, evaluation: seconds, share });
        steps = [];
      }
    }
  } finally {
    experiment.release();
  }
  return phases.filter(({ epochs }) => epochs.length > 0);
}

function timesOf(
  { trainingRows, evaluationRows, finalRows = {}, profile }: RunPlan,
  phase: PhaseRecipe,
  [first, ...others]: readonly EpochTimes[],
  measuredRows: number,
): Omit<PhaseTimes, keyof PhaseId> {
  const steps = phaseSteps(phase, trainingRows.length, profile);
  const firstEpoch = typicalStep(first);
  const [unpruned, pruned] = others;
  const later = pruned && {
    unpruned: typicalStep(unpruned),
    pruned: typicalStep(pruned),
    share: pruned.share,
  };
  const epochs = phaseEpochs(phase, trainingRows.length);
  // The dense model, pruned in one step, is evaluated before a sparse phase.
  const count = evaluationCount(phase, epochs) + (later ? 1 : 0);
  const rows = count * evaluationRows.length + sumOf(Object.values(finalRows), (set) => set.length);
  const evaluation = (others.at(-1) ?? first)?.evaluation ?? 0;
  const firstSteps = Math.min(steps, Math.ceil(steps / epochs));
  const laterStep = later ? (later.unpruned + later.pruned) / 2 : firstEpoch;
  return {
    steps,
    firstEpoch,
    later: later ?? null,
    seconds:
      firstSteps * firstEpoch +
      (steps - firstSteps) * laterStep +
      (rows * evaluation) / measuredRows,
  };
}

/** Returns the median of an epoch's steps after the first one, which also prepares what later steps reuse. */
function typicalStep(epoch: EpochTimes | undefined): number {
  const { steps = [] } = epoch ?? {};
  const sorted = steps.slice(Math.min(1, steps.length - 1)).sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}
