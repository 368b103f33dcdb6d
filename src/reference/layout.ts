/**
 * How a pattern lies on a weight (INC: `PytorchPatternNxM.get_block_size_dict`, `check_layer_validity`). A
 * block is `height` outputs by `width` inputs of the weight matrix; `channel` stands for the extent of the
 * weight's first or second axis, so that `1xchannel` on a convolution is one kernel position of one output.
 * An N:M group is M neighbours of one row. A layer that the pattern does not divide has no blocks.
 */
import type { Pattern } from "../prune/pattern.ts";

/** Blocks of `height` x `width` elements in `rows` x `columns` of them. */
export interface Layout {
  readonly height: number;
  readonly width: number;
  readonly divides: boolean;
  /** Rows and columns of blocks. */
  readonly rows: number;
  readonly columns: number;
}

/** Lays a pattern on a weight of `shape`. */
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

/** A ratio of elements as one of blocks: an N:M group is pruned when N of its M elements are. */
export function ofBlocks(pattern: Pattern, ratio: number): number {
  return pattern.kind === "group" ? (ratio * pattern.of) / pattern.prune : ratio;
}

/** A ratio of blocks as one of elements. */
export function ofElements(pattern: Pattern, ratio: number): number {
  return pattern.kind === "group" ? (ratio * pattern.prune) / pattern.of : ratio;
}
