/**
 * Divides layers into bands. A band consists of consecutive rows of a weight, few enough to stay in the processor's
 * cache from one pass to the next, and is treated as a layer of its own.
 */
import type { PatternPrunerConfig } from "../prune/config.ts";
import { needsGradient } from "../prune/criteria.ts";
import { elementCount } from "../prune/layer.ts";
import type { LayoutSpec } from "../sparse/layout.ts";
import type { Checkpoint, CheckpointEntry } from "./checkpoint.ts";
import type { SourcedLayer } from "./masks.ts";

/** The size of a band in bytes, as stored. A band has at least one row of blocks. */
export const BAND_BYTES: number = 2 ** 20;

function greatestDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestDivisor(b, a % b);
}

/** Returns the smallest number of rows that consists of whole rows of blocks; null if only the whole layer does. */
function bandStep(
  configs: readonly PatternPrunerConfig[],
  layouts: readonly LayoutSpec[],
): number | null {
  const heights = [
    ...configs.map(({ pattern }) => (pattern.kind === "block" ? pattern.height : 1)),
    ...layouts.map((spec) => (spec.layout === "blocks" ? spec.block[0] : 1)),
  ];
  let step = 1;
  for (const height of heights) {
    if (height === "channel") return null;
    step *= height / greatestDivisor(step, height);
  }
  return step;
}

/** Returns the rows of a tensor from `first` on as a tensor. */
function rowsOfEntry(entry: CheckpointEntry, first: number, rows: number): CheckpointEntry {
  const [all = 1, ...rest] = entry.shape;
  const rowBytes = (entry.end - entry.begin) / all;
  const begin = entry.begin + first * rowBytes;
  return { ...entry, begin, end: begin + rows * rowBytes, shape: [rows, ...rest] };
}

/**
 * Divides a layer into bands. Each row of blocks, of all patterns and layouts, is in one band.
 *
 * @returns null if the layer cannot be divided: if it is only a part of its tensor, or its rows are not consecutive in
 * the file, or a criterion needs gradients
 */
export function bandsOf(
  { layout }: Checkpoint,
  layer: SourcedLayer,
  configs: readonly PatternPrunerConfig[],
  layouts: readonly LayoutSpec[],
  bandBytes: number = BAND_BYTES,
): readonly SourcedLayer[] | null {
  const { source, shape, inputsFirst } = layer;
  const { entry, mask, role } = source;
  if (layout !== "file" && layout !== "sharded") return null;
  if (role === "experts" || inputsFirst || mask !== null || elementCount(shape) === 0) return null;
  if (configs.some(({ criterion }) => needsGradient(criterion))) return null;
  const step = bandStep(configs, layouts);
  if (step === null) return null;
  const [rows = 1, ...rest] = shape;
  const rowBytes = (entry.end - entry.begin) / rows;
  const height = step * Math.max(1, Math.floor(bandBytes / (step * rowBytes)));
  return Array.from({ length: Math.ceil(rows / height) }, (_, i) => {
    const own = rowsOfEntry(entry, i * height, Math.min(height, rows - i * height));
    const [count = 0] = own.shape;
    const band = { ...source, entry: own, shape: own.shape };
    return { ...layer, shape: [count, ...rest], source: band };
  });
}
