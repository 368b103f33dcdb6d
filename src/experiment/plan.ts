/** What an experiment does as one record, its phases, and its terms: what a snapshot must agree with to be continued. */
import type { Example } from "../io/glue.ts";
import type { Tokenizer } from "../io/tokenizer.ts";
import type { KernelVariant } from "../kernels/table.ts";
import type { ModelConfig } from "../model/config.ts";
import type { NamedValues } from "../model/parameters.ts";
import type { Profile } from "../prune/config.ts";
import type { TokenisedExample } from "../train/examples.ts";
import { type TrainingSettings, trainingSettings } from "../train/settings.ts";
import type { SparseProductsSetting } from "../train/sparse-switch.ts";
import type { PhaseId } from "./events.ts";
import { densePhaseSettings, sparsePhaseSettings } from "./phases.ts";
import type { Recipe } from "./recipes.ts";

/**
 * What an experiment does, on any rows. An absent property (`undefined`) has the stated default, which
 * `resolveExperiment` fills in once; `null` is never absent but a value, such as no pruning.
 */
interface ExperimentOf<Row> {
  readonly config: ModelConfig;
  /**
   * Recipes of one dense phase; those without a sparse phase add none. At least one. With 0 epochs in the dense phase
   * the initial tensors are pruned as they are.
   */
  readonly recipes: readonly Recipe[];
  readonly trainingRows: readonly Row[];
  readonly evaluationRows: readonly Row[];
  /** Default `inc`. */
  readonly profile?: Profile | undefined;
  /** Default `auto`. */
  readonly sparseProducts?: SparseProductsSetting | undefined;
  /** Stored tensors to start from; default: random initialisation from the seed. */
  readonly initialTensors?: ReadonlyMap<string, NamedValues> | undefined;
  /** Default: the dense model. */
  readonly teacher?: TeacherModel | undefined;
  /** Replaces every recipe's pruning configuration; in INC's keys. */
  readonly pruningConfig?: Readonly<Record<string, unknown>> | undefined;
}

/** A model to learn from. */
interface TeacherModel {
  readonly config: ModelConfig;
  readonly tensors: ReadonlyMap<string, NamedValues>;
}

/** An experiment on rows of token ids. */
export interface ExperimentDescription extends ExperimentOf<TokenisedExample> {}

/** What to run: an experiment on texts, for several seeds. */
export interface RunDescription extends ExperimentOf<Example> {
  readonly tokenizer: Tokenizer;
  /** Default `auto`: the fastest kernels here. */
  readonly variant?: KernelVariant | "auto" | undefined;
  /** Bytes of the teacher's results that each seed keeps in memory. Default 2^30. */
  readonly teacherBudget?: number | undefined;
}

/** A description whose defaults are filled in. */
export interface ExperimentPlan extends ExperimentDescription {
  readonly profile: Profile;
  readonly sparseProducts: SparseProductsSetting;
}

/** Fills in the defaults. */
export function resolveExperiment(description: ExperimentDescription): ExperimentPlan {
  const { profile, sparseProducts } = trainingSettings();
  return {
    ...description,
    profile: description.profile ?? profile,
    sparseProducts: description.sparseProducts ?? sparseProducts,
  };
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
export function planPhases(plan: ExperimentPlan, seed: number): readonly ExperimentPhase[] {
  const { recipes, profile, sparseProducts, trainingRows, pruningConfig } = plan;
  const context = { seed, profile, sparseProducts, exampleCount: trainingRows.length };
  const dense = recipes.slice(0, 1).map(({ name, evaluationBatchSize, metric, dense: phase }) => ({
    evaluationBatchSize,
    metric,
    id: { phase: "dense", recipe: name, pattern: "dense", seed } as const,
    epochs: phase.epochs,
    batchSize: phase.batchSize,
    settings: densePhaseSettings(phase, context),
  }));
  const sparse = recipes.flatMap(({ name, evaluationBatchSize, metric, sparse: phase }) => {
    if (phase === null) return [];
    const pattern = phase.pattern ?? "mixed";
    return {
      evaluationBatchSize,
      metric,
      id: { phase: "sparse", recipe: name, pattern, seed } as const,
      epochs: phase.epochs,
      batchSize: phase.batchSize,
      settings: sparsePhaseSettings(phase, context, pruningConfig),
    };
  });
  return [...dense, ...sparse];
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
  { config, trainingRows, evaluationRows, teacher }: ExperimentPlan,
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

/** FNV-1a over 32-bit words. It detects accidents, not intent. */
function hashOf(words: ArrayLike<number>, hash: number): number {
  let next = Math.imul(hash ^ words.length, HASH_PRIME);
  for (let i = 0; i < words.length; i++) next = Math.imul(next ^ (words[i] ?? 0), HASH_PRIME);
  return next;
}

function hexadecimal(hash: number): string {
  return (hash >>> 0).toString(16).padStart(8, "0");
}
