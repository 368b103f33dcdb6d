/**
 * Determines which tensors of a checkpoint are weights of layers. A checkpoint does not say, so rules on names and
 * shapes decide. Every decision names its rule.
 */
import type { Profile } from "../prune/config.ts";
import type { LayerKind } from "../prune/layer.ts";
import { compileNamePattern, expressionFault, type SkippedLayer } from "../prune/select.ts";

/** A tensor as a checkpoint lists it. */
interface NamedShape {
  readonly name: string;
  readonly shape: readonly number[];
}

/** The role of a tensor. */
export interface TensorRole {
  readonly name: string;
  /** The tensor's name without `.weight`. */
  readonly module: string;
  readonly shape: readonly number[];
  readonly kind: LayerKind;
  /** The rule that decided the kind. */
  readonly reason: string;
}

/** Matches names of embedding tables in transformers models. */
const EMBEDDING = /(^|[._])(embed\w*|wte|wpe|shared|relative_attention_bias)([._]|$)|embedding/i;
const WEIGHT = /(^|\.)weight$/;

/**
 * Returns the role of a tensor. A `weight` with two dimensions belongs to a linear layer, or to an embedding if its
 * name says so. A `weight` with three or four dimensions belongs to a convolution. No other tensor is the weight of a
 * layer.
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
  const role = (kind: LayerKind, reason: string) => ({ name, module, shape, kind, reason });
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

/** Matches names of classifier heads and other output layers in transformers and torchvision models. */
const HEAD =
  /(^|\.)(classifier(\.out_proj)?|lm_head|score|qa_outputs|seq_relationship)$|^(fc|heads?(\.(head|fc))?)$|predictions\.decoder$/;

/** The layers of a checkpoint, including embeddings, in module order. */
function layersInOrder(
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

/** Options of {@link selectableLayers}. */
interface SelectableOptions {
  /**
   * Names of all modules in module order. A layer's name may lack the first part of a module's name, as in a bare
   * encoder. Layers without a module come last. Null: the order of the tensors.
   */
  readonly modules: readonly string[] | null;
  /** Whether to exclude layers whose names are names of heads. */
  readonly excludeHead: boolean;
  /** `inc` searches a head's name as a regular expression, so `classifier` also matches `pre_classifier`. */
  readonly profile: Profile;
}

const FLOATING_POINT = ["F64", "F32", "F16", "BF16"];

/** Whether a safetensors element type is a floating-point type that pruning can score. */
export function isFloatingPoint(dtype: string): boolean {
  return FLOATING_POINT.includes(dtype);
}

/**
 * Splits the layers of a checkpoint into layers that pruners may select and layers that they may not, each with the
 * reason: it is a head, or its elements are not floating-point numbers.
 *
 * @example
 * ```ts
 * import { selectableLayers } from "espalier/checkpoint";
 *
 * const tensors = ["query.weight", "classifier.weight"].map((name) => ({
 *   name,
 *   shape: [4, 4],
 *   dtype: "F32",
 * }));
 * const options = { modules: null, excludeHead: true, profile: "strict" } as const;
 * const { layers, skipped } = selectableLayers(tensors, options);
 * console.assert(layers[0]?.module === "query" && skipped[0]?.name === "classifier");
 * ```
 */
export function selectableLayers(
  tensors: readonly (NamedShape & { readonly dtype: string })[],
  { modules, excludeHead, profile }: SelectableOptions,
): { readonly layers: readonly TensorRole[]; readonly skipped: readonly SkippedLayer[] } {
  const dtypes = new Map(tensors.map(({ name, dtype }) => [name, dtype]));
  const all = layersInOrder(tensors, modules);
  const heads = excludeHead
    ? all.map(({ module }) => module).filter((name) => HEAD.test(name))
    : [];
  const expressions =
    profile === "inc"
      ? heads.filter((name) => expressionFault(name) === undefined).map(compileNamePattern)
      : [];
  const reasonToSkip = ({ name, module }: TensorRole): string | undefined => {
    const dtype = dtypes.get(name) ?? "";
    if (!isFloatingPoint(dtype)) return `${dtype} is not a floating-point type`;
    if (heads.includes(module)) return "a classifier head by its name";
    const head = expressions.find((expression) => expression.test(module));
    return head === undefined ? undefined : `matches the classifier head ${head.source}`;
  };
  const layers: TensorRole[] = [];
  const skipped: SkippedLayer[] = [];
  for (const role of all) {
    const reason = reasonToSkip(role);
    if (reason === undefined) layers.push(role);
    else skipped.push({ name: role.module, reason });
  }
  return { layers, skipped };
}
