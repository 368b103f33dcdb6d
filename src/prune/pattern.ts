/** Sparsity patterns, and their layout on a weight: which elements of the weight are pruned together. */
import { checkKind, checkObject, checkString, describe, mismatch } from "../core/checks.ts";
import { elementCount, type LayerShape } from "./layer.ts";

/**
 * - `block`: prunes whole blocks of height x width elements in the [out, in] weight matrix. `channel` means the full
 *   extent of the layer: `1xchannel` is an output row, `channelx1` an input column.
 * - `group`: prunes `prune` of every `of` consecutive inputs. `2:4` is `{ prune: 2, of: 4 }`.
 */
export type Pattern =
  | {
      readonly kind: "block";
      readonly height: number | "channel";
      readonly width: number | "channel";
    }
  | { readonly kind: "group"; readonly prune: number; readonly of: number };

/** A pattern as text: `NxM`, `Nxchannel`, `channelxM` or `N:M` with any numbers N and M. */
export type PatternSpelling =
  | "1x1"
  | "4x1"
  | "1xchannel"
  | "channelx1"
  | "2:4"
  | "1:4"
  | (string & {});

/**
 * The pattern of whole attention heads (INC: `mha`). Pruning refuses it, because layer records do not state which
 * layers share heads.
 */
export interface HeadPattern {
  readonly kind: "heads";
}

/**
 * How a pattern divides the weight of one layer into blocks. The weight is treated as a matrix [rows, columns]. The
 * columns of a convolution are ordered by kernel position and then by input channel: INC permutes [out, in, kh, kw] to
 * [out, kh, kw, in].
 */
export interface BlockLayout {
  readonly rows: number;
  readonly columns: number;
  /** The number of input channels: `columns` divided by `positions`. */
  readonly channels: number;
  /** The number of kernel positions of a convolution (kh x kw), 1 for a linear layer. */
  readonly positions: number;
  readonly blockHeight: number;
  readonly blockWidth: number;
  /** Whether the matrix divides evenly into blocks. Otherwise the layer is never pruned. */
  readonly divides: boolean;
  readonly blockRows: number;
  readonly blockColumns: number;
}

/** A layer with the layout of its blocks. */
export type LaidOutLayer<Layer extends LayerShape = LayerShape> = Layer & {
  readonly layout: BlockLayout;
};

/** Formats a pattern as text, such as `4x1`, `1xchannel` or `2:4`. */
export function formatPattern(pattern: Pattern | HeadPattern): string {
  checkObject("pattern", pattern, "kind");
  switch (pattern.kind) {
    case "group":
      return `${pattern.prune}:${pattern.of}`;
    case "block":
      return `${pattern.height}x${pattern.width}`;
    case "heads":
      return "mha";
    default:
      return pattern satisfies never;
  }
}

/** Examples of patterns, for error messages. */
export const PATTERN_SPELLINGS = 'a pattern such as "4x1", "1xchannel", "channelx1" or "2:4"';

/** Reads the height or width of a block. Returns NaN for invalid text. */
function readExtent(text: string | undefined): number | "channel" {
  return text === "channel" ? text : Number(text);
}

/** Parses a pattern. Returns `undefined` if it is invalid. Text up to the last `_` is ignored, as in INC. */
export function parsePattern(text: string): Pattern | undefined {
  checkString("text", text);
  const spelling = text.slice(text.lastIndexOf("_") + 1);
  const group = /^(\d+):(\d+)$/.exec(spelling);
  if (group) {
    const [, prune = 0, of = 0] = group.map(Number);
    return prune > 0 && of > prune ? { kind: "group", prune, of } : undefined;
  }
  const block = /^(?!channelxchannel)(\d+|channel)x(\d+|channel)$/.exec(spelling);
  const [height, width] = [readExtent(block?.[1]), readExtent(block?.[2])];
  return height && width ? { kind: "block", height, width } : undefined;
}

/**
 * Parses a pattern that is given as text, or checks one that is given as an object.
 *
 * @throws TypeError or RangeError if it is not a valid pattern.
 */
export function readPattern(pattern: string | Pattern): Pattern {
  const isText = typeof pattern === "string";
  const isKind = isText || (typeof pattern === "object" && pattern !== null);
  checkKind(isKind, "pattern", "a string or a pattern", pattern);
  const read = parsePattern(isText ? pattern : formatPattern(pattern));
  if (read === undefined)
    throw new RangeError(mismatch("pattern", PATTERN_SPELLINGS, describe(pattern)));
  return read;
}

/**
 * Computes the layout of a pattern's blocks on a layer (INC: `get_block_size_dict`, `check_layer_validity`,
 * `_reshape_orig_to_2dims`).
 */
export function layOut(pattern: Pattern, layer: Pick<LayerShape, "shape">): BlockLayout {
  const [rows = 0, channels = 0, ...kernel] = layer.shape;
  const positions = elementCount(kernel);
  const columns = channels * positions;
  const [blockHeight, blockWidth] =
    pattern.kind === "group"
      ? [1, pattern.of]
      : [
          pattern.height === "channel" ? rows : pattern.height,
          // Like INC, use shape[1] for convolutions too: `1xchannel` is one kernel position of one output channel.
          pattern.width === "channel" ? channels : pattern.width,
        ];
  return {
    rows,
    columns,
    channels,
    positions,
    blockHeight,
    blockWidth,
    divides: rows % blockHeight === 0 && columns % blockWidth === 0,
    blockRows: Math.floor(rows / blockHeight),
    blockColumns: Math.floor(columns / blockWidth),
  };
}

/** The number of blocks or groups in a layer, 0 if it does not divide evenly into them. */
export function blockCount(layout: BlockLayout): number {
  return layout.divides ? layout.blockRows * layout.blockColumns : 0;
}

/** Converts a share of elements to a share of blocks or groups, with the arithmetic operations in INC's order. */
export function perBlock(pattern: Pattern, ratio: number): number {
  return pattern.kind === "group" ? (ratio * pattern.of) / pattern.prune : ratio;
}

/** Converts a share of blocks or groups to a share of elements, with the arithmetic operations in INC's order. */
export function perElement(pattern: Pattern | HeadPattern, ratio: number): number {
  return pattern.kind === "group" ? (ratio * pattern.prune) / pattern.of : ratio;
}

/** Converts the column of an element in the matrix to its offset within a row of the weight's data. */
export function columnOffset(layout: BlockLayout, column: number): number {
  if (layout.positions === 1) return column;
  const channel = column % layout.channels;
  return channel * layout.positions + (column - channel) / layout.channels;
}

/** Whether a block is four adjacent elements in a row of the weight. Loops over such blocks are unrolled. */
export function isFourInLine({ blockHeight, blockWidth, positions }: BlockLayout): boolean {
  return blockHeight === 1 && blockWidth === 4 && positions === 1;
}

/** Calls `visit` for each element in matrix order, with its index into the weight and the index of its block. */
export function forEachElement(
  layout: BlockLayout,
  visit: (index: number, block: number) => void,
): void {
  const { rows, columns, blockHeight, blockWidth, blockColumns } = layout;
  for (let row = 0; row < rows; row++) {
    const firstBlock = Math.floor(row / blockHeight) * blockColumns;
    for (let column = 0; column < columns; column++) {
      const block = firstBlock + Math.floor(column / blockWidth);
      visit(row * columns + columnOffset(layout, column), block);
    }
  }
}
