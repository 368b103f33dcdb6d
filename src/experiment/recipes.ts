/**
 * Defines fine-tuning recipes as data: those of the demo, and those of Intel Neural Compressor's example with BERT-Mini
 * and DistilBERT, from run_glue_no_trainer.py, run_glue_no_trainer_mixed.py and scripts/ in
 * examples/pytorch/nlp/huggingface_models/text-classification/pruning/eager.
 */
import { checkInteger, checkObject, describe } from "../core/checks.ts";
import type { MetricName } from "../core/metric-names.ts";
import type { GlueTask } from "../io/glue.ts";
import { ARCHITECTURES } from "../model/architectures.ts";
import type { Padding } from "../model/token-rows.ts";
import type { Profile } from "../prune/config.ts";
import type { TeacherPrecision } from "../train/teacher-cache.ts";
import type { BestMetric } from "./best-model.ts";
import { type PhaseRecipe, plannedEpochs } from "./phase-recipe.ts";

export type { PhaseRecipe };

/** The task of a recipe: a task of GLUE, the task of the demo, or `any`. */
type TaskName = GlueTask | "demo" | "any";

/** The name of a recipe's model. {@link MODEL_CONFIGS} has the model's `config.json`. */
export type ModelName = "bert-mini" | "distilbert" | "bert-demo";

/** An entry of INC's `pruning_configs`: the settings of one pruner, with INC's keys. */
export type LocalPruningConfig = Readonly<Record<string, unknown>>;

/** The hyperparameters of a phase that prunes while it trains. */
export interface SparsePhaseRecipe extends PhaseRecipe {
  readonly sparsityWarmEpochs: number;
  /** The number of epochs after the last prune step. */
  readonly cooldownEpochs: number;
  /**
   * The loss is this weight times the mean squared error between the last hidden states of student and teacher. If the
   * weight is 0, the loss is the cross-entropy.
   */
  readonly distillationWeight: number;
  /** Whether the mean squared error includes padded positions, as it does in INC's example. */
  readonly distillationPadding: Padding;
  /** The precision in which the teacher's results are cached between epochs. */
  readonly teacherCache: TeacherPrecision | "off";
  /** The pattern for all `pruningConfigs` that do not set one; null if they all set their own. */
  readonly pattern: string | null;
  readonly targetSparsity: number;
  /** The number of steps between prune steps. `auto` is int((end - start + 1) / 40), as for -1 in INC's script. */
  readonly pruningFrequency: number | "auto";
  readonly pruningConfigs: readonly LocalPruningConfig[];
}

/** A dense phase, then a sparse phase that starts from the dense model. By default this model is also the teacher. */
export interface Recipe {
  readonly name: string;
  readonly task: TaskName;
  readonly model: ModelName;
  /** The maximum length of an input in tokens, including special tokens. */
  readonly maxLength: number;
  /** The evaluation metric of the published results. */
  readonly metric: MetricName;
  readonly evaluationBatchSize: number;
  /** Whether batches are padded to `maxLength` instead of their longest row. Default false. */
  readonly padToMaxLength?: boolean | undefined;
  /** The metric by which the best model is saved. Default: the last model is saved. */
  readonly saveBest?: BestMetric | undefined;
  /** The number of evaluations without a better model after which a phase stops. Default: it never stops early. */
  readonly earlyStoppingPatience?: number | undefined;
  readonly dense: PhaseRecipe;
  readonly sparse: SparsePhaseRecipe | null;
}

/** The entry of `pruning_configs` in run_glue_no_trainer.py. */
const EXAMPLE_LOCAL_CONFIG: LocalPruningConfig = {
  pruning_type: "snip_momentum",
  pruning_scope: "global",
  sparsity_decay_type: "exp",
  excluded_op_names: ["pooler"],
  pruning_op_types: ["Linear"],
  max_sparsity_ratio_per_op: 0.98,
};

/** The two entries of `pruning_configs` in run_glue_no_trainer_mixed.py. */
const MIXED_LOCAL_CONFIGS: readonly LocalPruningConfig[] = [
  {
    op_names: [".*output", ".*intermediate"],
    pattern: "1x1",
    pruning_scope: "local",
    pruning_type: "snip_momentum",
    sparsity_decay_type: "exp",
    pruning_op_types: ["Linear"],
  },
  {
    op_names: [".*query", ".*key", ".*value"],
    pattern: "4x1",
    pruning_scope: "global",
    pruning_type: "snip_momentum",
    sparsity_decay_type: "exp",
    max_sparsity_ratio_per_op: 0.98,
    min_sparsity_ratio_per_op: 0.5,
    pruning_op_types: ["Linear"],
  },
];

/** INC's example without --do_prune: transformers.AdamW with default betas, and a linear learning rate schedule. */
const DENSE_PHASE: PhaseRecipe = {
  epochs: 5,
  batchSize: 16,
  batching: "shuffled",
  learningRate: 5e-5,
  scheduleName: "linear",
  warmupSteps: 0,
  weightDecay: 5e-5,
  betas: [0.9, 0.999],
  epsilon: 1e-6,
};

/** INC's example with --do_prune --lr_scheduler_type constant, as in its script for MRPC with 4x1 blocks. */
const SPARSE_PHASE: SparsePhaseRecipe = {
  epochs: 15,
  batchSize: 16,
  batching: "shuffled",
  learningRate: 1e-3,
  scheduleName: "constant",
  warmupSteps: 0,
  weightDecay: 1e-3,
  betas: [0.9, 0.9],
  epsilon: 1e-6,
  sparsityWarmEpochs: 1,
  cooldownEpochs: 5,
  distillationWeight: 5,
  distillationPadding: "included",
  teacherCache: "float32",
  pattern: "4x1",
  targetSparsity: 0.9,
  pruningFrequency: 50,
  pruningConfigs: [EXAMPLE_LOCAL_CONFIG],
};

/** For each suffix of a recipe's name, the settings in which the sparse phase differs from `SPARSE_PHASE`. */
const SUFFIXES = {
  "4x1": {},
  "2in4": { pattern: "2:4", targetSparsity: 0.5 },
  "1xchannel": { pattern: "1xchannel", targetSparsity: 0.6 },
  // INC's per-channel scripts set this --pruning_type, but it has no effect there: `pruning_configs` overrides it.
  "1xchannel-progressive": {
    pattern: "1xchannel",
    targetSparsity: 0.6,
    pruningConfigs: [{ ...EXAMPLE_LOCAL_CONFIG, pruning_type: "snip_momentum_progressive" }],
  },
  mixed: { pattern: null, pruningFrequency: "auto", pruningConfigs: MIXED_LOCAL_CONFIGS },
} as const satisfies Record<string, Partial<SparsePhaseRecipe>>;

type RecipeBase = Omit<Recipe, "name" | "sparse">;

const MRPC: RecipeBase = {
  task: "mrpc",
  model: "bert-mini",
  maxLength: 128,
  metric: "f1",
  evaluationBatchSize: 8,
  dense: DENSE_PHASE,
};

/** Makes one recipe without a sparse phase, and one for each suffix. `changes` apply to all sparse phases. */
function family(
  prefix: string,
  base: RecipeBase,
  changes: Partial<SparsePhaseRecipe>,
  suffixes: readonly (keyof typeof SUFFIXES)[],
): readonly Recipe[] {
  return [
    { ...base, name: `${prefix}-dense`, sparse: null },
    ...suffixes.map((suffix) => ({
      ...base,
      name: `${prefix}-${suffix}`,
      sparse: { ...SPARSE_PHASE, ...changes, ...SUFFIXES[suffix] },
    })),
  ];
}

/** The name of the recipe for any rows. */
export const GENERIC = "generic";

const GENERIC_PHASE = { evaluations: 20 };

/** All recipes. {@link findRecipe} finds a recipe by its name. */
export const RECIPES: readonly Recipe[] = Object.freeze([
  ...family("bertmini-mrpc", MRPC, {}, [
    "4x1",
    "2in4",
    "1xchannel",
    "1xchannel-progressive",
    "mixed",
  ]),
  ...family(
    "bertmini-sst2",
    {
      ...MRPC,
      task: "sst2",
      metric: "accuracy",
      dense: { ...DENSE_PHASE, epochs: 10, batchSize: 32, weightDecay: 0 },
    },
    { learningRate: 5e-5, weightDecay: 5e-5, distillationWeight: 2, pruningFrequency: 500 },
    ["4x1", "2in4", "1xchannel", "1xchannel-progressive"],
  ),
  // INC's scripts start from a fine-tuned DistilBERT. Here, the dense phase for MRPC fine-tunes it first.
  ...family(
    "distilbert-mrpc",
    { ...MRPC, model: "distilbert", maxLength: 256 },
    { epochs: 120, cooldownEpochs: 40, learningRate: 1e-4, weightDecay: 0, distillationWeight: 2 },
    ["4x1", "2in4"],
  ),
  // A small BERT with random initial weights, trained on the rows of `generateDemoTask`.
  ...family(
    "demo",
    {
      task: "demo",
      model: "bert-demo",
      maxLength: 32,
      metric: "accuracy",
      evaluationBatchSize: 64,
      dense: {
        ...DENSE_PHASE,
        epochs: 18,
        batchSize: 32,
        learningRate: 1e-3,
        warmupSteps: 100,
        weightDecay: 1e-3,
      },
    },
    { epochs: 12, cooldownEpochs: 5, batchSize: 32, pruningFrequency: 20 },
    ["4x1", "2in4", "1xchannel"],
  ),
  // For rows of any task. `finetune` fits it to the model and to the number of rows.
  {
    name: GENERIC,
    task: "any",
    model: "bert-mini",
    maxLength: 128,
    metric: "accuracy",
    evaluationBatchSize: 32,
    dense: { ...DENSE_PHASE, ...GENERIC_PHASE, epochs: 3, learningRate: 1e-4 },
    sparse: {
      ...SPARSE_PHASE,
      ...GENERIC_PHASE,
      epochs: 8,
      cooldownEpochs: 2,
      distillationPadding: "excluded",
      pruningFrequency: "auto",
    },
  },
]);

/**
 * Finds a recipe by its name.
 *
 * @throws RangeError if no recipe has this name; the message lists all names
 *
 * @example
 * ```ts
 * import { findRecipe } from "espalier/nn";
 *
 * console.assert(findRecipe("bertmini-mrpc-4x1").sparse?.targetSparsity === 0.9);
 * ```
 */
export function findRecipe(recipe: string): Recipe {
  const found = RECIPES.find(({ name }) => name === recipe);
  if (found !== undefined) return found;
  const names = RECIPES.map((candidate) => candidate.name).join(", ");
  throw new RangeError(`recipe: expected one of ${names}, got ${describe(recipe)}`);
}

/** The steps at which a sparse phase prunes, as numbers of optimizer updates since the beginning of the phase. */
interface PruningSteps {
  readonly startStep: number;
  readonly endStep: number;
  readonly pruningFrequency: number;
}

/**
 * Computes the pruning steps for n training rows as in INC's example script: start_step is
 * int(warm-up epochs * n / batch size), and end_step is int(n / batch size * (epochs - cool-down epochs)). The quotient
 * n / batch size is not rounded. A batch is all batches of one update.
 */
export function pruningSteps(
  recipe: SparsePhaseRecipe,
  exampleCount: number,
  profile: Profile = "inc",
): PruningSteps {
  checkInteger("exampleCount", exampleCount, 1);
  const { batchSize, gradientAccumulationSteps = 1 } = recipe;
  const stepsPerEpoch = exampleCount / (batchSize * gradientAccumulationSteps);
  const epochs = plannedEpochs(recipe, exampleCount, profile);
  const startStep = Math.trunc(recipe.sparsityWarmEpochs * stepsPerEpoch);
  const endStep = Math.trunc(stepsPerEpoch * (epochs - recipe.cooldownEpochs));
  const pruningFrequency =
    recipe.pruningFrequency === "auto"
      ? Math.max(1, Math.trunc((endStep - startStep + 1) / 40))
      : recipe.pruningFrequency;
  return { startStep, endStep, pruningFrequency };
}

/** Returns the end of a recipe's name if a request has several patterns, each with a recipe of its own. */
export function patternSuffix(pattern: string): string {
  return `-${pattern.replaceAll(":", "in")}`;
}

/** If a configuration excludes the pooler, excludes the layer that has its place in the heads of other architectures. */
function withoutHeads(config: LocalPruningConfig): LocalPruningConfig {
  const { excluded_op_names: excluded } = config;
  if (!Array.isArray(excluded) || !excluded.includes("pooler")) return config;
  const layers = new Set(Object.values(ARCHITECTURES).map(({ head }) => head.dense));
  const others = [...layers].filter((name) => !name.includes("pooler"));
  return { ...config, excluded_op_names: [...excluded, ...others] };
}

/**
 * Converts a sparse phase to a pruning configuration with INC's keys, for `exampleCount` training rows. Under `strict`,
 * a configuration that excludes the pooler also excludes the layer before the output layer in other heads.
 */
export function recipePruningConfig(
  recipe: SparsePhaseRecipe,
  exampleCount: number,
  profile: Profile = "inc",
): Readonly<Record<string, unknown>> {
  checkObject("recipe", recipe, "epochs", "batchSize", "pruningConfigs", "targetSparsity");
  checkInteger("exampleCount", exampleCount);
  const { startStep, endStep, pruningFrequency } = pruningSteps(recipe, exampleCount, profile);
  return {
    pruning_configs:
      profile === "strict" ? recipe.pruningConfigs.map(withoutHeads) : recipe.pruningConfigs,
    target_sparsity: recipe.targetSparsity,
    pruning_frequency: pruningFrequency,
    start_step: startStep,
    end_step: endStep,
    ...(recipe.pattern === null ? {} : { pattern: recipe.pattern }),
  };
}
