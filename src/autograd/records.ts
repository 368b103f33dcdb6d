import type { DropoutKey } from "../kernels/table.ts";
import type { BlockSparseWeight } from "../tensor/block-sparse-weight.ts";
import type { Parameter } from "../tensor/parameter.ts";
import type { Shape } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Sequences } from "./sequences.ts";

/** A value on a tape. The fields after `requiresGradient` are the tape's bookkeeping. */
export interface Variable {
  readonly shape: Shape;
  /** The elements. They are freed by `discard`, by the end of the enclosing `scope`, or by `releaseTape`. */
  readonly value: Tensor;
  /** Whether the value depends on a parameter, or on an input that requires a gradient. */
  readonly requiresGradient: boolean;
  /**
   * The gradient of the loss with respect to this value, during the backward pass; with `keepsGradient`, also after it.
   */
  gradient: Tensor | null;
  keepsGradient: boolean;
  /** Whether the program may still read `value`. */
  held: boolean;
}

/** One value for each of the three matrix products of a linear operation. */
export interface ByProduct<T> {
  readonly forward: T;
  readonly inputGradient: T;
  readonly weightGradient: T;
}

/**
 * The kept blocks of a weight, and whether each product uses them. With `weightGradient`, gradients outside the kept
 * blocks are not computed.
 */
export interface BlockSparseProducts extends ByProduct<boolean> {
  readonly weight: BlockSparseWeight;
  /** Whether the kept blocks contain no pruned weight. Default false. */
  readonly wholeBlocks?: boolean;
}

/**
 * Computes y = x W^T + bias from another form of the weight W; null means no bias. x is [rows, inputs], y is [rows,
 * outputs].
 */
export type LinearProduct = (x: Tensor, bias: Tensor | null, y: Tensor, rows: number) => void;

/** Copies the rows `ids` of another form of a table to `out`, or with `accumulate` adds them. */
export type TableLookup = (ids: Tensor, out: Tensor, accumulate: boolean) => void;

/**
 * The rate of a dropout operation, and the key of its random numbers. The forward and the backward pass of a step use
 * the same key.
 */
export interface DropoutDraw {
  readonly rate: number;
  readonly key: DropoutKey;
}

/** Which rows of a sequence are attention queries: all, or only the first. */
export type AttentionQueries = "all" | "first";

/** The memory layout of attention's operands, which are matrices with heads * width columns. */
export interface AttentionLayout {
  /** The sequences of keys and values. */
  readonly sequences: Sequences;
  readonly queries: AttentionQueries;
  readonly heads: number;
  readonly width: number;
}

/** A table for an embedding sum, and the rows to take from it. */
export interface EmbeddingSource {
  readonly table: Parameter;
  /** The index of the table row for each output row, as integers. */
  readonly ids: Tensor;
  readonly paddingRow: number | null;
  readonly isFixed: boolean;
}

/** How a cross-entropy weighs labels. */
export interface LabelWeighting {
  readonly labelSmoothing: number;
  /** The weight of each class. */
  readonly weights: Float64Array;
  readonly allWeights: number;
  /** The sum of the labels' weights. */
  readonly divisor: number;
}

/** The operands that each operation records for its backward rule. */
export interface Records {
  readonly linear: {
    readonly input: Variable;
    readonly weight: Parameter;
    readonly bias: Parameter | null;
  };
  readonly gelu: { readonly input: Variable };
  readonly geluNew: { readonly input: Variable };
  readonly silu: { readonly input: Variable };
  readonly tanh: { readonly input: Variable };
  readonly relu: { readonly input: Variable };
  readonly dropout: {
    readonly input: Variable;
    readonly draw: DropoutDraw;
    readonly sequences: Sequences;
  };
  readonly layerNorm: {
    readonly input: Variable;
    readonly residual: Variable | null;
    readonly gamma: Parameter;
    readonly beta: Parameter;
    readonly normalised: Tensor;
    /** 1 / standard deviation of each row. */
    readonly rstd: Tensor;
    readonly draw: DropoutDraw | null;
    readonly sequences: Sequences;
  };
  readonly attentionProbabilities: {
    readonly query: Variable;
    readonly key: Variable;
    readonly probabilities: Tensor;
    readonly layout: AttentionLayout;
    readonly maxPositions: number;
    readonly draw: DropoutDraw | null;
  };
  readonly attentionContext: {
    readonly probabilities: Variable;
    readonly values: Variable;
    readonly layout: AttentionLayout;
  };
  readonly embeddingSum: { readonly sources: readonly EmbeddingSource[] };
  readonly selectRows: { readonly input: Variable; readonly rows: Tensor };
  readonly add: { readonly a: Variable; readonly b: Variable };
  readonly multiply: { readonly a: Variable; readonly b: Variable };
  readonly scale: { readonly input: Variable; readonly factor: number };
  readonly crossEntropy: {
    readonly logits: Variable;
    readonly probabilities: Tensor;
    readonly labels: Int32Array;
    readonly weighting: LabelWeighting | null;
  };
  readonly binaryCrossEntropy: { readonly logits: Variable; readonly targets: Float32Array };
  readonly meanSquaredError: { readonly a: Variable; readonly b: Variable };
  readonly softTargets: {
    readonly logits: Variable;
    readonly probabilities: Tensor;
    readonly targets: Tensor;
    /** d loss / d logits = factor * (probabilities - targets). */
    readonly factor: number;
  };
}

export type OperationName = keyof Records;

/** An entry on the tape. `saved` lists the tensors that the backward rule reads. */
export type OperationRecord<Name extends OperationName = OperationName> = {
  readonly [N in Name]: {
    readonly operation: N;
    readonly output: Variable;
    readonly saved: readonly Tensor[];
    readonly operands: Records[N];
  };
}[Name];
