/** Adds the nodes of a sequence classifier to a graph: those of its forward pass, without dropout. */
import { HIDDEN_KEY } from "../autograd/attention.ts";
import type { EmbeddingNames, Head, LayerNames } from "../model/architecture.ts";
import { ARCHITECTURES } from "../model/architectures.ts";
import { readsTokenTypes } from "../model/batch.ts";
import type { ModelConfig } from "../model/config.ts";
import { headsOf, headWidth } from "../model/modules.ts";
import { modelNames, namesOfModule } from "../model/names.ts";
import { addActivation } from "./activations.ts";
import { addNode, constant, scalarInteger } from "./graph.ts";
import { TensorProto_DataType as DataType } from "./onnx.generated.ts";
import {
  addLookup,
  addMatrix,
  addParameter,
  addRounding,
  type InputRange,
  type Precision,
  type WeightedGraph,
} from "./weights.ts";

const INPUT_IDS = "input_ids";
const ATTENTION_MASK = "attention_mask";
const TOKEN_TYPE_IDS = "token_type_ids";

/** The name of the output. */
export const LOGITS = "logits";

/** A graph under construction, with the model that it computes. */
export interface Encoder extends WeightedGraph {
  readonly config: ModelConfig;
  readonly precision: Precision;
  /** The range of the input of each linear layer, by name, to round inputs. Null: inputs stay float32. */
  readonly ranges: ReadonlyMap<string, InputRange> | null;
  /** The rounded form of each value that linear layers read. */
  readonly roundedInputs: Map<string, string>;
}

/** Returns the names of a model's inputs, all int64 [batch, sequence]. */
export function inputNames(config: ModelConfig): readonly string[] {
  const types = readsTokenTypes(config) ? [TOKEN_TYPE_IDS] : [];
  return [INPUT_IDS, ATTENTION_MASK, ...types];
}

/** Adds all nodes and parameters. The last node has the output {@link LOGITS}. */
export function addClassifier(encoder: Encoder): void {
  const names = modelNames(encoder.config);
  const keyBias = addKeyBias(encoder);
  let hidden = addEmbeddings(encoder, names.embeddings);
  for (const [index, layer] of names.layers.entries())
    hidden = addLayer(encoder, layer, headsOf(encoder.config, index), hidden, keyBias);
  addHead(encoder, names.head, hidden);
}

/** Adds the bias of each key, [batch, 1, 1, sequence]: 0 if the key is visible. */
function addKeyBias({ graph }: Encoder): string {
  const place = ATTENTION_MASK;
  const axes = constant(graph, [1n, 2n]);
  const mask = addNode(graph, place, "Unsqueeze", [ATTENTION_MASK, axes]);
  const visible = addNode(graph, place, "Cast", [mask], { to: BigInt(DataType.FLOAT) });
  const hidden = addNode(graph, place, "Sub", [constant(graph, 1), visible]);
  return addNode(graph, place, "Mul", [hidden, constant(graph, HIDDEN_KEY)]);
}

function addEmbeddings(encoder: Encoder, names: EmbeddingNames): string {
  const { graph, precision } = encoder;
  let sum = addLookup(encoder, names.words, INPUT_IDS, precision);
  if (names.tokenTypes !== null) {
    const types = addTokenTypes(encoder, names.tokenTypes);
    sum = addNode(graph, names.tokenTypes, "Add", [sum, types]);
  }
  const positions = addLookup(encoder, names.positions, addPositionIds(encoder), precision);
  sum = addNode(graph, names.positions, "Add", [sum, positions]);
  const normalised = addNorm(encoder, names.norm, sum);
  return names.projection === null ? normalised : addLinear(encoder, names.projection, normalised);
}

/** The few rows of token types stay float32. Models that do not read the input use the first row. */
function addTokenTypes(encoder: Encoder, module: string): string {
  const { graph, config } = encoder;
  const ids = readsTokenTypes(config) ? TOKEN_TYPE_IDS : scalarInteger(graph, 0n);
  return addLookup(encoder, module, ids, "float32");
}

/** Adds the row of the position table for each token. */
function addPositionIds({ graph, config }: Encoder): string {
  const place = "position_ids";
  const { positions } = ARCHITECTURES[config.modelType];
  switch (positions) {
    case "index": {
      const shape = addNode(graph, place, "Shape", [INPUT_IDS]);
      const length = addNode(graph, place, "Gather", [shape, scalarInteger(graph, 1n)]);
      const bounds = [scalarInteger(graph, 0n), length, scalarInteger(graph, 1n)];
      return addNode(graph, place, "Range", bounds);
    }
    case "content": {
      const padding = scalarInteger(graph, BigInt(config.padTokenId));
      const isPadding = addNode(graph, place, "Equal", [INPUT_IDS, padding]);
      const isToken = addNode(graph, place, "Not", [isPadding]);
      const ones = addNode(graph, place, "Cast", [isToken], { to: BigInt(DataType.INT64) });
      const counts = addNode(graph, place, "CumSum", [ones, scalarInteger(graph, 1n)]);
      const numbers = addNode(graph, place, "Mul", [counts, ones]);
      return addNode(graph, place, "Add", [numbers, padding]);
    }
    default:
      return positions satisfies never;
  }
}

function addLayer(
  encoder: Encoder,
  names: LayerNames,
  heads: number,
  hidden: string,
  keyBias: string,
): string {
  const { graph, config } = encoder;
  const context = addAttention(encoder, names, heads, hidden, keyBias);
  const output = addLinear(encoder, names.attentionOutput, context);
  const sum = addNode(graph, `${names.attentionOutput}/residual`, "Add", [output, hidden]);
  const attended = addNorm(encoder, names.attentionNorm, sum);
  const expanded = addLinear(encoder, names.intermediate, attended);
  const active = addActivation(graph, names.intermediate, config.activation, expanded);
  const contracted = addLinear(encoder, names.output, active);
  const total = addNode(graph, `${names.output}/residual`, "Add", [contracted, attended]);
  return addNorm(encoder, names.outputNorm, total);
}

/** Adds attention: softmax(query key^T / sqrt(width) + bias) value for each head, joined to [batch, sequence, heads width]. */
function addAttention(
  encoder: Encoder,
  names: LayerNames,
  heads: number,
  hidden: string,
  keyBias: string,
): string {
  const { graph, config } = encoder;
  const width = headWidth(config);
  // In the shape of Reshape, 0 keeps a dimension.
  const split = constant(graph, [0n, 0n, BigInt(heads), BigInt(width)]);
  const perHead = (module: string, perm: readonly bigint[]): string => {
    const projected = addLinear(encoder, module, hidden);
    const divided = addNode(graph, module, "Reshape", [projected, split]);
    return addNode(graph, module, "Transpose", [divided], { perm });
  };
  const query = perHead(names.query, [0n, 2n, 1n, 3n]);
  const key = perHead(names.key, [0n, 2n, 3n, 1n]);
  const value = perHead(names.value, [0n, 2n, 1n, 3n]);
  const place = `${names.query}/scores`;
  const products = addNode(graph, place, "MatMul", [query, key]);
  const scaled = addNode(graph, place, "Div", [products, constant(graph, Math.sqrt(width))]);
  const scores = addNode(graph, place, "Add", [scaled, keyBias]);
  const probabilities = addNode(graph, place, "Softmax", [scores], { axis: -1n });
  const context = addNode(graph, `${names.value}/context`, "MatMul", [probabilities, value]);
  const perm = [0n, 2n, 1n, 3n];
  const rows = addNode(graph, `${names.value}/context`, "Transpose", [context], { perm });
  const joined = constant(graph, [0n, 0n, BigInt(heads * width)]);
  return addNode(graph, `${names.value}/context`, "Reshape", [rows, joined]);
}

/** Adds classifier(activation(dense(first token))). The small classifier stays float32. */
function addHead(encoder: Encoder, head: Head, hidden: string): void {
  const { graph } = encoder;
  const first = addNode(
    graph,
    `${head.dense}/first`,
    "Gather",
    [hidden, scalarInteger(graph, 0n)],
    {
      axis: 1n,
    },
  );
  const pooled = addLinear(encoder, head.dense, first);
  const active = addActivation(graph, head.dense, head.activation, pooled);
  const matrix = addMatrix(encoder, head.classifier, "float32");
  const product = addNode(graph, head.classifier, "MatMul", [active, matrix]);
  const bias = addParameter(encoder, namesOfModule(head.classifier).bias);
  addNode(graph, head.classifier, "Add", [product, bias], {}, LOGITS);
}

function addLinear(encoder: Encoder, module: string, x: string): string {
  const { graph, precision } = encoder;
  const matrix = addMatrix(encoder, module, precision);
  const product = addNode(graph, module, "MatMul", [roundedInput(encoder, module, x), matrix]);
  const bias = addParameter(encoder, namesOfModule(module).bias);
  return addNode(graph, module, "Add", [product, bias]);
}

/** Returns the input of a layer, rounded if there are ranges. Query, key and value share their input. */
function roundedInput(
  { graph, ranges, roundedInputs }: Encoder,
  module: string,
  x: string,
): string {
  if (ranges === null) return x;
  const known = roundedInputs.get(x);
  if (known !== undefined) return known;
  const range = ranges.get(module);
  if (range === undefined) throw new RangeError(`ranges: expected one of ${module}, got none`);
  const rounded = addRounding(graph, `${module}/input`, x, range);
  roundedInputs.set(x, rounded);
  return rounded;
}

function addNorm(encoder: Encoder, module: string, x: string): string {
  const { weight, bias } = namesOfModule(module);
  const inputs = [x, addParameter(encoder, weight), addParameter(encoder, bias)];
  const epsilon = encoder.config.layerNormEpsilon;
  return addNode(encoder.graph, module, "LayerNormalization", inputs, { axis: -1n, epsilon });
}
