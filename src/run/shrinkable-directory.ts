/** Reads a model directory whose vocabulary can shrink. */
import { pipe } from "fp-ts/function";
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import {
  otherVocabularies,
  RENUMBERED_FILES,
  statedTokenIds,
} from "../checkpoint/vocabulary-files.ts";
import { type ShrinkableModel, shrinkableModel } from "../checkpoint/vocabulary-model.ts";
import { findTokenTensors, type TokenTensors } from "../checkpoint/vocabulary-rows.ts";
import {
  allOf,
  chain,
  type Either,
  left,
  map,
  type Problem,
  prefixPaths,
  unlessProblems,
} from "../core/either.ts";
import {
  HUGGING_FACE_FILES,
  readHuggingFaceConfig,
  readHuggingFaceTokenizer,
  type TokenizerKind,
} from "../io/hugging-face.ts";
import { canonicalNames } from "../io/parameter-names.ts";
import type { Tokenizer } from "../io/tokenizer.ts";
import { ARCHITECTURES } from "../model/architectures.ts";
import { type ModelConfig, parseModelConfig } from "../model/config.ts";
import { parameterList } from "../model/parameters.ts";
import {
  type FileMap,
  inDirectory,
  kindProblem,
  type RunStorage,
  readDirectory,
} from "./storage.ts";

const { tokenizer: FAST, vocabulary: SLOW, specialTokens, config: CONFIG } = HUGGING_FACE_FILES;

/** A model directory whose vocabulary can shrink. */
export interface ShrinkableDirectory {
  /** The directory's name in problems. */
  readonly name: string;
  readonly config: ModelConfig;
  /** The files with ids, and those that the tokenizer reads with them. */
  readonly files: FileMap;
  readonly tokenizer: Tokenizer;
  readonly model: ShrinkableModel;
  /** Ids that stay: those in files and, if positions depend on the padding id, all before it. */
  readonly required: readonly number[];
}

/**
 * Reads the configuration and the tokenizer of a directory.
 *
 * @param label names the directory in the problem if it is missing
 * @param kind which tokenizer counts tokens, if there are two
 */
export async function readShrinkable(
  storage: RunStorage,
  { name, path }: { readonly name: string; readonly path: string },
  label: string,
  kind?: TokenizerKind,
): Promise<Either<readonly Problem[], ShrinkableDirectory>> {
  const missing = await kindProblem(storage, "directory", label, path);
  if (missing !== undefined) return left([missing]);
  const others = otherVocabularies(await storage.list(path));
  const wanted = [...RENUMBERED_FILES, specialTokens];
  const files = await readDirectory(storage, path, (file) => wanted.includes(file));
  const read = pipe(
    allOf({
      config: pipe(readHuggingFaceConfig(files), chain(configOf)),
      tokenizer: readHuggingFaceTokenizer(files, kind),
      stated: statedTokenIds(files),
    }),
    chain(({ config, tokenizer, stated }) =>
      pipe(
        allOf({
          model: shrinkableModel(tokenizer.kind === "fast" ? FAST : SLOW, tokenizer),
          fits: checkSize(tokenizer, config),
          forms: unlessProblems(others, null),
        }),
        map(({ model }) => {
          return {
            name,
            config,
            files,
            tokenizer,
            model,
            required: requiredIds(config, stated),
          };
        }),
      ),
    ),
  );
  return inDirectory(name)(read);
}

function configOf(json: unknown): Either<readonly Problem[], ModelConfig> {
  return pipe(parseModelConfig(json), prefixPaths(`${CONFIG}: `));
}

function checkSize(
  { vocabulary, kind }: Tokenizer,
  { vocabularySize }: ModelConfig,
): Either<readonly Problem[], null> {
  const { length } = vocabulary.tokens;
  const path = kind === "fast" ? FAST : SLOW;
  const expected = `at most ${vocabularySize} tokens, the vocab_size of ${CONFIG}`;
  return unlessProblems(
    length <= vocabularySize ? [] : [{ path, expected, got: String(length) }],
    null,
  );
}

/** The positions of RoBERTa begin after the padding id, so that id must not change. */
function requiredIds(
  { modelType, padTokenId, vocabularySize }: ModelConfig,
  stated: readonly number[],
): readonly number[] {
  const isFixed = ARCHITECTURES[modelType].positions === "content";
  const before = isFixed ? Array.from({ length: padTokenId }, (_, id) => id) : [];
  return [...stated, padTokenId, ...before].filter((id) => id < vocabularySize);
}

/** Finds the tensors of a checkpoint with a row for each token. Other tensors of the model may have as many rows. */
export function tokenTensors(
  config: ModelConfig,
  checkpoint: Checkpoint,
): Either<readonly Problem[], TokenTensors> {
  const stored = new Map(checkpoint.entries.map(({ name }) => [name, name]));
  return pipe(
    canonicalNames(config.modelType, stored),
    prefixPaths(`${checkpoint.path}: `),
    chain((named) => {
      const known = new Set(parameterList(config).map(({ name }) => named.get(name)));
      return findTokenTensors(checkpoint, config.vocabularySize, (name) => known.has(name));
    }),
  );
}
