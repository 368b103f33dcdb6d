/** The phases of an experiment, and its terms: what a checkpoint must agree with to be gone on from. */
import type { ModelConfig } from "../model/config.ts";
import type { NamedValues } from "../model/parameters.ts";
import type { Profile } from "../prune/config.ts";
import type { TokenisedExample } from "../train/examples.ts";
import type { TrainingSettings } from "../train/settings.ts";
import type { SparseProductsSetting } from "../train/sparse-switch.ts";
import type { PhaseId } from "./events.ts";
import { densePhaseSettings, sparsePhaseSettings } from "./phases.ts";
import type { Recipe } from "./recipes.ts";

/** What an experiment does. */
export interface ExperimentDescription {
  readonly config: ModelConfig;
  /** Recipes of one dense phase; those without a sparse phase add none. At least one. */
  readonly recipes: readonly Recipe[];
  readonly trainingRows: readonly TokenisedExample[];
  readonly evaluationRows: readonly TokenisedExample[];
  readonly seed: number;
  /** Default `inc`. */
  readonly profile?: Profile;
  /** Default `auto`. */
  readonly sparseProducts?: SparseProductsSetting;
  /** The initial tensors are fine-tuned already: no dense phase. Default false. */
  readonly skipDense?: boolean;
  /** Another teacher; default: the dense model. */
  readonly teacher?: {
    readonly config: ModelConfig;
    readonly tensors: ReadonlyMap<string, NamedValues>;
  };
  /** Takes the place of every recipe's pruning configuration; in INC's keys. */
  readonly pruningConfig?: unknown;
}

/** One phase: the dense one, or a recipe's sparse one. */
export interface ExperimentPhase {
  readonly id: PhaseId;
  readonly epochs: number;
  readonly batchSize: number;
  readonly evaluationBatchSize: number;
  readonly metric: Recipe["metric"];
  readonly settings: TrainingSettings;
}

/** The first recipe's dense phase, then the sparse phase of each recipe that has one. */
export function planPhases(options: ExperimentDescription): readonly ExperimentPhase[] {
  const { recipes, skipDense = false } = options;
  const { seed, profile = "inc", trainingRows, pruningConfig, sparseProducts = "auto" } = options;
  const context = { seed, profile, exampleCount: trainingRows.length, sparseProducts };
  const dense = recipes.slice(0, 1).map((recipe): ExperimentPhase => {
    const { epochs, batchSize } = recipe.dense;
    const id = { phase: "dense", recipe: recipe.name, pattern: "dense", seed } as const;
    const settings = densePhaseSettings(recipe.dense, context);
    return { ...evaluationOf(recipe), id, epochs: skipDense ? 0 : epochs, batchSize, settings };
  });
  const sparse = recipes.flatMap((recipe): readonly ExperimentPhase[] => {
    if (recipe.sparse === null) return [];
    const { epochs, batchSize } = recipe.sparse;
    const pattern = recipe.sparse.pattern ?? "mixed";
    const id = { phase: "sparse", recipe: recipe.name, pattern, seed } as const;
    const settings = sparsePhaseSettings(recipe.sparse, context, pruningConfig);
    return [{ ...evaluationOf(recipe), id, epochs, batchSize, settings }];
  });
  return [...dense, ...sparse];
}

function evaluationOf({ evaluationBatchSize, metric }: Recipe) {
  return { evaluationBatchSize, metric };
}

/** What an experiment's results depend on, as plain data; large parts as a digest. */
export interface ExperimentTerms {
  readonly model: ModelConfig;
  readonly phases: readonly ExperimentPhase[];
  readonly trainingRows: string;
  readonly evaluationRows: string;
  /** Null: the dense model. */
  readonly teacher: string | null;
}

/** The terms of an experiment. */
export function experimentTerms(
  { config, trainingRows, evaluationRows, teacher }: ExperimentDescription,
  phases: readonly ExperimentPhase[],
): ExperimentTerms {
  return {
    model: config,
    phases,
    trainingRows: rowsDigest(trainingRows),
    evaluationRows: rowsDigest(evaluationRows),
    teacher: teacher === undefined ? null : tensorsDigest(teacher.tensors),
  };
}

function rowsDigest(rows: readonly TokenisedExample[]): string {
  let hash = EMPTY_HASH;
  for (const { inputIds, tokenTypeIds, label } of rows) {
    hash = hashOf(inputIds, hash);
    hash = hashOf(tokenTypeIds, hash);
    hash = hashOf(new Int32Array(Float32Array.of(label).buffer), hash);
  }
  return `${rows.length} rows of digest ${hexadecimal(hash)}`;
}

function tensorsDigest(tensors: ReadonlyMap<string, NamedValues>): string {
  let hash = EMPTY_HASH;
  for (const { data } of tensors.values()) {
    hash = hashOf(new Int32Array(data.buffer, data.byteOffset, data.length), hash);
  }
  return `${tensors.size} tensors of digest ${hexadecimal(hash)}`;
}

const EMPTY_HASH = 0x811c9dc5;
const HASH_PRIME = 0x01000193;

/** FNV-1a over 32-bit words: tells accidents apart, no more. */
function hashOf(words: ArrayLike<number>, hash: number): number {
  let next = Math.imul(hash ^ words.length, HASH_PRIME);
  for (let i = 0; i < words.length; i++) next = Math.imul(next ^ (words[i] ?? 0), HASH_PRIME);
  return next;
}

function hexadecimal(hash: number): string {
  return (hash >>> 0).toString(16).padStart(8, "0");
}
