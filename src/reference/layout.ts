/**
 * The layout of a pattern on a weight (INC: `PytorchPatternNxM.get_block_size_dict`, `check_layer_validity`). A block
 * is `height` outputs by `width` inputs of the weight matrix. `channel` means the extent of the weight's first or
 * second axis: `1xchannel` on a convolution is one kernel position of one output. An N:M group is M neighbours in a
 * row. A layer that the pattern does not divide has no blocks.
 */
import type { Pattern } from "../prune/pattern.ts";

/** The layout of blocks. */
export interface Layout {
  /** Height and width of a block in elements. */
  readonly height: number;
  readonly width: number;
  readonly divides: boolean;
  /** Number of rows and columns of blocks. */
  readonly rows: number;
  readonly columns: number;
}

/** The layout of a pattern on a weight of `shape`. */
export function layoutOf(pattern: Pattern, shape: readonly number[]): Layout {
  const [outputs = 0, inputs = 0, ...kernel] = shape;
  const width = inputs * kernel.reduce((product, extent) => product * extent, 1);
  const block =
    pattern.kind === "group"
      ? { height: 1, width: pattern.of }
      : {
          height: pattern.height === "channel" ? outputs : pattern.height,
          width: pattern.width === "channel" ? inputs : pattern.width,
        };
  const rows = outputs / block.height;
  const columns = width / block.width;
  return { ...block, rows, columns, divides: Number.isInteger(rows) && Number.isInteger(columns) };
}

/** Converts a share of elements to a share of blocks: an N:M group is pruned if N of its M elements are. */
export function ofBlocks(pattern: Pattern, ratio: number): number {
  return pattern.kind === "group" ? (ratio * pattern.of) / pattern.prune : ratio;
}

/** Converts a share of blocks to a share of elements. */
export function ofElements(pattern: Pattern, ratio: number): number {
  return pattern.kind === "group" ? (ratio * pattern.prune) / pattern.of : ratio;
}
