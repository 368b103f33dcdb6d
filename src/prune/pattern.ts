/** Sparsity patterns and their layout on a weight: which elements are pruned together. */
import { checkKind, describe, mismatch } from "../core/checks.ts";
import { elementCount, type LayerShape } from "./layer.ts";

/**
 * - `block`: prunes whole blocks of height x width in the [out, in] weight matrix. `channel` means the full extent of the
 *   layer: `1xchannel` is an output row, `channelx1` an input column.
 * - `group`: prunes `prune` of every `of` consecutive inputs. `2:4` is `{ prune: 2, of: 4 }`.
 */
export type Pattern =
  | {
      readonly kind: "block";
      readonly height: number | "channel";
      readonly width: number | "channel";
    }
  | { readonly kind: "group"; readonly prune: number; readonly of: number };

/** A pattern as text: any `NxM`, `Nxchannel`, `channelxM` or `N:M`. */
export type PatternSpelling =
  | "1x1"
  | "4x1"
  | "1xchannel"
  | "channelx1"
  | "2:4"
  | "1:4"
  | (string & {});

/** Whole attention heads (INC: `mha`). Pruning refuses them, because records do not tell which layers share heads. */
export interface HeadPattern {
  readonly kind: "heads";
}

/**
 * The layout of a pattern on one layer. The weight is a matrix [rows, columns]. The columns of a convolution are
 * ordered by kernel position and then by input channel: INC permutes [out, in, kh, kw] to [out, kh, kw, in].
 */
export interface BlockLayout {
  readonly rows: number;
  readonly columns: number;
  /** Input channels: `columns` divided by `positions`. */
  readonly channels: number;
  /** Kernel positions of a convolution (kh x kw), 1 for a linear layer. */
  readonly positions: number;
  readonly blockHeight: number;
  readonly blockWidth: number;
  /** Whether the pattern divides the matrix. Otherwise the layer is never pruned. */
  readonly divides: boolean;
  readonly blockRows: number;
  readonly blockColumns: number;
}

/** A layer with the layout of its blocks. */
export type LaidOutLayer<Layer extends LayerShape = LayerShape> = Layer & {
  readonly layout: BlockLayout;
};

/** Formats a pattern: `4x1`, `1xchannel`, `2:4`. */
export function formatPattern(pattern: Pattern | HeadPattern): string {
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

/** Reads the height or width of a block. Returns NaN for other text. */
function readExtent(text: string | undefined): number | "channel" {
  return text === "channel" ? text : Number(text);
}

/** Parses a pattern. Returns `undefined` if it is invalid. A prefix up to the last `_` is ignored, as in INC. */
export function parsePattern(text: string): Pattern | undefined {
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
 * Parses or checks a pattern.
 *
 * @throws TypeError and RangeError if it is not a pattern.
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

/** Lays a pattern on a layer (INC: `get_block_size_dict`, `check_layer_validity`, `_reshape_orig_to_2dims`). */
export function layOut(pattern: Pattern, layer: Pick<LayerShape, "shape">): BlockLayout {
  const [rows = 0, channels = 0, ...kernel] = layer.shape;
  const positions = elementCount(kernel);
  const columns = channels * positions;
  const [blockHeight, blockWidth] =
    pattern.kind === "group"
      ? [1, pattern.of]
      : [
          pattern.height === "channel" ? rows : pattern.height,
          // INC uses shape[1] for convolutions too: one kernel position of one output channel.
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

/** Number of blocks or groups of a layer. 0 if the pattern does not divide it. */
export function blockCount(layout: BlockLayout): number {
  return layout.divides ? layout.blockRows * layout.blockColumns : 0;
}

/** Converts a share of elements to a share of blocks or groups, in INC's order of operations. */
export function perBlock(pattern: Pattern, ratio: number): number {
  return pattern.kind === "group" ? (ratio * pattern.of) / pattern.prune : ratio;
}

/** Converts a share of blocks or groups to a share of elements, in INC's order of operations. */
export function perElement(pattern: Pattern | HeadPattern, ratio: number): number {
  return pattern.kind === "group" ? (ratio * pattern.prune) / pattern.of : ratio;
}

/** Position of a matrix column in a row of the weight's own memory. */
export function columnOffset(layout: BlockLayout, column: number): number {
  if (layout.positions === 1) return column;
  const channel = column % layout.channels;
  return channel * layout.positions + (column - channel) / layout.channels;
}

/** Whether every four adjacent elements in a row of the weight are a block. Loops over such blocks are unrolled. */
export function isFourInLine({ blockHeight, blockWidth, positions }: BlockLayout): boolean {
  return blockHeight === 1 && blockWidth === 4 && positions === 1;
}

/** Calls `visit` with each element's index into the weight and the number of its block, in matrix order. */
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
