/** Reads a model directory that can shrink, and finds its tensors. */
import { pipe } from "fp-ts/function";
import type { Attention } from "../checkpoint/attention-heads.ts";
import type { Checkpoint, CheckpointEntry } from "../checkpoint/checkpoint.ts";
import type { FeedForward } from "../checkpoint/feed-forward-channels.ts";
import {
  otherVocabularies,
  RENUMBERED_FILES,
  statedTokenIds,
} from "../checkpoint/vocabulary-files.ts";
import { type ShrinkableModel, shrinkableModel } from "../checkpoint/vocabulary-model.ts";
import { findTokenTensors, type TokenTensors } from "../checkpoint/vocabulary-rows.ts";
import { isFloatingPoint } from "../checkpoint/zero-pruned.ts";
import {
  allOf,
  chain,
  type Either,
  getOrThrow,
  left,
  map,
  type Problem,
  prefixPaths,
  refuse,
  right,
  unlessProblems,
} from "../core/either.ts";
import {
  HUGGING_FACE_FILES,
  readHuggingFaceConfig,
  readHuggingFaceTokenizer,
  type TokenizerKind,
} from "../io/hugging-face.ts";
import { formatPythonJson } from "../io/hugging-face-writer.ts";
import type { JsonObject } from "../io/json.ts";
import { canonicalNames } from "../io/parameter-names.ts";
import { encodeUtf8 } from "../io/text.ts";
import type { Tokenizer } from "../io/tokenizer.ts";
import type { LayerNames } from "../model/architecture.ts";
import { ARCHITECTURES } from "../model/architectures.ts";
import { type ModelConfig, parseModelConfig } from "../model/config.ts";
import { headsOf, headWidth, intermediateSizeOf } from "../model/modules.ts";
import { modelNames, namesOfModule } from "../model/names.ts";
import { parameterList } from "../model/parameters.ts";
import {
  type FileMap,
  inDirectory,
  kindProblem,
  type RunStorage,
  readDirectory,
} from "./storage.ts";

const { tokenizer: FAST, vocabulary: SLOW, specialTokens, config: CONFIG } = HUGGING_FACE_FILES;

/** A model directory of a known architecture. */
export interface ShrinkableDirectory {
  /** The directory's name in problems. */
  readonly name: string;
  readonly config: ModelConfig;
  /** config.json, the files with ids of tokens, and those that the tokenizer reads with them. */
  readonly files: FileMap;
  /** The names of all files. */
  readonly names: readonly string[];
}

/** A directory with a vocabulary that can shrink. */
export interface ShrinkableVocabulary extends ShrinkableDirectory {
  readonly tokenizer: Tokenizer;
  readonly model: ShrinkableModel;
  /** Ids that stay: those in files and, if positions depend on the padding id, all before it. */
  readonly required: readonly number[];
}

/** Reads the configuration of a directory. `label` names the directory in the problem if it is missing. */
export async function readShrinkable(
  storage: RunStorage,
  { name, path }: { readonly name: string; readonly path: string },
  label: string,
): Promise<Either<readonly Problem[], ShrinkableDirectory>> {
  const missing = await kindProblem(storage, "directory", label, path);
  if (missing !== undefined) return left([missing]);
  const names = await storage.list(path);
  const wanted = [...RENUMBERED_FILES, specialTokens];
  const files = await readDirectory(storage, path, (file) => wanted.includes(file));
  return pipe(
    readHuggingFaceConfig(files),
    chain(configOf),
    map((config) => ({ name, config, files, names })),
    inDirectory(name),
  );
}

/** Reads the tokenizer of a directory. `kind` says which one counts tokens, if there are two. */
export function readVocabulary(
  directory: ShrinkableDirectory,
  kind?: TokenizerKind,
): Either<readonly Problem[], ShrinkableVocabulary> {
  const { name, config, files, names } = directory;
  return pipe(
    allOf({
      tokenizer: readHuggingFaceTokenizer(files, kind),
      stated: statedTokenIds(files),
    }),
    chain(({ tokenizer, stated }) =>
      pipe(
        allOf({
          model: shrinkableModel(tokenizer.kind === "fast" ? FAST : SLOW, tokenizer),
          fits: checkSize(tokenizer, config),
          forms: unlessProblems(otherVocabularies(names), null),
        }),
        map(({ model }) => {
          return { ...directory, tokenizer, model, required: requiredIds(config, stated) };
        }),
      ),
    ),
    inDirectory(name),
  );
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

/**
 * Finds the tensors of a checkpoint with a row for each token. Other tensors of the model may have as many rows.
 * Refuses a checkpoint without embeddings, such as an adapter, which the smaller vocabulary would not fit.
 */
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
    chain((found) =>
      found.size > 0
        ? right(found)
        : refuse(checkpoint.path, "a tensor with a row for each token", "none"),
    ),
  );
}

function withConfig(directory: ShrinkableDirectory, json: JsonObject): ShrinkableDirectory {
  const files = new Map([...directory.files, [CONFIG, encodeUtf8(formatPythonJson(json))]]);
  return { ...directory, config: getOrThrow(configOf(json)), files };
}

/** Returns a directory whose config.json states other widths of feed-forward layers. */
export function withWidths(
  directory: ShrinkableDirectory,
  widths: readonly number[],
): ShrinkableDirectory {
  const { config, files } = directory;
  const key = config.modelType === "distilbert" ? "hidden_dim" : "intermediate_size";
  const { espalier: _, ...json } = getOrThrow(readHuggingFaceConfig(files));
  const isUniform = new Set(widths).size === 1;
  const own = isUniform ? {} : { espalier: { intermediate_sizes: widths } };
  const changed = { ...json, [key]: Math.max(...widths), ...own };
  return withConfig(directory, changed);
}

/** Returns a directory whose config.json states the attention heads that each layer lacks, as in transformers. */
export function withPrunedHeads(
  directory: ShrinkableDirectory,
  heads: readonly (readonly number[])[],
): ShrinkableDirectory {
  const json = getOrThrow(readHuggingFaceConfig(directory.files));
  const pruned_heads = Object.fromEntries(
    heads.flatMap((list, layer) => (list.length === 0 ? [] : [[layer, list] as const])),
  );
  return withConfig(directory, { ...json, pruned_heads });
}

type FindTensor = (name: string, ...shape: number[]) => CheckpointEntry | undefined;

/** Describes each layer of a model by its tensors. Undefined if one is missing, shared, or of another shape. */
function layersOf<T>(
  config: ModelConfig,
  { path, entries, tied }: Checkpoint,
  describeLayer: (find: FindTensor, names: LayerNames, index: number) => T | undefined,
): Either<readonly Problem[], readonly T[] | undefined> {
  const shared = new Set([...tied].flat());
  return pipe(
    canonicalNames(config.modelType, new Map(entries.map((entry) => [entry.name, entry]))),
    prefixPaths(`${path}: `),
    map((named) => {
      const find: FindTensor = (name, ...shape) => {
        const entry = named.get(name);
        const isFit = entry?.shape.join() === shape.join() && !shared.has(entry.name);
        return isFit && isFloatingPoint(entry.dtype) ? entry : undefined;
      };
      const layers = modelNames(config).layers.flatMap(
        (names, index) => describeLayer(find, names, index) ?? [],
      );
      return layers.length === config.layers ? layers : undefined;
    }),
  );
}

/** Finds the tensors of feed-forward layers. Undefined if a tensor is missing, shared, or of another shape. */
export function feedForwardLayers(
  config: ModelConfig,
  checkpoint: Checkpoint,
): Either<readonly Problem[], readonly FeedForward[] | undefined> {
  const { hiddenSize: hidden } = config;
  return layersOf(config, checkpoint, (find, names, index): FeedForward | undefined => {
    const channels = intermediateSizeOf(config, index);
    const [first, second] = [namesOfModule(names.intermediate), namesOfModule(names.output)];
    const intermediate = find(first.weight, channels, hidden);
    const bias = find(first.bias, channels);
    const output = find(second.weight, hidden, channels);
    if (intermediate === undefined || bias === undefined || output === undefined) return undefined;
    return { intermediate, bias, output };
  });
}

/** Finds the tensors of attention layers. Undefined if a tensor is missing, shared, or of another shape. */
export function attentionLayers(
  config: ModelConfig,
  checkpoint: Checkpoint,
): Either<readonly Problem[], readonly Attention[] | undefined> {
  const { hiddenSize: hidden } = config;
  return layersOf(config, checkpoint, (find, names, index): Attention | undefined => {
    const heads = headsOf(config, index);
    const features = heads * headWidth(config);
    const projection = (module: string) => {
      const weight = find(namesOfModule(module).weight, features, hidden);
      const bias = find(namesOfModule(module).bias, features);
      return weight === undefined || bias === undefined ? undefined : { weight, bias };
    };
    const [query, key, value] = [names.query, names.key, names.value].map(projection);
    const output = find(namesOfModule(names.attentionOutput).weight, hidden, features);
    if (query === undefined || key === undefined || value === undefined || output === undefined)
      return undefined;
    return { heads, query, key, value, output };
  });
}
