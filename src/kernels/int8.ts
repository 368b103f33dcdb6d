/**
 * Kernels for products with 8-bit weights. They are a part of the table in `table.ts` and follow its conventions. All
 * variants give the same bytes: sums are 32-bit integers, and each floating-point operation is rounded once.
 *
 * Bytes are stored in arrays of 32-bit integers, four in each.
 */
import { BLOCK_OUTPUTS, tokensTogether } from "./block-sparse.ts";
import type { WasmVariant } from "./wasm/emitter.ts";

/** The number of inputs whose products are added in one lane of a vector. */
export const QUAD = 4;
/** The largest byte of an activation: relaxed SIMD defines products only for seven bits. */
export const LARGEST_ACTIVATION = 127;
/** Rows of bytes start at multiples of this number of bytes. */
const ROW_STEP = 16;
/** The most inputs of a product, which is limited by the working space. Sums of so many products fit into 32 bits. */
export const MOST_INT8_INPUTS = 16384;
/** A row whose range is narrower than this is rounded to zeros: its reciprocal might not be a normal number. */
export const LEAST_RANGE: number = 2 ** -100;

/** The number of bytes in a row of `width` elements, with its padding. */
export function rowBytes(width: number): number {
  return Math.ceil(width / ROW_STEP) * ROW_STEP;
}

/** The form of a weight for a variant's kernels. */
export interface Int8Layout {
  /** The number of tokens in a tile. Offsets of inputs are multiplied by it. */
  readonly tokens: number;
  /** The number of 32-bit integers for a quad of weights: one if they are bytes, two if they have 16 bits. */
  readonly words: 1 | 2;
}

/** The layout that a variant's kernels expect. */
export function int8Layout(variant: WasmVariant | "scalar"): Int8Layout {
  if (variant === "scalar") return { tokens: 1, words: 1 };
  return {
    tokens: tokensTogether(variant, BLOCK_OUTPUTS),
    words: variant === "simd" ? 2 : 1,
  };
}

/** The block heights of {@link Int8Form}. */
export const INT8_HEIGHTS = [4, 8, 16] as const;
export type Int8Height = (typeof INT8_HEIGHTS)[number];

/**
 * Which inputs share a quad, and which outputs share the quad's inputs: `dense` has all quads of consecutive inputs,
 * for four outputs at a time; `rows` has kept quads of consecutive inputs for each output; `blocks` has quads of any
 * kept inputs for the `height` outputs of a block row.
 */
export type Int8Form =
  | { readonly kind: "dense" }
  | { readonly kind: "rows" }
  | { readonly kind: "blocks"; readonly height: Int8Height };

/** An 8-bit weight [outputs, inputs] in the form that the kernels of one variant expect (see {@link Int8Layout}). */
export interface Int8Weight {
  readonly outputs: number;
  readonly inputs: number;
  readonly form: Int8Form;
  /** For each block row, or output of `rows`, the index of its first quad; then the number of quads. */
  readonly starts: Int32Array;
  /**
   * For each quad of `rows` its first input, for each quad of `blocks` its four inputs, each times the layout's
   * `tokens`.
   */
  readonly columns: Int32Array;
  /**
   * The weights: [four outputs, quad, output] for `dense`, [output, quad] for `rows`, [block row, four outputs, quad,
   * output] for `blocks`. With two words, the first holds inputs 0 and 2 of a quad, the second inputs 1 and 3; the
   * first words of four outputs precede the second ones.
   */
  readonly values: Int32Array;
  /** The negated sum of the weights of each output; padded to a multiple of four, like `scales`. */
  readonly negatedSums: Int32Array;
  /** The scale of the weights of each output. */
  readonly scales: Float32Array;
}

/** Rows of activations as bytes: x[t, i] is about scales[t] * (bytes[t, i] - zeros[t]). */
export interface QuantizedRows {
  /** [tokens, {@link rowBytes}(inputs)]; bytes from 0 to 127. */
  readonly bytes: Int32Array;
  /** NaN for a row with an element that is not finite. */
  readonly scales: Float32Array;
  /** From 0 to 127. */
  readonly zeros: Int32Array;
}

const MOST_TILE_TOKENS = 16;
/**
 * Byte offsets in the working space of an instance: the tile at 0, quads, the properties of tokens, four outputs of all
 * tokens, biases, and a vector of activations.
 */
export const INT8_QUADS: number = MOST_INT8_INPUTS * MOST_TILE_TOKENS;
export const INT8_TOKENS: number = 2 * INT8_QUADS;
export const INT8_FLOATS: number = INT8_TOKENS + 3 * 4 * MOST_TILE_TOKENS;
export const INT8_BIAS: number = INT8_FLOATS + 4 * BLOCK_OUTPUTS * MOST_TILE_TOKENS;
export const INT8_REST: number = INT8_BIAS + 16;
export const INT8_SPACE: number = INT8_REST + 4 * ROW_STEP;

/** Operations with 8-bit weights and activations. */
export interface Int8Kernels {
  /**
   * Rounds each row of x [tokens, inputs] to bytes. With lo = min(0, row) and hi = max(0, row), the scale is
   * (hi - lo) / 127, the zero point is round(-lo * r) with r = 127 / (hi - lo), and a byte is round(x * r + zero point),
   * at most 127. Ties go to even numbers; each operation is rounded to float32. An element differs from its byte's value
   * by at most 0.501 times the scale. Narrower rows than {@link LEAST_RANGE} become zeros. A row that has an element
   * that is not finite, or no finite range, has the scale NaN. Bytes of padding are the zero point.
   */
  int8Quantize(x: Float32Array, rows: QuantizedRows, tokens: number, inputs: number): void;

  /**
   * y[t, o] = (sum of (bytes[t, i] - zeros[t]) * w[o, i]) * weight.scales[o] * rows.scales[t] + bias[o], in this order;
   * a null bias adds zeros.
   */
  int8Forward(
    rows: QuantizedRows,
    weight: Int8Weight,
    bias: Float32Array | null,
    y: Float32Array,
    tokens: number,
  ): void;

  /**
   * out[r] = table[ids[r]] * scales[ids[r]], or with `accumulate` out[r] += ..., for rows of `width` signed bytes that
   * are {@link rowBytes}(width) bytes apart.
   * @throws RangeError for an id outside the table, before anything is written
   */
  int8GatherRows(
    table: Int32Array,
    scales: Float32Array,
    ids: Int32Array,
    out: Float32Array,
    width: number,
    accumulate: boolean,
  ): void;
}
