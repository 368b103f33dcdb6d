/** One seed's share of a run, as plain data: it is posted to a worker, and its history comes back. */

import type { PhaseId, PhaseResult } from "../experiment/events.ts";
import type { Recipe } from "../experiment/recipes.ts";
import type { Tokenizer } from "../io/tokenizer.ts";
import type { KernelVariant } from "../kernels/table.ts";
import type { NamedValues } from "../model/parameters.ts";
import type { Profile } from "../prune/config.ts";
import type { SchedulePoint } from "../report/run-report.ts";
import type { TokenisedExample } from "../train/examples.ts";
import type { SparseProductsSetting } from "../train/sparse-switch.ts";
import type { MetricsLine } from "./metrics.ts";

/** A model to start from or to learn from. */
export interface TaskModel {
  /** The contents of config.json. */
  readonly config: Readonly<Record<string, unknown>>;
  readonly tensors: ReadonlyMap<string, NamedValues>;
}

/** What every seed of a run has in common. */
export interface RunPlan {
  /** Recipes of one dense phase, their overrides applied; each adds its sparse phase, if it has one. */
  readonly recipes: readonly Recipe[];
  readonly profile: Profile;
  readonly variant: KernelVariant | "auto";
  /** Whether pruned weights are multiplied in compressed form. Default `auto`. */
  readonly sparseProducts?: SparseProductsSetting;
  /** The contents of config.json. */
  readonly modelConfig: Readonly<Record<string, unknown>>;
  /** Null: random initialisation from the seed. */
  readonly initialTensors: ReadonlyMap<string, NamedValues> | null;
  /** The given tensors are fine-tuned already: pruning starts from them. */
  readonly skipDense: boolean;
  /** Null: the dense model. */
  readonly teacher: TaskModel | null;
  /** Null: the recipes' own. In INC's keys. */
  readonly pruningConfig: Readonly<Record<string, unknown>> | null;
  /** Bytes of the teacher's results that each seed keeps in memory; a temporary file takes more. Default 2^30. */
  readonly teacherBudget?: number;
  readonly tokenizer: Tokenizer;
  readonly trainingRows: readonly TokenisedExample[];
  readonly evaluationRows: readonly TokenisedExample[];
}

/** One seed of a plan, and where it writes. */
export interface SeedTask {
  readonly plan: RunPlan;
  readonly seed: number;
  /** Where the models' directories go. */
  readonly directory: string;
  readonly checkpoint: string;
  /** Goes on from the checkpoint where there is one. */
  readonly resume: boolean;
  /** Threads that its kernels run on. */
  readonly threads: number;
}

/** What a phase did so far. */
export interface PhaseHistory extends PhaseId {
  readonly epochs: readonly MetricsLine[];
  /** The points at which target or sparsity changed, and the last step. */
  readonly schedule: readonly SchedulePoint[];
  /** Names of the layers that pruners own. */
  readonly prunedLayers: readonly string[];
  /** Null until the phase is over. */
  readonly result: PhaseResult | null;
}

/** What one seed did. */
export interface SeedResult {
  readonly seed: number;
  /** False where it was interrupted. */
  readonly completed: boolean;
  readonly phases: readonly PhaseHistory[];
}

/** What a seed posts while it runs. */
export type SeedMessage =
  /** First, where it goes on from a checkpoint: the epochs before. */
  | { readonly kind: "resumed"; readonly lines: readonly MetricsLine[] }
  | {
      readonly kind: "step";
      readonly phase: PhaseId;
      /** Optimizer updates over all phases, done and planned. */
      readonly done: number;
      readonly total: number;
      readonly loss: number;
    }
  | { readonly kind: "epoch"; readonly line: MetricsLine; readonly seconds: number }
  | { readonly kind: "result"; readonly result: PhaseResult; readonly seconds: number };

/** Optimizer updates of a phase of `epochs` epochs. */
function phaseSteps(rows: number, { epochs, batchSize }: Recipe["dense"]): number {
  return epochs * Math.ceil(rows / batchSize);
}

/** Optimizer updates of each phase of a plan, in order: the dense one, then one for each sparse recipe. */
export function plannedSteps({ recipes, skipDense, trainingRows }: RunPlan): readonly number[] {
  const rows = trainingRows.length;
  const dense = recipes
    .slice(0, 1)
    .map((recipe) => (skipDense ? 0 : phaseSteps(rows, recipe.dense)));
  const sparse = recipes.flatMap((recipe) => (recipe.sparse === null ? [] : [recipe.sparse]));
  return [...dense, ...sparse.map((phase) => phaseSteps(rows, phase))];
}

/**
 * The directory of a phase's model: `dense`, and `sparse`, or where there are several patterns
 * `sparse-` and the pattern, with `in` for the colon that some file systems refuse.
 */
export function phaseDirectory(plan: RunPlan, phase: PhaseId): string {
  if (phase.phase === "dense") return "dense";
  const several = plan.recipes.filter((recipe) => recipe.sparse !== null).length > 1;
  return several ? `sparse-${phase.pattern.replace(":", "in")}` : "sparse";
}
