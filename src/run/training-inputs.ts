/** The inputs of a fine-tuning run: files and rows in memory, or paths of them. */
import type { FinetuningRequest } from "../experiment/finetuning-request.ts";
import type { PruningConfigInput } from "../prune/config.ts";
import {
  type ClassifierFile,
  type ClassifierRows,
  filesIn,
  IN_MEMORY,
  rowsIn,
} from "./given-files.ts";
import type { MemoryStorage } from "./memory-storage.ts";
import type { FileOption } from "./request-checks.ts";

/** The options that name files in a request, as values in memory. `Files` and `Rows` may also be paths. */
export interface GivenInputs<Files, Rows> {
  /** Training rows with labels. Required without `data`. */
  readonly rows?: Rows | undefined;
  /** The files of a GLUE task, with their official names: `train.tsv`, `dev.tsv`. Requires `task`. */
  readonly data?: Files | undefined;
  /** Validation rows. Default: a share of `rows`, see `validationSplit`. */
  readonly validationRows?: Rows | undefined;
  /** Rows on which the final models are evaluated. */
  readonly testRows?: Rows | undefined;
  /** The model to start from: the files of a Hugging Face directory. */
  readonly model?: Files | undefined;
  /** The text of a vocab.txt: without a `model`, training starts from random weights of the recipe's model. */
  readonly vocab?: string | undefined;
  /** The model to distil from. Default: the dense model. */
  readonly teacher?: Files | undefined;
  /** Pruners in INC's keys, in place of the recipe's. */
  readonly pruningConfig?: PruningConfigInput | undefined;
  /** Weights of the classes in the loss, by id, or `balanced`. */
  readonly classWeights?: "balanced" | readonly number[] | undefined;
}

/** The names of all inputs. */
export const INPUTS: readonly (keyof GivenInputs<unknown, unknown>)[] = [
  "rows",
  "data",
  "validationRows",
  "testRows",
  "model",
  "vocab",
  "teacher",
  "pruningConfig",
  "classWeights",
];

/** Names the inputs of a request by their paths. */
export type RequestedFiles = Pick<FinetuningRequest, Exclude<FileOption, "variant">>;

/** Writes the inputs of a run that are in memory to a storage, and returns their paths. */
export async function placed(
  { files }: MemoryStorage,
  inputs: GivenInputs<unknown, unknown>,
): Promise<RequestedFiles> {
  const rowsAt = async (option: "rows" | "validationRows" | "testRows") => {
    const rows = inputs[option];
    if (rows === undefined || typeof rows === "string") return rows;
    const [path, bytes] = await rowsIn(option, rows as ClassifierRows);
    files.set(path, bytes);
    return path;
  };
  const directoryAt = async (option: "data" | "model" | "teacher") => {
    const given = inputs[option];
    if (given === undefined || typeof given === "string") return given;
    const directory = `${IN_MEMORY}${option}`;
    for (const [path, bytes] of await filesIn(directory, given as readonly ClassifierFile[]))
      files.set(path, bytes);
    return directory;
  };
  const textAt = (option: string, text: string | undefined): string | undefined => {
    const path = `${IN_MEMORY}${option}`;
    if (text !== undefined) files.set(path, new TextEncoder().encode(text));
    return text === undefined ? undefined : path;
  };
  const { vocab, pruningConfig, classWeights } = inputs;
  return {
    trainFile: await rowsAt("rows"),
    validationFile: await rowsAt("validationRows"),
    testFile: await rowsAt("testRows"),
    data: await directoryAt("data"),
    model: await directoryAt("model"),
    teacherModelNameOrPath: await directoryAt("teacher"),
    vocab: textAt("vocab", vocab),
    pruningConfig: textAt("pruningConfig", pruningConfig && JSON.stringify(pruningConfig)),
    classWeights:
      classWeights === "balanced"
        ? classWeights
        : textAt("classWeights", classWeights && JSON.stringify(classWeights)),
  };
}
