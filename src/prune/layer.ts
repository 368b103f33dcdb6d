/** Plain records for the modules of a model, and the errors that pruning throws. */
import {
  checkFloat32Array,
  checkInteger,
  checkKind,
  checkOneOf,
  checkRecords,
  describe,
  mismatch,
} from "../core/checks.ts";
import { formatProblem, type Problem } from "../core/either.ts";

/** The kinds of module that pruning distinguishes. */
export type LayerKind = "linear" | "conv1d" | "conv2d" | "embedding" | "other";

/**
 * One module of a model. Records must be in the order in which the model registers its modules, because selection,
 * budgets and tie-breaking depend on the order. A module without a weight, such as an activation, has the kind `other`
 * and an empty shape. If such a module follows the last linear layer, that layer is not taken for the classifier head.
 * Omit dropout modules.
 */
export interface LayerRecord {
  readonly name: string;
  readonly kind: LayerKind;
  /**
   * The shape of the weight, by kind: linear [out, in]; conv1d [out, in, k]; conv2d [out, in, kh, kw]; embedding [rows,
   * width].
   */
  readonly shape: readonly number[];
  /** The elements of the weight in row-major order. */
  readonly data: Float32Array;
  /** The gradient of the current step, in the layout of the weight. */
  readonly gradient?: Float32Array | null;
}

/** The name, kind and shape of a layer, without its weight. */
export type LayerShape = Pick<LayerRecord, "name" | "kind" | "shape">;

/** Why pruning refuses a configuration, a layer or a step. */
export type PruningErrorCode =
  | "no-layers"
  | "indivisible-shape"
  | "infeasible-budget"
  | "missing-gradient"
  | "unusable-schedule"
  | "unsupported-combination"
  | "layer-mismatch"
  | "invalid-score"
  | "invalid-statistics";

/**
 * Thrown if a configuration cannot be carried out on the given layers. The pruner that throws the error has not changed
 * any data by then. The pure forms of the hooks never change data.
 */
export class PruningError extends RangeError {
  override readonly name = "PruningError";
  readonly code: PruningErrorCode;
  readonly problem: Problem;
  /** The name of the layer that causes the error, if a single layer does. */
  readonly layer: string | undefined;

  constructor(code: PruningErrorCode, problem: Problem, layer?: string) {
    super(formatProblem(problem));
    this.code = code;
    this.problem = problem;
    this.layer = layer;
  }
}

/** The axes of a weight for each kind of layer. `null`: any shape. */
const AXES: Readonly<Record<LayerKind, readonly string[] | null>> = {
  linear: ["out", "in"],
  conv1d: ["out", "in", "k"],
  conv2d: ["out", "in", "kh", "kw"],
  embedding: ["rows", "width"],
  other: null,
};
const KINDS = /* @__PURE__ */ Object.keys(AXES) as LayerKind[];

export function formatShape(shape: readonly unknown[]): string {
  return `[${shape.join(", ")}]`;
}

export function refusePruning(
  code: PruningErrorCode,
  path: string,
  expected: string,
  got: unknown,
  layer?: string,
): never {
  throw new PruningError(code, { path, expected, got: String(got) }, layer);
}

/** Refuses settings or layers that cannot be combined. */
export function refuseCombination(
  path: string,
  expected: string,
  got: string,
  layer?: string,
): never {
  refusePruning("unsupported-combination", path, expected, got, layer);
}

export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, extent) => product * extent, 1);
}

export function checkRecordList(layers: readonly LayerRecord[]): void {
  checkRecords("layers", layers, "name", "shape");
}

/** Checks the names, kinds, shapes and data lengths of layer records. */
export function checkLayers(layers: readonly LayerRecord[]): void {
  checkRecordList(layers);
  const seen = new Set<string>();
  layers.forEach((layer: LayerRecord, index) => {
    const label = `layers[${index}]`;
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
