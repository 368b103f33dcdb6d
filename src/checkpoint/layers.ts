/**
 * Which tensors of a checkpoint are weights of layers, and of what kind. A checkpoint states neither, so rules on names
 * and shapes decide. Every decision names its rule.
 */
import type { LayerKind } from "../prune/layer.ts";

/** A tensor as a checkpoint lists it. */
export interface NamedShape {
  readonly name: string;
  readonly shape: readonly number[];
}

/** The role of a tensor. */
export interface TensorRole {
  /** The tensor's name. */
  readonly name: string;
  /** The module's name: the tensor's name without `.weight`. */
  readonly module: string;
  readonly shape: readonly number[];
  readonly kind: LayerKind;
  /** The rule that applied. */
  readonly reason: string;
}

/** Parts of names of embedding tables, in the models of transformers. */
const EMBEDDING = /(^|[._])(embed\w*|wte|wpe|shared|relative_attention_bias)([._]|$)|embedding/i;
const WEIGHT = /(^|\.)weight$/;

/**
 * The role of a tensor. A `weight` of two dimensions belongs to a linear layer, or to an embedding if its name says so;
 * one of three or four dimensions belongs to a convolution; nothing else is the weight of a layer.
 *
 * @example
 * ```ts
 * import { isPrunable, roleOfTensor } from "espalier/checkpoint";
 *
 * const { kind, module } = roleOfTensor({ name: "encoder.0.query.weight", shape: [8, 8] });
 * console.assert(kind === "linear" && isPrunable(kind) && module === "encoder.0.query");
 * console.assert(roleOfTensor({ name: "word_embeddings.weight", shape: [99, 8] }).kind === "embedding");
 * console.assert(roleOfTensor({ name: "encoder.0.query.bias", shape: [8] }).kind === "other");
 * ```
 */
export function roleOfTensor({ name, shape }: NamedShape): TensorRole {
  const module = name.replace(/\.weight$/, "");
  const role = (kind: LayerKind, reason: string): TensorRole => ({
    name,
    module,
    shape,
    kind,
    reason,
  });
  if (!WEIGHT.test(name)) return role("other", "its name does not end in weight");
  switch (shape.length) {
    case 2:
      return EMBEDDING.test(module)
        ? role("embedding", "two dimensions, and its name says embedding")
        : role("linear", "a weight of two dimensions");
    case 3:
      return role("conv1d", "a weight of three dimensions");
    case 4:
      return role("conv2d", "a weight of four dimensions");
    default:
      return role("other", `a weight of ${shape.length} dimensions`);
  }
}

/** Whether patterns apply to a kind of layer. */
export function isPrunable(kind: LayerKind): boolean {
  return kind === "linear" || kind === "conv1d" || kind === "conv2d";
}

/** Names of output layers, in the models of transformers and torchvision. */
const HEAD =
  /(^|\.)(classifier(\.out_proj)?|lm_head|score|qa_outputs|seq_relationship)$|^(fc|heads?(\.(head|fc))?)$|predictions\.decoder$/;

/** Whether a module is a classifier head or a language model's output by its name. */
export function isHeadName(module: string): boolean {
  return HEAD.test(module);
}

/**
 * The layers among a checkpoint's tensors, embeddings included, in the order of the model's modules.
 *
 * @param modules names of all modules in their order. A layer may lack the first part of a name, as in a bare encoder.
 *   Layers that are not among them come last. Null: the order of `tensors`.
 */
export function layersInOrder(
  tensors: readonly NamedShape[],
  modules: readonly string[] | null,
): readonly TensorRole[] {
  const layers = tensors.map(roleOfTensor).filter(({ kind }) => kind !== "other");
  if (modules === null) return layers;
  const positions = new Map(modules.map((name, i) => [name, i]));
  modules.forEach((name, i) => {
    const bare = name.slice(name.indexOf(".") + 1);
    if (!positions.has(bare)) positions.set(bare, i);
  });
  const place = ({ module }: TensorRole): number => positions.get(module) ?? modules.length;
  return [...layers].sort((a, b) => place(a) - place(b));
}
