/** Prepares a fine-tuning run: reads the files and models that a request names, and plans the run. */

import { pipe } from "fp-ts/function";
import { parsePruningConfigFile } from "../checkpoint/pruning-config-file.ts";
import {
  allOf,
  chain,
  type Either,
  isLeft,
  left,
  map,
  type Problem,
  right,
} from "../core/either.ts";
import {
  chooseRecipe,
  type FinetuningInputs,
  type FinetuningRequest,
  type PlannedFinetuning,
  planFinetuning,
} from "../experiment/finetuning.ts";
import type { Named } from "../experiment/model-fit.ts";
import { parseGlueTsv } from "../io/glue.ts";
import { decodeUtf8 } from "../io/text.ts";
import { parseVocabulary } from "../io/vocabulary.ts";
import { readModelDirectory } from "./model-directory.ts";
import { joinPath, kindProblem, type RunStorage, readNamedFile } from "./storage.ts";

/** Reads and parses the text file at `path`, which the option `label` names. */
async function readNamedText<T>(
  storage: RunStorage,
  label: string,
  path: string,
  parse: (path: string, text: string) => Either<readonly Problem[], T>,
): Promise<Either<readonly Problem[], T>> {
  return pipe(
    await readNamedFile(storage, label, path),
    chain((bytes) => decodeUtf8(path, bytes)),
    chain((text) => parse(path, text)),
  );
}

/** Reads the value at `path` and returns it with the path; undefined if no path is given. */
async function readOptional<T>(
  path: string | undefined,
  read: (path: string) => Promise<Either<readonly Problem[], T>>,
): Promise<Either<readonly Problem[], Named<T> | undefined>> {
  if (path === undefined) return right(undefined);
  return pipe(
    await read(path),
    map((value) => ({ path, value })),
  );
}

/** Reads all files and models that a request names, or returns all problems in them. */
async function readInputs(
  storage: RunStorage,
  request: FinetuningRequest,
): Promise<Either<readonly Problem[], FinetuningInputs>> {
  const { task, data, trainFile, validationFile } = request;
  const missing = data && (await kindProblem(storage, "directory", "`data`", data));
  if (missing) return left([missing]);
  const readRows = (label: string, file: string | undefined, name: string) =>
    readNamedText(
      storage,
      file === undefined ? "`data`" : label,
      file ?? joinPath(data ?? "", name),
      (path, text) => parseGlueTsv(task, path, text),
    );
  const readModel = (label: string) => (path: string) =>
    readModelDirectory(storage, path, label, request.tokenizer);
  return allOf({
    trainingRows: await readRows("`trainFile`", trainFile, "train.tsv"),
    evaluationRows: await readRows("`validationFile`", validationFile, "dev.tsv"),
    model: await readOptional(request.model, readModel("`model`")),
    vocabulary: await readOptional(request.vocab, (path) =>
      readNamedText(storage, "`vocab`", path, parseVocabulary),
    ),
    teacher: await readOptional(
      request.teacherModelNameOrPath,
      readModel("`teacherModelNameOrPath`"),
    ),
    pruningConfig: await readOptional(request.pruningConfig, async (path) =>
      pipe(
        await readNamedFile(storage, "`pruningConfig`", path),
        chain((bytes) => parsePruningConfigFile(path, bytes)),
      ),
    ),
  });
}

/** Reads a request's inputs and plans the run. Problems name an option by its key in the request, in backticks. */
export async function prepareFinetuning(
  storage: RunStorage,
  request: FinetuningRequest,
): Promise<Either<readonly Problem[], PlannedFinetuning>> {
  const recipe = chooseRecipe(request);
  if (isLeft(recipe)) return recipe;
  const inputs = await readInputs(storage, request);
  return isLeft(inputs) ? inputs : planFinetuning(recipe.right, request, inputs.right);
}
