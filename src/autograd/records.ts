import type { DropoutKey } from "../kernels/table.ts";
import type { BlockSparseWeight } from "../tensor/block-sparse-weight.ts";
import type { Parameter } from "../tensor/parameter.ts";
import type { Shape } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Sequences } from "./sequences.ts";

/** A value on a tape. The fields after `requiresGradient` are bookkeeping of the tape. */
export interface Variable {
  readonly shape: Shape;
  /** The elements. `discard`, the end of the enclosing `scope` or `releaseTape` frees them. */
  readonly value: Tensor;
  /** Whether it depends on a parameter or on an input that requires a gradient. */
  readonly requiresGradient: boolean;
  /** The gradient of the loss, during the reverse sweep; with `keepsGradient` also after it. */
  gradient: Tensor | null;
  keepsGradient: boolean;
  /** Whether the program may still read `value`. */
  held: boolean;
}

/** A value for each of the three products of a linear operation. */
export interface ByProduct<T> {
  readonly forward: T;
  readonly inputGradient: T;
  readonly weightGradient: T;
}

/** The kept blocks of a weight, and whether each product uses them. With `weightGradient` other gradients stay zero. */
export interface BlockSparseProducts extends ByProduct<boolean> {
  readonly weight: BlockSparseWeight;
  /** Whether the kept blocks contain no pruned weight. Default false. */
  readonly wholeBlocks?: boolean;
}

/** y = W x + bias (or null), from another form of the weight. x is [rows, inputs], y [rows, outputs]. */
export type LinearProduct = (x: Tensor, bias: Tensor | null, y: Tensor, rows: number) => void;

/** The random numbers of a dropout operation in one step, for its forward and backward pass. */
export interface DropoutDraw {
  readonly rate: number;
  readonly key: DropoutKey;
}

/** The rows of a sequence that attend: all, or only the first. */
export type AttentionQueries = "all" | "first";

/** The layout of the operands of attention, which are rows of heads * width. */
export interface AttentionLayout {
  /** The sequences of keys and values. */
  readonly sequences: Sequences;
  readonly queries: AttentionQueries;
  readonly heads: number;
  readonly width: number;
}

/** A table of an embedding sum, and the rows to take from it. */
export interface EmbeddingSource {
  readonly table: Parameter;
  /** A row number for each output row, as integers. */
  readonly ids: Tensor;
  readonly paddingRow: number | null;
}

/** The operands that each operation records for its backward rule. */
export interface Records {
  readonly linear: {
    readonly input: Variable;
    readonly weight: Parameter;
    readonly bias: Parameter | null;
  };
  readonly gelu: { readonly input: Variable };
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
  };
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

/** An entry of the tape. `saved` are the tensors that the backward rule reads. */
export type OperationRecord<Name extends OperationName = OperationName> = {
  readonly [N in Name]: {
    readonly operation: N;
    readonly output: Variable;
    readonly saved: readonly Tensor[];
    readonly operands: Records[N];
  };
}[Name];
