/** Sparsity patterns and how they lie on a weight: which elements are pruned together. */
import { checkKind, describe, mismatch } from "../core/checks.ts";
import { elementCount, type LayerRecord } from "./layer.ts";

/**
 * - `block`: height x width blocks of the [out, in] weight matrix are pruned whole. `channel` stands
 *   for the layer's full extent: `1xchannel` is an output row, `channelx1` an input column.
 * - `group`: of every `of` neighbours along the input, `prune` are pruned (`2:4` is `{ prune: 2, of: 4 }`).
 */
export type Pattern =
  | {
      readonly kind: "block";
      readonly height: number | "channel";
      readonly width: number | "channel";
    }
  | { readonly kind: "group"; readonly prune: number; readonly of: number };

/** A pattern as text. Any `NxM`, `Nxchannel`, `channelxM` and `N:M` is one. */
export type PatternSpelling =
  | "1x1"
  | "4x1"
  | "1xchannel"
  | "channelx1"
  | "2:4"
  | "1:4"
  | (string & {});

/**
 * Whole attention heads (INC: `mha`). A configuration may ask for them, but pruning refuses, since records do not say
 * which layers share heads.
 */
export interface HeadPattern {
  readonly kind: "heads";
}

/**
 * How a pattern lies on one layer. The weight is seen as a matrix [rows, columns]. A convolution's columns run over
 * kernel positions first and input channels within a position: INC permutes [out, in, kh, kw] to [out, kh, kw, in].
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
  /** Whether the pattern divides the matrix. If not, the layer is never pruned. */
  readonly divides: boolean;
  readonly blockRows: number;
  readonly blockColumns: number;
}

/** `4x1`, `1xchannel`, `2:4`: a pattern's usual spelling. */
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

/** What a pattern's spelling looks like, for error messages. */
export const PATTERN_SPELLINGS = 'a pattern such as "4x1", "1xchannel", "channelx1" or "2:4"';

/** Reads a block's height or width; NaN for anything else. */
function readExtent(text: string | undefined): number | "channel" {
  return text === "channel" ? text : Number(text);
}

/** Reads a pattern's spelling; `undefined` if it is invalid. A prefix up to the last `_` is ignored, as in INC. */
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
 * Reads a pattern from its spelling, or checks one.
 *
 * @throws TypeError and RangeError if it is not a pattern
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
export function layOut(pattern: Pattern, layer: Pick<LayerRecord, "shape">): BlockLayout {
  const [rows = 0, channels = 0, ...kernel] = layer.shape;
  const positions = elementCount(kernel);
  const columns = channels * positions;
  const [blockHeight, blockWidth] =
    pattern.kind === "group"
      ? [1, pattern.of]
      : [
          pattern.height === "channel" ? rows : pattern.height,
          // INC takes shape[1] also for a convolution: one kernel position of one output channel.
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

/** Number of blocks (or groups) of a layer; 0 if the pattern does not divide it. */
export function blockCount(layout: BlockLayout): number {
  return layout.divides ? layout.blockRows * layout.blockColumns : 0;
}

/** A ratio of elements as a ratio of blocks or groups, in INC's order of operations. */
export function perBlock(pattern: Pattern, ratio: number): number {
  return pattern.kind === "group" ? (ratio * pattern.of) / pattern.prune : ratio;
}

/** A ratio of blocks or groups as the ratio of elements it stands for, in INC's order of operations. */
export function perElement(pattern: Pattern | HeadPattern, ratio: number): number {
  return pattern.kind === "group" ? (ratio * pattern.prune) / pattern.of : ratio;
}

/** Position of a matrix column within a row of the weight's own memory. */
export function columnOffset(layout: BlockLayout, column: number): number {
  if (layout.positions === 1) return column;
  const channel = column % layout.channels;
  return channel * layout.positions + (column - channel) / layout.channels;
}

/** Calls `visit` with the place of each element within the weight and its block's number, in matrix order. */
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
