import type { DropoutKey } from "../kernels/table.ts";
import type { BlockSparseWeight } from "../tensor/block-sparse-weight.ts";
import type { Parameter } from "../tensor/parameter.ts";
import type { Shape } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Sequences } from "./sequences.ts";

/**
 * A value computed on a tape. Operations take and give variables; the fields below `requiresGradient`
 * are the tape's bookkeeping.
 */
export interface Variable {
  readonly shape: Shape;
  /** The elements; given back by `discard`, by the end of the enclosing `scope` or by `releaseTape`. */
  readonly value: Tensor;
  /** Whether a loss can depend on a parameter, or on an input that asked for it, through this. */
  readonly requiresGradient: boolean;
  /** Gradient of the loss; during the reverse sweep, and after it where it was asked for. */
  gradient: Tensor | null;
  /** Whether `gradient` outlives the reverse sweep. */
  keepsGradient: boolean;
  /** Whether the program may still read `value`. */
  held: boolean;
}

/** A weight's compressed form, and which of a linear operation's products are computed from it. */
export interface BlockSparseProducts {
  readonly weight: BlockSparseWeight;
  readonly forward: boolean;
  readonly inputGradient: boolean;
  /** Its gradient is then added to at the kept blocks alone. */
  readonly weightGradient: boolean;
  /** Whether every weight of the blocks is kept, so that no pruned one is in them. Default false. */
  readonly wholeBlocks?: boolean;
}

/**
 * y = W x + b, or without b where it is null, from another form of the weight than the dense one. x is [rows, inputs],
 * y [rows, outputs].
 */
export type LinearProduct = (x: Tensor, bias: Tensor | null, y: Tensor, rows: number) => void;

/** Dropout as one operation of one step applies it; the same draws serve forward and backward. */
export interface DropoutDraw {
  readonly rate: number;
  readonly key: DropoutKey;
}

/** Which rows of a sequence attend: all of them, or the first one alone. */
export type AttentionQueries = "all" | "first";

/** How sequences lie in attention's operands, rows of heads * width, and how their heads do in a row. */
export interface AttentionLayout {
  /** Of keys and values. */
  readonly sequences: Sequences;
  readonly queries: AttentionQueries;
  readonly heads: number;
  readonly width: number;
}

/** One table of an embedding sum and the row that each output row takes from it. */
export interface EmbeddingSource {
  readonly table: Parameter;
  /** Row numbers, one for each output row, as integers. */
  readonly ids: Tensor;
  /** A row that never learns (torch's padding_idx). */
  readonly paddingRow: number | null;
}

/**
 * What each operation leaves on the tape for its backward rule. Tensors named here are retained by
 * the record; variables appear for the gradients that flow to them.
 */
export interface Records {
  readonly linear: {
    readonly input: Variable;
    readonly inputValue: Tensor;
    readonly weight: Parameter;
    readonly bias: Parameter | null;
  };
  readonly gelu: { readonly input: Variable; readonly inputValue: Tensor };
  readonly tanh: { readonly input: Variable; readonly outputValue: Tensor };
  readonly relu: { readonly input: Variable; readonly outputValue: Tensor };
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
    readonly reciprocalDeviation: Tensor;
    readonly draw: DropoutDraw | null;
    readonly sequences: Sequences;
  };
  readonly attentionProbabilities: {
    readonly query: Variable;
    readonly queryValue: Tensor;
    readonly key: Variable;
    readonly keyValue: Tensor;
    readonly probabilities: Tensor;
    readonly layout: AttentionLayout;
    readonly maxPositions: number;
    readonly draw: DropoutDraw | null;
  };
  readonly attentionContext: {
    readonly probabilities: Variable;
    readonly probabilitiesValue: Tensor;
    readonly values: Variable;
    readonly valuesValue: Tensor;
    readonly layout: AttentionLayout;
  };
  readonly embeddingSum: { readonly sources: readonly EmbeddingSource[] };
  readonly selectRows: { readonly input: Variable; readonly rows: Tensor };
  readonly add: { readonly a: Variable; readonly b: Variable };
  readonly multiply: {
    readonly a: Variable;
    readonly aValue: Tensor;
    readonly b: Variable;
    readonly bValue: Tensor;
  };
  readonly scale: { readonly input: Variable; readonly factor: number };
  readonly crossEntropy: {
    readonly logits: Variable;
    readonly probabilities: Tensor;
    readonly labels: Int32Array;
  };
  readonly meanSquaredError: {
    readonly a: Variable;
    readonly aValue: Tensor;
    readonly b: Variable;
    readonly bValue: Tensor;
  };
  readonly softTargets: {
    readonly logits: Variable;
    readonly probabilities: Tensor;
    readonly targets: Tensor;
    /** d loss / d logits = factor * (probabilities - targets). */
    readonly factor: number;
  };
}

/** The name of an operation. */
export type OperationName = keyof Records;

/** An entry of the tape: which operation, what it gave, what its backward rule needs. */
export type OperationRecord<Name extends OperationName = OperationName> = {
  readonly [N in Name]: {
    readonly operation: N;
    readonly output: Variable;
    readonly saved: readonly Tensor[];
    readonly operands: Records[N];
  };
}[Name];
