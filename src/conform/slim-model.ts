/** The models of slim vectors: their layers as the project knows them, and their outputs. */
import { formatProblem, isLeft } from "../core/either.ts";
import type { AttentionLayer } from "../heads/state.ts";
import type { Backend } from "../kernels/backend.ts";
import { type ModelConfig, parseModelConfig, parseModelConfigOrThrow } from "../model/config.ts";
import { forward } from "../model/forward.ts";
import { modelNames } from "../model/names.ts";
import { createParameters, parameterList } from "../model/parameters.ts";
import { releaseParameters } from "../tensor/parameter.ts";
import { attentionLayers } from "../train/attention-layers.ts";
import { at, expectedError, type JsonObject, type OpenCase, tensorValues } from "./case-files.ts";
import { lastHidden, withTape } from "./model-case.ts";
import type { Matrix } from "./slim-rules.ts";

export type Tensors = ReadonlyMap<string, Matrix>;

/** A model of transformers that the project knows. */
export interface SlimModel {
  /** The configuration of the sequence classifier with the same encoder. */
  readonly config: ModelConfig;
  readonly source: JsonObject;
  readonly className: string;
  /** What the names of a bare encoder's tensors lack, such as `bert.`. */
  readonly prefix: string;
}

const TYPES: Readonly<Record<string, string>> = { Bert: "bert", DistilBert: "distilbert" };

/** Splits the name of a class of BERT or DistilBERT, such as `BertModel`; undefined for other classes. */
function classParts(
  json: JsonObject,
): { readonly type: string; readonly rest: string } | undefined {
  const { model } = json;
  const hf = typeof model === "object" && model !== null && "hf" in model ? model.hf : "";
  const [, family = "", rest = ""] = /^(Bert|DistilBert)(Model|For\w+)$/.exec(String(hf)) ?? [];
  const type = TYPES[family];
  return type === undefined ? undefined : { type, rest };
}

function sourceOf(json: JsonObject, type: string): JsonObject {
  return { model_type: type, ...at.object(at.object(json, "model"), "config") };
}

/** Why the project has no model like that of a vector; undefined if it has one. */
export function modelRefusal(json: JsonObject): string | undefined {
  const parts = classParts(json);
  if (parts === undefined) return "a model that only INC's search knows";
  const parsed = parseModelConfig(sourceOf(json, parts.type));
  return isLeft(parsed) ? parsed.left.slice(0, 1).map(formatProblem).join() : undefined;
}

/** Reads the model of a vector. @throws CaseFileError if it is not a known one */
export function readSlimModel(json: JsonObject): SlimModel {
  const parts = classParts(json);
  if (parts === undefined) throw expectedError("model", "a BERT or DistilBERT", json.model);
  const { type, rest } = parts;
  const source = sourceOf(json, type);
  const prefix = rest === "Model" ? `${type}.` : "";
  return { config: parseModelConfigOrThrow(source), source, className: rest, prefix };
}

/** A feed-forward pair: the layer that loses columns, and the layer before it, which loses rows. */
export interface Pair {
  readonly root: string;
  readonly target: string;
}

/** Returns the feed-forward pairs, with the names of the vector. */
export function pairsOf({ config, prefix }: SlimModel): readonly Pair[] {
  return modelNames(config).layers.map(({ output, intermediate }) => ({
    root: output.slice(prefix.length),
    target: intermediate.slice(prefix.length),
  }));
}

/** Returns the attention layers, with the names of the vector. */
export function attentionsOf({ config, prefix }: SlimModel): readonly AttentionLayer[] {
  const own = (name: string): string => name.slice(prefix.length);
  return attentionLayers(config).map(({ name, heads, projections, output }) => ({
    name: own(name),
    heads,
    projections: projections.map(own),
    output: own(output),
  }));
}

/** What a model has lost: channels of each feed-forward layer, and heads of each attention layer. */
export interface Removal {
  readonly channels: readonly (readonly number[])[];
  readonly heads: readonly (readonly number[])[];
}

/** Returns the configuration of a model without the removed parts, of which each layer has some left. */
function narrowConfig({ source, config }: SlimModel, { channels, heads }: Removal): ModelConfig {
  const sizes = channels.map(({ length }) => config.intermediateSize - length);
  const pruned = Object.fromEntries(heads.map((own, layer) => [layer, own]));
  return parseModelConfigOrThrow({
    ...source,
    pruned_heads: pruned,
    ...(channels.some(({ length }) => length > 0)
      ? { espalier: { intermediate_sizes: sizes } }
      : {}),
  });
}

/** Whether the outputs of a vector are logits of a classifier or hidden states, which the project computes. */
export function hasOutputs({ className }: SlimModel): boolean {
  return className === "Model" || className === "ForSequenceClassification";
}

/** Runs a model without the removed parts on the vector's token ids: logits, or the last hidden states. */
export function outputsOf(
  files: OpenCase,
  model: SlimModel,
  tensors: Tensors,
  removal: Removal,
  backend: Backend,
): Float32Array {
  const config = narrowConfig(model, removal);
  const named = new Map([...tensors].map(([name, tensor]) => [`${model.prefix}${name}`, tensor]));
  // A bare encoder has no head, so that its parameters may be any.
  for (const { name, shape } of parameterList(config))
    if (model.className === "Model" && !named.has(name))
      named.set(name, { shape, data: new Float32Array(shape.reduce((a, b) => a * b, 1)) });
  const [batch = 0, positions = 0] = files.tensors.get("in/ids")?.shape ?? [];
  const ids = tensorValues(files, "in/ids");
  const input = {
    batch,
    positions,
    inputIds: Int32Array.from(ids),
    tokenTypeIds: new Int32Array(ids.length),
    attentionMask: new Uint8Array(ids.length).fill(1),
  };
  const parameters = createParameters(backend, config, named);
  try {
    return withTape(backend, false, (tape) => {
      const output = forward(tape, config, parameters, input);
      const read = model.className === "Model" ? lastHidden(output) : output.logits;
      return read.value.data.slice();
    });
  } finally {
    releaseParameters(parameters);
  }
}
