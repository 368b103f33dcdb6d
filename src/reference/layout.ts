/**
 * How a pattern divides a weight into blocks (INC: `PytorchPatternNxM.get_block_size_dict`, `check_layer_validity`). A
 * block covers `height` outputs and `width` inputs of the weight matrix. `channel` means the full extent of the
 * weight's first or second axis, so `1xchannel` on a convolution is one kernel position of one output. An N:M group is
 * M consecutive elements in a row. A layer that does not divide evenly into blocks has no blocks.
 */
import { checkInteger, checkObject, mismatch } from "../core/checks.ts";
import type { Pattern } from "../prune/pattern.ts";
import { checkBoolean, checkPattern, checkShape } from "./arguments.ts";

/** The size and the number of the blocks in a weight. */
export interface Layout {
  /** The height and width of a block in elements. */
  readonly height: number;
  readonly width: number;
  readonly divides: boolean;
  /** The number of block rows and of block columns. */
  readonly rows: number;
  readonly columns: number;
}

/** Computes the layout of a pattern's blocks on a weight with the given shape. */
export function layoutOf(pattern: Pattern, shape: readonly number[]): Layout {
  checkPattern(pattern);
  checkShape("shape", shape);
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

/** Checks that a value is the layout of blocks on a matrix with `outputs` rows and `inputs` columns. */
export function checkLayout(layout: Layout, outputs: number, inputs: number): void {
  checkObject("layout", layout, "height", "width", "rows", "columns", "divides");
  const { height, width, rows, columns, divides } = layout;
  checkBoolean("layout.divides", divides);
  if (!divides) return;
  checkInteger("layout.height", height, 1);
  checkInteger("layout.width", width, 1);
  if (rows * height !== outputs || columns * width !== inputs)
    throw new RangeError(
      mismatch("layout", `blocks that fill [${outputs}, ${inputs}]`, `${rows} x ${columns}`),
    );
}

/** Converts a share of elements to a share of blocks: an N:M group is pruned if N of its M elements are. */
export function ofBlocks(pattern: Pattern, ratio: number): number {
  return pattern.kind === "group" ? (ratio * pattern.of) / pattern.prune : ratio;
}

/** Converts a share of blocks to a share of elements. */
export function ofElements(pattern: Pattern, ratio: number): number {
  return pattern.kind === "group" ? (ratio * pattern.prune) / pattern.of : ratio;
}
