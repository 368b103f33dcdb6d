/**
 * What pruning needs to know of a model: its weight-bearing modules as plain records, in module order.
 */
import { checkFloat32Array, checkInteger, checkOneOf, describe } from "../core/checks.ts";

/** Kinds of module, as far as pruning tells them apart. */
export type LayerKind = "linear" | "conv1d" | "conv2d" | "embedding" | "other";

/**
 * One module of a model. Records come in the order in which the model registers its modules, because
 * selection, budgets and ties follow that order. Modules without a weight (activations) may appear
 * with kind `other` and an empty shape: one that follows the last linear layer keeps that layer from
 * being taken for the classifier head. Leave dropout modules out.
 */
export interface LayerRecord {
  readonly name: string;
  readonly kind: LayerKind;
  /** linear [out, in]; conv1d [out, in, k]; conv2d [out, in, kh, kw]; embedding [rows, width]. */
  readonly shape: readonly number[];
  /** The weight, row-major in `shape`. */
  readonly data: Float32Array;
  /** The weight's gradient of the current step, in the weight's layout. */
  readonly gradient?: Float32Array | null;
}

/** Why pruning refuses to go on. */
export type PruningErrorCode =
  | "no-layers"
  | "indivisible-shape"
  | "infeasible-budget"
  | "missing-gradient"
  | "unusable-schedule"
  | "unsupported-combination"
  | "layer-mismatch"
  | "invalid-score";

/**
 * A configuration that cannot be carried out on the given layers. Raised before any data is touched by the pruner
 * that refuses; the pure forms leave all data as it was.
 */
export class PruningError extends RangeError {
  override readonly name = "PruningError";
  readonly code: PruningErrorCode;
  /** Name of the layer concerned, where there is one. */
  readonly layer: string | undefined;

  constructor(code: PruningErrorCode, message: string, layer?: string) {
    super(message);
    this.code = code;
    this.layer = layer;
  }
}

const KINDS: readonly LayerKind[] = ["linear", "conv1d", "conv2d", "embedding", "other"];

/** The axes of each kind's weight; modules of kind `other` have weights of any shape, or none. */
const AXES: Readonly<Record<LayerKind, readonly string[] | null>> = {
  linear: ["out", "in"],
  conv1d: ["out", "in", "k"],
  conv2d: ["out", "in", "kh", "kw"],
  embedding: ["rows", "width"],
  other: null,
};

/** Number of elements of a shape. */
export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, extent) => product * extent, 1);
}

/** Checks names, kinds, shapes and data lengths of layer records; states the first that is wrong. */
export function checkLayers(name: string, layers: readonly LayerRecord[]): void {
  if (!Array.isArray(layers))
    throw new TypeError(`${name}: expected an array of layer records, got ${describe(layers)}`);
  const seen = new Set<string>();
  layers.forEach((layer: LayerRecord, index) => {
    const label = `${name}[${index}]`;
    if (typeof layer !== "object" || layer === null)
      throw new TypeError(`${label}: expected a layer record, got ${describe(layer)}`);
    if (typeof layer.name !== "string")
      throw new TypeError(`${label}.name: expected a string, got ${describe(layer.name)}`);
    if (seen.has(layer.name))
      throw new RangeError(`${label}.name: expected a name used once, got ${describe(layer.name)}`);
    seen.add(layer.name);
    checkOneOf(`${label}.kind`, layer.kind, KINDS);
    if (!Array.isArray(layer.shape))
      throw new TypeError(`${label}.shape: expected an array, got ${describe(layer.shape)}`);
    layer.shape.forEach((extent: number, axis: number) => {
      checkInteger(`${label}.shape[${axis}]`, extent);
    });
    const axes = AXES[layer.kind];
    if (axes !== null && layer.shape.length !== axes.length)
      throw new RangeError(
        `${label}.shape: expected [${axes.join(", ")}] for ${layer.kind}, got [${layer.shape.join(", ")}]`,
      );
    if (layer.shape.length === 0) return;
    checkFloat32Array(`${label}.data`, layer.data, elementCount(layer.shape));
    if (layer.gradient)
      checkFloat32Array(`${label}.gradient`, layer.gradient, elementCount(layer.shape));
  });
}
