/** Defines the request of a fine-tuning run: what the command's options say. */
import type { GlueTask } from "../io/glue.ts";
import type { TokenizerKind } from "../io/hugging-face.ts";
import type { RowOptions } from "../io/rows/options.ts";
import type { RunDescription } from "./plan.ts";
import type { RecipeOverrides } from "./recipe-overrides.ts";

/** The options of a fine-tuning run. Problems refer to an option by its key in this type, in backticks. */
export interface FinetuningRequest
  extends RecipeOverrides,
    RowOptions,
    Pick<RunDescription, "profile" | "sparseProducts" | "variant"> {
  /** The GLUE task whose files are read. Without a task, the files are row files. */
  readonly task?: GlueTask | undefined;
  /** The name of a recipe. Default: the one that prunes BERT-mini to 4x1 blocks for MRPC and SST-2, else `generic`. */
  readonly recipe?: string | undefined;
  /** A directory with the official files of the task. */
  readonly data?: string | undefined;
  /** The paths of training and evaluation rows: row files, or instead of the task's files. */
  readonly trainFile?: string | undefined;
  readonly validationFile?: string | undefined;
  /** The path of further rows with labels, on which the final models are evaluated. */
  readonly testFile?: string | undefined;
  /** The share of training rows that are drawn for evaluation if there is no `validationFile`. */
  readonly validationSplit?: number | undefined;
  /** The seed of that draw. Default 42. */
  readonly splitSeed?: number | undefined;
  /** The name, as in metrics.jsonl, of the metric by which the best model is saved. */
  readonly saveBest?: string | undefined;
  readonly earlyStoppingPatience?: number | undefined;
  /** `balanced`, or the path of a JSON file with a weight for each class. */
  readonly classWeights?: string | undefined;
  /** The directory of a model to start from. */
  readonly model?: string | undefined;
  /** The path of a vocabulary file. Without a `model`, training starts from random weights. */
  readonly vocab?: string | undefined;
  readonly pruningConfig?: string | undefined;
  /** The directory of the teacher model. */
  readonly teacherModelNameOrPath?: string | undefined;
  /** Which tokenizer of the models to read. Default: the fast one if there is a tokenizer.json. */
  readonly tokenizer?: TokenizerKind | undefined;
  /** The memory, in MiB per seed, in which the teacher's results may be cached. */
  readonly teacherCacheBudget?: number | undefined;
}
