import { isReadable } from "../core/checks.ts";
import {
  type Either,
  getOrThrow,
  type Problem,
  refuseValue,
  unlessProblems,
} from "../core/either.ts";
import { ENCODER_TYPES, type EncoderType, statedEncoderType } from "../core/encoder-types.ts";
import { PROBLEM_TYPES, type ProblemType } from "../core/problem-type.ts";
import { ARCHITECTURES } from "./architectures.ts";
import { ConfigReader } from "./config-reader.ts";
import type { EncoderFields } from "./encoder-fields.ts";

/** The configuration of a sequence classifier, from a config.json of transformers. */
export interface ModelConfig extends EncoderFields {
  readonly modelType: EncoderType;
  /**
   * The width of each feed-forward layer; null if all have `intermediateSize`. Only this library's copies of models with
   * fewer channels state it, as `{"espalier": {"intermediate_sizes": [...]}}`.
   */
  readonly intermediateSizes: readonly number[] | null;
  /** The attention heads that each layer lacks, ascending; null if none does. */
  readonly prunedHeads: readonly (readonly number[])[] | null;
  /** Number of outputs: classes, labels, or values of regression. */
  readonly labels: number;
  /** What the outputs mean; null if the file does not say. Then labels decide, as in transformers. */
  readonly problemType: ProblemType | null;
  /** The parsed file, including unused keys, so that it can be written again. */
  readonly source: Readonly<Record<string, unknown>>;
}

/**
 * Reads a parsed config.json. Missing keys get the defaults of transformers. Unused keys are kept in `source`.
 * Unsupported settings, such as relative positions, are problems.
 *
 * @example
 * ```ts
 * import { parseModelConfig } from "espalier/nn";
 *
 * const parsed = parseModelConfig({ model_type: "bert", hidden_size: 256, num_hidden_layers: 4,
 *   num_attention_heads: 4, intermediate_size: 1024 });
 * if (parsed._tag === "Left") throw new Error("expected a readable configuration");
 * if (parsed.right.vocabularySize !== 30522) throw new Error("expected the default vocabulary");
 * ```
 */
export function parseModelConfig(json: unknown): Either<readonly Problem[], ModelConfig> {
  if (!isReadable(json) || typeof json !== "object" || json === null || Array.isArray(json)) {
    return refuseValue("config.json", "an object", json);
  }
  const source: Readonly<Record<string, unknown>> = Object.freeze({ ...json });
  const modelType = statedEncoderType(source);
  if (modelType === undefined) {
    return refuseValue("model_type", `one of ${ENCODER_TYPES.join(", ")}`, source.model_type);
  }
  const reader = new ConfigReader(source);
  const fields = ARCHITECTURES[modelType].read(reader);
  const intermediateSizes = readIntermediateSizes(reader, fields.layers);
  const prunedHeads = readPrunedHeads(reader, fields);
  const labels = readLabels(reader);
  const problemType = readProblemType(reader, labels);
  return unlessProblems(
    reader.problems,
    Object.freeze({
      ...{ modelType, ...fields, intermediateSizes, prunedHeads },
      ...{ labels, problemType, source },
    }),
  );
}

/** Like {@link parseModelConfig}, but throws an `InputError` with every problem. */
export function parseModelConfigOrThrow(json: unknown): ModelConfig {
  return getOrThrow(parseModelConfig(json));
}

/** Reads `pruned_heads`: lists of heads by the number of their layer. A layer keeps at least one head. */
function readPrunedHeads(
  reader: ConfigReader,
  { layers, heads }: EncoderFields,
): ModelConfig["prunedHeads"] {
  const value = reader.source.pruned_heads ?? {};
  const isTable = typeof value === "object" && !Array.isArray(value);
  const entries = isTable ? Object.entries(value) : [["", value]];
  const lists = Array.from({ length: layers }, (): readonly number[] => []);
  for (const [layer, list] of entries as readonly (readonly [string, unknown])[]) {
    const own = Array.isArray(list) ? new Set<unknown>(list) : new Set();
    const isHead = (head: unknown) =>
      Number.isInteger(head) && Number(head) >= 0 && Number(head) < heads;
    const isLayer = /^(0|[1-9]\d*)$/.test(layer) && Number(layer) < layers;
    if (!isLayer || !Array.isArray(list) || own.size >= heads || ![...own].every(isHead)) {
      reader.reject(
        "pruned_heads",
        `lists of fewer than ${heads} heads, from 0 to ${heads - 1}, for layers from 0 to ${layers - 1}`,
      );
      return null;
    }
    lists[Number(layer)] = Object.freeze([...(own as Set<number>)].sort((a, b) => a - b));
  }
  return lists.every(({ length }) => length === 0) ? null : Object.freeze(lists);
}

/** Reads the key `espalier`, which other programs do not know. */
function readIntermediateSizes(reader: ConfigReader, layers: number): readonly number[] | null {
  const value = reader.source.espalier ?? null;
  if (value === null) return null;
  const { intermediate_sizes: sizes = [], ...others } = Object(value) as Record<string, unknown>;
  const isSize = (size: unknown) => Number.isSafeInteger(size) && Number(size) > 0;
  const isValid = Array.isArray(sizes) && sizes.length === layers && sizes.every(isSize);
  if (isValid && Object.keys(others).length === 0) return Object.freeze([...sizes]);
  reader.reject(
    "espalier",
    `an object with intermediate_sizes, ${layers} positive integers, alone`,
  );
  return null;
}

/** Reads `num_labels`. Default: the number of names in `id2label`, or 2. */
function readLabels(reader: ConfigReader): number {
  const names = reader.source.id2label;
  const named = typeof names === "object" && names !== null ? Object.keys(names).length : 0;
  const labels = reader.count("num_labels", named > 0 ? named : 2);
  if (named > 0 && "num_labels" in reader.source && labels !== named) {
    reader.reject("num_labels", `${named}, as many as id2label names`);
  }
  return labels;
}

/** Reads `problem_type`, which must fit the number of labels: a single class leaves nothing to learn. */
function readProblemType(reader: ConfigReader, labels: number): ProblemType | null {
  const value = reader.source.problem_type ?? null;
  if (value === null) return null;
  const possible = PROBLEM_TYPES.filter(
    (type) => labels > 1 || type !== "single_label_classification",
  );
  const found = possible.find((type) => type === value);
  if (found === undefined) reader.reject("problem_type", possible.join(" or "));
  return found ?? null;
}
