/** Describes an experiment, its phases, and its terms: the inputs that must match a snapshot's to continue from it. */
import { checkInteger, checkObject } from "../core/checks.ts";
import type { MetricName } from "../core/metric-names.ts";
import { sumOf } from "../core/sum.ts";
import type { Example } from "../io/glue.ts";
import type { Tokenizer } from "../io/tokenizer.ts";
import type { KernelVariant } from "../kernels/table.ts";
import type { ModelConfig } from "../model/config.ts";
import type { NamedValues } from "../model/parameters.ts";
import type { Profile } from "../prune/config.ts";
import type { TokenisedExample } from "../train/examples.ts";
import { parameterRules } from "../train/optimizer.ts";
import type { PackedRows } from "../train/packed-rows.ts";
import { type TrainingSettings, trainingSettings } from "../train/settings.ts";
import type { SparseProductsSetting } from "../train/sparse-switch.ts";
import { updatesByEpoch, updatesOfRun } from "../train/stepping.ts";
import type { BestRule } from "./best-model.ts";
import type { PhaseId } from "./events.ts";
import { batchesOf, epochsPerEvaluation, phaseEpochs, steppingOf } from "./phase-recipe.ts";
import {
  type PhaseRecipe,
  type Recipe,
  recipePruningConfig,
  type SparsePhaseRecipe,
} from "./recipes.ts";

/** The description of an experiment on rows in any form. Undefined fields get their defaults. */
interface ExperimentOf<Rows> {
  readonly config: ModelConfig;
  /**
   * At least one recipe. All recipes share the dense phase of the first one. If that phase has 0 epochs, the initial
   * tensors are pruned without dense fine-tuning.
   */
  readonly recipes: readonly Recipe[];
  readonly trainingRows: Rows;
  readonly evaluationRows: Rows;
  /** Further rows by name, on which the model at the end of each phase is evaluated. */
  readonly finalRows?: Readonly<Record<string, Rows>> | undefined;
  /** The profile of pruning. Default `inc`. */
  readonly profile?: Profile | undefined;
  /** Whether products with pruned weights are sparse. Default `auto`. */
  readonly sparseProducts?: SparseProductsSetting | undefined;
  /** The tensors to start from. Default: random initialisation from the seed. */
  readonly initialTensors?: ReadonlyMap<string, NamedValues> | undefined;
  /** The teacher for distillation. Default: the dense model. */
  readonly teacher?: TeacherModel | undefined;
  /** Replaces the pruning configuration of every recipe. The keys are INC's. */
  readonly pruningConfig?: Readonly<Record<string, unknown>> | undefined;
}

interface TeacherModel {
  readonly config: ModelConfig;
  readonly tensors: ReadonlyMap<string, NamedValues>;
}

/** The description of an experiment on tokenized rows. */
export interface ExperimentDescription extends ExperimentOf<readonly TokenisedExample[]> {}

/** The description of a run: an experiment on rows of text or packed token ids, for one or several seeds. */
export interface RunDescription extends ExperimentOf<readonly Example[] | PackedRows> {
  readonly tokenizer: Tokenizer;
  /** Default `auto`: the fastest kernels that are available. */
  readonly variant?: KernelVariant | "auto" | undefined;
  /** The metrics in metrics.jsonl beside accuracy and F1. */
  readonly metrics?: readonly MetricName[] | undefined;
  /** The memory, in bytes per seed, in which the teacher's results may be cached. Default 2^30. */
  readonly teacherBudget?: number | undefined;
}

/** The options of an experiment, and those that the description of a run adds. */
export const EXPERIMENT_OPTIONS: readonly string[] = [
  "backend",
  "seed",
  "config",
  "recipes",
  "trainingRows",
  "evaluationRows",
  "finalRows",
  "profile",
  "sparseProducts",
  "initialTensors",
  "teacher",
  "pruningConfig",
  "teacherMemory",
  "signal",
  "resumeFrom",
  "tokenizer",
  "variant",
  "metrics",
  "teacherBudget",
];

/** A description with defaults filled in. */
export interface ExperimentPlanOf<Rows> extends ExperimentOf<Rows> {
  readonly profile: Profile;
  readonly sparseProducts: SparseProductsSetting;
}

/** An experiment on tokenized rows with defaults filled in. */
export interface ExperimentPlan extends ExperimentPlanOf<readonly TokenisedExample[]> {}

export function resolveExperiment<Rows>(description: ExperimentOf<Rows>): ExperimentPlanOf<Rows> {
  const { profile, sparseProducts } = trainingSettings();
  return {
    ...description,
    profile: description.profile ?? profile,
    sparseProducts: description.sparseProducts ?? sparseProducts,
  };
}

/** One phase of an experiment: the dense phase, or the sparse phase of a recipe. */
export interface ExperimentPhase {
  readonly id: PhaseId;
  readonly epochs: number;
  readonly batchSize: number;
  readonly evaluationBatchSize: number;
  /** The number of positions to which batches are padded, if it is not that of the longest row. */
  readonly padTo?: number;
  /** How models of the phase are compared, if the best one is saved or the phase may stop early. */
  readonly best?: BestRule;
  /** The number of epochs between evaluations, if it is not 1. */
  readonly evaluateEvery?: number;
  readonly metric: Recipe["metric"];
  readonly settings: TrainingSettings;
}

function bestRuleOf({
  metric,
  saveBest,
  earlyStoppingPatience,
}: Recipe): Pick<ExperimentPhase, "best"> {
  if (saveBest === undefined && earlyStoppingPatience === undefined) return {};
  const isSaved = saveBest !== undefined;
  return { best: { metric: saveBest ?? metric, isSaved, patience: earlyStoppingPatience ?? null } };
}

/** Plans the dense phase of the first recipe, then the sparse phase of each recipe that has one. */
export function planPhases(
  plan: ExperimentPlanOf<{ readonly length: number }>,
  seed: number,
): readonly ExperimentPhase[] {
  const { recipes, profile, sparseProducts, trainingRows, pruningConfig } = plan;
  const context = { seed, profile, sparseProducts, exampleCount: trainingRows.length };
  recipes.forEach((recipe, i) => {
    checkCounts(recipe, `recipes[${i}]`);
  });
  const phaseOf = (
    base: Recipe,
    phase: PhaseRecipe,
    kind: Pick<PhaseId, "phase" | "pattern">,
    settings: TrainingSettings,
  ): ExperimentPhase => {
    const { name: recipe, evaluationBatchSize, metric, padToMaxLength = false } = base;
    const id = { phase: kind.phase, recipe, pattern: kind.pattern, seed };
    const { batchSize } = phase;
    const epochs = phaseEpochs(phase, trainingRows.length);
    const every = epochsPerEvaluation(phase, epochs);
    const evaluateEvery = every === 1 ? {} : { evaluateEvery: every };
    const padTo = padToMaxLength ? { padTo: base.maxLength } : {};
    const compared = { ...evaluateEvery, ...padTo, ...bestRuleOf(base) };
    return { evaluationBatchSize, ...compared, metric, id, epochs, batchSize, settings };
  };
  const dense = recipes.slice(0, 1).map((recipe) => {
    const settings = densePhaseSettings(recipe.dense, context);
    return phaseOf(recipe, recipe.dense, { phase: "dense", pattern: "dense" }, settings);
  });
  const sparse = recipes.flatMap((recipe) => {
    if (recipe.sparse === null) return [];
    const pattern = patternOf(recipe.sparse);
    const settings = sparsePhaseSettings(recipe.sparse, context, pruningConfig);
    return phaseOf(recipe, recipe.sparse, { phase: "sparse", pattern }, settings);
  });
  return [...dense, ...sparse];
}

/** Checks the counts from which the steps of the phases follow. @throws TypeError or RangeError that names one */
function checkCounts({ evaluationBatchSize, dense, sparse }: Recipe, path: string): void {
  checkInteger(`${path}.evaluationBatchSize`, evaluationBatchSize, 1);
  for (const [name, phase] of Object.entries({ dense, sparse })) {
    if (phase === null) continue;
    checkInteger(`${path}.${name}.epochs`, phase.epochs);
    checkInteger(`${path}.${name}.batchSize`, phase.batchSize, 1);
  }
}

/** Returns the name of a sparse phase's pattern. */
export function patternOf({ pattern }: SparsePhaseRecipe): string {
  return pattern ?? "mixed";
}

/** The values that, together with the recipe, determine a phase's training settings. */
interface PhaseContext {
  readonly seed: number;
  readonly profile: Profile;
  readonly sparseProducts: SparseProductsSetting;
  readonly exampleCount: number;
}

function checkPhase(phase: PhaseRecipe, context: PhaseContext): void {
  checkObject("phase", phase, "epochs", "batchSize", "learningRate", "betas");
  checkObject("context", context, "seed", "profile", "sparseProducts", "exampleCount");
}

/** Returns the training settings of a dense phase. */
export function densePhaseSettings(phase: PhaseRecipe, context: PhaseContext): TrainingSettings {
  checkPhase(phase, context);
  const { seed, profile, sparseProducts, exampleCount } = context;
  const stepping = steppingOf(phase, profile);
  return {
    ...stepping,
    seed,
    profile,
    batching: phase.batching,
    optimizer: {
      flavour: "transformers",
      learningRate: phase.learningRate,
      betas: phase.betas,
      epsilon: phase.epsilon,
      weightDecay: phase.weightDecay,
    },
    parameterRules: parameterRules(profile),
    schedule: {
      name: phase.scheduleName,
      warmupSteps: phase.warmupSteps,
      totalSteps: updatesOfRun(batchesOf(phase, exampleCount), phase.epochs, stepping),
    },
    pruning: null,
    teacherCache: "off",
    distillation: null,
    sparseProducts,
    maxGradNorm: phase.maxGradNorm ?? null,
    labelSmoothing: phase.labelSmoothing ?? 0,
    classWeights: phase.classWeights ?? null,
  };
}

/** Returns the training settings of a sparse phase. `pruning` replaces the recipe's pruning configuration. */
export function sparsePhaseSettings(
  phase: SparsePhaseRecipe,
  context: PhaseContext,
  pruning?: unknown,
): TrainingSettings {
  checkPhase(phase, context);
  const { distillationWeight: weight, distillationPadding: padding } = phase;
  return {
    ...densePhaseSettings(phase, context),
    pruning: pruning ?? recipePruningConfig(phase, context.exampleCount, context.profile),
    teacherCache: phase.teacherCache,
    distillation: weight === 0 ? null : { kind: "last-hidden-state", weight, padding },
  };
}

/** Returns the number of optimizer updates in a phase. */
export function phaseSteps(
  phase: PhaseRecipe,
  exampleCount: number,
  profile: Profile = "inc",
): number {
  const batches = batchesOf(phase, exampleCount);
  const updates = updatesByEpoch(batches, phase.epochs, steppingOf(phase, profile));
  return sumOf(updates, (own) => own);
}

/** The inputs that must match a snapshot's to continue from it. Large inputs are stored as digests. */
export interface ExperimentTerms {
  readonly model: ModelConfig;
  readonly phases: readonly ExperimentPhase[];
  readonly trainingRows: string;
  readonly evaluationRows: string;
  readonly finalRows?: Readonly<Record<string, string>>;
  /** The digest of the teacher's weights; null if the dense model is the teacher. */
  readonly teacher: string | null;
}

export function experimentTerms(
  { config, trainingRows, evaluationRows, finalRows, teacher }: ExperimentPlan,
  phases: readonly ExperimentPhase[],
): ExperimentTerms {
  const digests = mapRows(finalRows, rowsDigest);
  return {
    model: config,
    phases,
    trainingRows: rowsDigest(trainingRows),
    evaluationRows: rowsDigest(evaluationRows),
    ...(digests === undefined ? {} : { finalRows: digests }),
    teacher: teacher === undefined ? null : tensorsDigest(teacher.tensors),
  };
}

/** Applies a function to each of the sets of rows. */
export function mapRows<Rows, Result>(
  sets: Readonly<Record<string, Rows>> | undefined,
  map: (rows: Rows) => Result,
): Readonly<Record<string, Result>> | undefined {
  if (sets === undefined) return undefined;
  return Object.fromEntries(Object.entries(sets).map(([name, rows]) => [name, map(rows)]));
}

function rowsDigest(rows: readonly TokenisedExample[]): string {
  let hash = EMPTY_HASH;
  for (const { inputIds, tokenTypeIds, label } of rows) {
    hash = hashOf(inputIds, hash);
    hash = hashOf(tokenTypeIds, hash);
    const values = typeof label === "number" ? Float32Array.of(label) : Float32Array.from(label);
    hash = hashOf(new Int32Array(values.buffer), hash);
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

/** Continues an FNV-1a hash over 32-bit words. It detects accidental changes, not deliberate ones. */
function hashOf(words: ArrayLike<number>, hash: number): number {
  let next = Math.imul(hash ^ words.length, HASH_PRIME);
  for (let i = 0; i < words.length; i++) next = Math.imul(next ^ (words[i] ?? 0), HASH_PRIME);
  return next;
}

function hexadecimal(hash: number): string {
  return (hash >>> 0).toString(16).padStart(8, "0");
}
