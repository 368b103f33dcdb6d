/** What pruning needs to know of a model: its modules as plain records, in module order. */
import {
  checkFloat32Array,
  checkInteger,
  checkKind,
  checkOneOf,
  describe,
  mismatch,
} from "../core/checks.ts";
import { formatProblem, type Problem } from "../core/either.ts";

/** Kinds of module, as far as pruning tells them apart. */
export type LayerKind = "linear" | "conv1d" | "conv2d" | "embedding" | "other";

/**
 * One module of a model. Records come in the order in which the model registers its modules, because selection, budgets
 * and ties follow it. Modules without a weight (activations) may appear with kind `other` and an empty shape: after the
 * last linear layer, they show that it is not the classifier head. Leave dropout modules out.
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

/** What is known of a layer without its weight. */
export type LayerShape = Pick<LayerRecord, "name" | "kind" | "shape">;

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
 * A configuration that cannot be carried out on the given layers. Raised before the pruner that refuses changes any
 * data; the pure forms change none at all.
 */
export class PruningError extends RangeError {
  override readonly name = "PruningError";
  readonly code: PruningErrorCode;
  readonly problem: Problem;
  /** Name of the layer concerned, if it is about one. */
  readonly layer: string | undefined;

  constructor(code: PruningErrorCode, problem: Problem, layer?: string) {
    super(formatProblem(problem));
    this.code = code;
    this.problem = problem;
    this.layer = layer;
  }
}

/** The axes of each kind's weight; modules of kind `other` have weights of any shape, or none. */
const AXES: Readonly<Record<LayerKind, readonly string[] | null>> = {
  linear: ["out", "in"],
  conv1d: ["out", "in", "k"],
  conv2d: ["out", "in", "kh", "kw"],
  embedding: ["rows", "width"],
  other: null,
};
const KINDS = /* @__PURE__ */ Object.keys(AXES) as LayerKind[];

/** A shape as text. */
export function formatShape(shape: readonly unknown[]): string {
  return `[${shape.join(", ")}]`;
}

/** Refuses to prune, and says why: what it is about, what was expected and what was got. */
export function refusePruning(
  code: PruningErrorCode,
  path: string,
  expected: string,
  got: unknown,
  layer?: string,
): never {
  throw new PruningError(code, { path, expected, got: String(got) }, layer);
}

/** Refuses settings or layers that do not go together. */
export function refuseCombination(
  path: string,
  expected: string,
  got: string,
  layer?: string,
): never {
  refusePruning("unsupported-combination", path, expected, got, layer);
}

/** Number of elements of a shape. */
export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, extent) => product * extent, 1);
}

/** Checks that layers are given in an array. */
export function checkRecordList(layers: readonly LayerRecord[]): void {
  checkKind(Array.isArray(layers), "layers", "an array of layer records", layers);
}

/** Checks names, kinds, shapes and data lengths of layer records. */
export function checkLayers(layers: readonly LayerRecord[]): void {
  checkRecordList(layers);
  const seen = new Set<string>();
  layers.forEach((layer: LayerRecord, index) => {
    const label = `layers[${index}]`;
    checkKind(typeof layer === "object" && layer !== null, label, "a layer record", layer);
    const { name, kind, shape, data, gradient } = layer;
    checkKind(typeof name === "string", `${label}.name`, "a string", name);
    if (seen.has(name))
      throw new RangeError(mismatch(`${label}.name`, "a name used once", describe(name)));
    seen.add(name);
    checkOneOf(`${label}.kind`, kind, KINDS);
    checkKind(Array.isArray(shape), `${label}.shape`, "an array", shape);
    shape.forEach((extent, axis) => {
      checkInteger(`${label}.shape[${axis}]`, extent);
    });
    const axes = AXES[kind];
    if (axes !== null && shape.length !== axes.length)
      throw new RangeError(
        mismatch(`${label}.shape`, `${formatShape(axes)} for ${kind}`, formatShape(shape)),
      );
    if (shape.length === 0) return;
    checkFloat32Array(`${label}.data`, data, elementCount(shape));
    if (gradient) checkFloat32Array(`${label}.gradient`, gradient, elementCount(shape));
  });
}
