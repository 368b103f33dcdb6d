import { describe, isReadable } from "../core/checks.ts";
import {
  type Either,
  getOrThrow,
  type Problem,
  refuseValue,
  unlessProblems,
} from "../core/either.ts";

import { PROBLEM_TYPES, type ProblemType } from "../core/problem-type.ts";

type ModelType = "bert" | "distilbert";

/**
 * The configuration of a sequence classifier, from a config.json of transformers. BERT and DistilBERT share the same
 * fields.
 */
export interface ModelConfig {
  readonly modelType: ModelType;
  readonly vocabularySize: number;
  /** Number of token types; 0 for DistilBERT, which has none. */
  readonly tokenTypes: number;
  readonly maxPositions: number;
  readonly layers: number;
  readonly heads: number;
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly activation: "gelu" | "relu";
  /** Dropout rate of embeddings and sub-layer outputs. */
  readonly hiddenDropout: number;
  /** Dropout rate of attention probabilities. */
  readonly attentionDropout: number;
  /** Dropout rate before the classifier. */
  readonly classifierDropout: number;
  readonly layerNormEpsilon: number;
  /** Standard deviation of the initial weights. */
  readonly initializerRange: number;
  readonly padTokenId: number;
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
  const modelType = modelTypeOf(source);
  if (modelType === undefined) {
    return refuseValue("model_type", "bert or distilbert", source.model_type);
  }
  const reader = new ConfigReader(source);
  const fields = modelType === "bert" ? readBert(reader) : readDistilBert(reader);
  const labels = readLabels(reader);
  const problemType = readProblemType(reader, labels);
  if (fields.hiddenSize % fields.heads !== 0) {
    const key = modelType === "bert" ? "hidden_size" : "dim";
    reader.reject(key, `a multiple of the ${fields.heads} heads`);
  }
  return unlessProblems(
    reader.problems,
    Object.freeze({ modelType, ...fields, labels, problemType, source }),
  );
}

/** Like {@link parseModelConfig}, but throws an `InputError` with every problem. */
export function parseModelConfigOrThrow(json: unknown): ModelConfig {
  return getOrThrow(parseModelConfig(json));
}

/**
 * Reads keys of a parsed JSON object and collects all problems. A missing or null value is replaced by the fallback.
 */
class ConfigReader {
  readonly source: Readonly<Record<string, unknown>>;
  readonly problems: Problem[] = [];

  constructor(source: Readonly<Record<string, unknown>>) {
    this.source = source;
  }

  /** Adds a problem that quotes the value of the key. */
  reject(key: string, expected: string): void {
    this.problems.push({ path: key, expected, got: describe(this.source[key]) });
  }

  #number(
    key: string,
    fallback: number,
    expected: string,
    accepts: (value: number) => boolean,
  ): number {
    const value = this.source[key] ?? fallback;
    if (typeof value === "number" && accepts(value)) return value;
    this.reject(key, expected);
    return fallback;
  }

  /** Reads a positive integer up to `most`. */
  count(key: string, fallback: number, most: number = Number.MAX_SAFE_INTEGER): number {
    const limit = most < Number.MAX_SAFE_INTEGER ? ` up to ${most}` : "";
    const accepts = (n: number): boolean => Number.isSafeInteger(n) && n >= 1 && n <= most;
    return this.#number(key, fallback, `a positive integer${limit}`, accepts);
  }

  /** Reads an integer in [0, limit). */
  idBelow(key: string, limit: number, fallback: number): number {
    const accepts = (n: number): boolean => Number.isInteger(n) && n >= 0 && n < limit;
    return this.#number(key, fallback, `an integer from 0 to ${limit - 1}`, accepts);
  }

  /** Reads a number in [0, 1). */
  rate(key: string, fallback: number): number {
    return this.#number(key, fallback, "a number in [0, 1)", (n) => n >= 0 && n < 1);
  }

  /** Reads a finite number above 0. */
  positive(key: string, fallback: number): number {
    return this.#number(key, fallback, "a number above 0", (n) => n > 0 && n < Infinity);
  }

  /** Reads the name of an activation: `gelu` (default) or `relu`. */
  activation(key: string): "gelu" | "relu" {
    const value = this.source[key] ?? "gelu";
    if (value === "gelu" || value === "relu") return value;
    this.reject(key, "gelu or relu");
    return "gelu";
  }

  /** Reports a problem unless the value is `value`, null or missing. */
  requireConstant(key: string, value: string | boolean): void {
    if ((this.source[key] ?? value) !== value) this.reject(key, describe(value));
  }
}

type EncoderFields = Omit<ModelConfig, "modelType" | "labels" | "problemType" | "source">;

/**
 * Returns the model type; undefined if it is not supported or cannot be determined. Older files lack `model_type`, so
 * then the other keys decide.
 */
function modelTypeOf(source: Readonly<Record<string, unknown>>): ModelType | undefined {
  const { model_type: stated } = source;
  if (stated === "bert" || stated === "distilbert") return stated;
  if (stated !== undefined) return undefined;
  if ("dim" in source || "n_layers" in source) return "distilbert";
  return "hidden_size" in source || "num_hidden_layers" in source ? "bert" : undefined;
}

/** The maximum number of layers. It limits the list of modules, which is built before any weight is read. */
const MOST_LAYERS = 10_000;

/** Reads the keys of transformers' `BertConfig`, with its defaults. */
function readBert(reader: ConfigReader): EncoderFields {
  reader.requireConstant("position_embedding_type", "absolute");
  reader.requireConstant("is_decoder", false);
  reader.requireConstant("add_cross_attention", false);
  const hiddenDropout = reader.rate("hidden_dropout_prob", 0.1);
  const vocabularySize = reader.count("vocab_size", 30522);
  return {
    vocabularySize,
    tokenTypes: reader.count("type_vocab_size", 2),
    maxPositions: reader.count("max_position_embeddings", 512),
    layers: reader.count("num_hidden_layers", 12, MOST_LAYERS),
    heads: reader.count("num_attention_heads", 12),
    hiddenSize: reader.count("hidden_size", 768),
    intermediateSize: reader.count("intermediate_size", 3072),
    activation: reader.activation("hidden_act"),
    hiddenDropout,
    attentionDropout: reader.rate("attention_probs_dropout_prob", 0.1),
    classifierDropout: reader.rate("classifier_dropout", hiddenDropout),
    layerNormEpsilon: reader.positive("layer_norm_eps", 1e-12),
    initializerRange: reader.positive("initializer_range", 0.02),
    padTokenId: reader.idBelow("pad_token_id", vocabularySize, 0),
  };
}

/** Reads the keys of transformers' `DistilBertConfig`, with its defaults. Layer norms always use epsilon 1e-12. */
function readDistilBert(reader: ConfigReader): EncoderFields {
  reader.requireConstant("sinusoidal_pos_embds", false);
  const vocabularySize = reader.count("vocab_size", 30522);
  return {
    vocabularySize,
    tokenTypes: 0,
    maxPositions: reader.count("max_position_embeddings", 512),
    layers: reader.count("n_layers", 6, MOST_LAYERS),
    heads: reader.count("n_heads", 12),
    hiddenSize: reader.count("dim", 768),
    intermediateSize: reader.count("hidden_dim", 3072),
    activation: reader.activation("activation"),
    hiddenDropout: reader.rate("dropout", 0.1),
    attentionDropout: reader.rate("attention_dropout", 0.1),
    classifierDropout: reader.rate("seq_classif_dropout", 0.2),
    layerNormEpsilon: 1e-12,
    initializerRange: reader.positive("initializer_range", 0.02),
    padTokenId: reader.idBelow("pad_token_id", vocabularySize, 0),
  };
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
