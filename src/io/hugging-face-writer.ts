/** Writes a model directory like `save_pretrained` in transformers 4.32, so that `from_pretrained` can load it. */

import { checkKind, checkMapOf, checkObject, isReadable } from "../core/checks.ts";
import { type EncoderType, encoderNames } from "../core/encoder-types.ts";
import { type DirectoryFiles, encoderType, HUGGING_FACE_FILES } from "./hugging-face.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "./json.ts";
import { type StoredTensor, writeSafetensors } from "./safetensors.ts";
import { encodeUtf8 } from "./text.ts";
import type { Tokenizer } from "./tokenizer.ts";
import { formatTokenizerConfig, SPECIAL_TOKENS_MAP } from "./tokenizer-config.ts";
import { formatVocabulary } from "./vocabulary.ts";

/** A model to write. */
export interface ModelToWrite {
  /** The contents of config.json. Missing keys are added, unknown keys are kept. */
  readonly config: Readonly<Record<string, unknown>>;
  /** The tensors, by their names in the state dict of transformers. */
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  /** If absent, no tokenizer files are written. */
  readonly tokenizer?: Tokenizer;
}

/**
 * Creates the files of a sequence classifier's directory.
 *
 * @example
 * ```ts
 * import { getOrThrow, readHuggingFaceModel } from "espalier/io";
 * import { tensorFromFloat32, writeHuggingFaceDirectory } from "espalier/io";
 *
 * const bias = tensorFromFloat32("F32", [2], new Float32Array([0.5, -0.5]));
 * const files = writeHuggingFaceDirectory({
 *   config: { model_type: "bert", hidden_size: 256 },
 *   tensors: new Map([["classifier.bias", bias]]),
 * });
 * const { config, metadata } = getOrThrow(readHuggingFaceModel(files));
 * if (config["num_hidden_layers"] !== 12) throw new Error("expected transformers' default");
 * if (metadata["format"] !== "pt") throw new Error("expected transformers' metadata");
 * ```
 */
export function writeHuggingFaceDirectory(model: ModelToWrite): DirectoryFiles {
  checkObject("model", model, "config", "tensors");
  const { config, tensors, tokenizer } = model;
  checkObject("model.config", config);
  checkKind(isReadable(config), "model.config", "plain data", config);
  checkMapOf("model.tensors", tensors, "dtype", "shape", "bytes");
  if (tokenizer !== undefined) checkObject("model.tokenizer", tokenizer, "vocabulary", "kind");
  const files = new Map<string, Uint8Array>();
  const writeJson = (name: string, value: JsonValue): void => {
    files.set(name, encodeUtf8(formatPythonJson(value)));
  };
  const complete = completeConfig(config as JsonObject, tensors);
  writeJson(HUGGING_FACE_FILES.config, complete);
  files.set(HUGGING_FACE_FILES.weights, writeSafetensors(tensors, { format: "pt" }));
  if (tokenizer?.files !== undefined)
    for (const [name, bytes] of tokenizer.files) files.set(name, bytes);
  else if (tokenizer?.kind === "slow") {
    const { tokens } = tokenizer.vocabulary;
    files.set(HUGGING_FACE_FILES.vocabulary, encodeUtf8(formatVocabulary(tokens)));
    writeJson(HUGGING_FACE_FILES.specialTokens, SPECIAL_TOKENS_MAP);
    writeJson(HUGGING_FACE_FILES.tokenizerConfig, formatTokenizerConfig(tokenizer, complete));
  }
  return files;
}

/**
 * The keys that transformers writes to every config.json, by model type. Other types need none: a missing key has the
 * same meaning in transformers.
 */
const CONFIG_DEFAULTS: Readonly<Partial<Record<EncoderType, JsonObject>>> = {
  bert: {
    attention_probs_dropout_prob: 0.1,
    classifier_dropout: null,
    hidden_act: "gelu",
    hidden_dropout_prob: 0.1,
    hidden_size: 768,
    initializer_range: 0.02,
    intermediate_size: 3072,
    layer_norm_eps: 1e-12,
    max_position_embeddings: 512,
    num_attention_heads: 12,
    num_hidden_layers: 12,
    pad_token_id: 0,
    position_embedding_type: "absolute",
    type_vocab_size: 2,
    use_cache: true,
    vocab_size: 30522,
  },
  distilbert: {
    activation: "gelu",
    attention_dropout: 0.1,
    dim: 768,
    dropout: 0.1,
    hidden_dim: 3072,
    initializer_range: 0.02,
    max_position_embeddings: 512,
    n_heads: 12,
    n_layers: 6,
    pad_token_id: 0,
    qa_dropout: 0.1,
    seq_classif_dropout: 0.2,
    sinusoidal_pos_embds: false,
    vocab_size: 30522,
  },
};

/** Completes a configuration with the defaults of transformers. */
function completeConfig(
  config: JsonObject,
  tensors: ReadonlyMap<string, StoredTensor>,
): JsonObject {
  const { num_labels: labels, ...stated } = config;
  const type = encoderType(stated);
  return {
    model_type: type,
    ...CONFIG_DEFAULTS[type],
    ...(typeof labels === "number" ? labelNames(labels) : {}),
    transformers_version: "4.32.0",
    ...stated,
    // The original values may not fit the tensors that are written.
    architectures: [encoderNames(type).classifier],
    torch_dtype: torchDtype(tensors),
  };
}

/** Returns PyTorch's name for the float type that all tensors share; `float32` if they do not share one. */
function torchDtype(tensors: ReadonlyMap<string, StoredTensor>): string {
  const dtypes = new Set([...tensors.values()].map(({ dtype }) => dtype));
  const names = { F16: "float16", BF16: "bfloat16", F64: "float64", F32: "float32" } as const;
  const [dtype] = dtypes;
  return dtypes.size === 1 && dtype !== undefined && dtype in names
    ? names[dtype as keyof typeof names]
    : names.F32;
}

/**
 * Returns the label names, which transformers stores instead of the number of labels; an empty object for the default
 * of two labels.
 */
function labelNames(labels: number): JsonObject {
  if (labels === 2) return {};
  const names = Array.from({ length: labels }, (_, id) => `LABEL_${id}`);
  return {
    id2label: Object.fromEntries(names.map((name, id) => [String(id), name])),
    label2id: Object.fromEntries(names.map((name, id) => [name, id])),
  };
}

/** Formats JSON as transformers does: `json.dumps(value, indent=2, sort_keys=True) + "\n"`. */
export function formatPythonJson(value: JsonValue): string {
  const text = JSON.stringify(sortNames(value), null, 2);
  const escaped = (unit: string) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
  return `${text.replace(/[^\n -~]/g, escaped)}\n`;
}

function sortNames(value: JsonValue): JsonValue {
  if (typeof value !== "object" || value === null) return value;
  if (!isJsonObject(value)) return value.map(sortNames);
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(members.map(([name, member]) => [name, sortNames(member)]));
}
