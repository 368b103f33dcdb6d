/**
 * Rearranges a mask without changing the number of pruned blocks. A block has a vector of mask gradients, one for each
 * step, and the blocks to prune are chosen so that the sum of their vectors has a small norm (INC: `rearrange_masks`;
 * Kwon et al., "A fast post-training pruning framework for transformers", NeurIPS 2022, section 4.2).
 */
import { roundToBfloat16, sumColumn, sumNeighbours } from "./accumulate.ts";
import { keptLimit, markPrunedInto } from "./count.ts";
import { writeBlockMaskInto } from "./mask.ts";
import { blockCount } from "./pattern.ts";
import type { PrunedLayer, PrunerState } from "./state.ts";

interface Scratch {
  /** The mask gradients of the blocks in a set, one row per block. */
  readonly rows: Float32Array;
  readonly total: Float32Array;
  readonly squares: Float32Array;
}

/** The sum of the squares of `count` values from index `start`, added in PyTorch's order. */
function squaredLength(
  values: Float32Array,
  start: number,
  count: number,
  round: (value: number) => number,
  squares: Float32Array,
): number {
  for (let i = 0; i < count; i++) squares[i] = round(values[start + i] * values[start + i]);
  return round(sumNeighbours(squares, 0, count));
}

/**
 * The index in `set` of the block whose removal leaves the sum of gradients with the smallest norm. Ties go to the
 * first block. The blocks before index `locked` are never chosen.
 */
function leastWithout(
  gradients: Float32Array,
  set: readonly number[],
  steps: number,
  locked: number,
  round: (value: number) => number,
  { rows, total, squares }: Scratch,
): number {
  set.forEach((block, i) => {
    rows.set(gradients.subarray(block * steps, (block + 1) * steps), i * steps);
  });
  for (let step = 0; step < steps; step++)
    total[step] = round(sumColumn(rows, steps, set.length, step));
  let least = locked;
  let length = Infinity;
  for (let i = locked; i < set.length; i++) {
    const start = i * steps;
    for (let step = 0; step < steps; step++)
      rows[start + step] = round(total[step] - rows[start + step]);
    const without = squaredLength(rows, start, steps, round, squares);
    if (without < length) {
      least = i;
      length = without;
    }
  }
  return least;
}

/** Transposes gradients from [steps, blocks] to [blocks, steps]. */
function byBlock(collected: readonly Float32Array[]): Float32Array {
  const steps = collected.length;
  const blocks = collected[0]?.length ?? 0;
  const gradients = new Float32Array(blocks * steps);
  for (let step = 0; step < steps; step++)
    for (let block = 0; block < blocks; block++)
      gradients[block * steps + step] = collected[step][block];
  return gradients;
}

/**
 * Chooses the pruned blocks again. Begins with the blocks whose gradient vectors have the smallest norms. Then adds the
 * other blocks one at a time. After each addition, removes the one block that leaves the sum of the remaining gradients
 * with the smallest norm.
 *
 * @param collected the gradients of the block masks, one array per scored step.
 * @param pruned 1 for each pruned block. Changed in place. The number of ones stays the same.
 * @param settled 1 for each block that must stay pruned. `null`: any block may be kept.
 * @param lowMemory whether to compute in bfloat16.
 */
export function rearrangeInto(
  collected: readonly Float32Array[],
  pruned: Uint8Array,
  settled: Uint8Array | null,
  lowMemory: boolean,
): void {
  const steps = collected.length;
  const blocks = pruned.length;
  const count = pruned.reduce((sum, flag) => sum + flag, 0);
  if (count === 0 || steps === 0) return;
  const round = lowMemory ? roundToBfloat16 : Math.fround;
  const gradients = byBlock(collected);
  const scratch: Scratch = {
    rows: new Float32Array((count + 1) * steps),
    total: new Float32Array(steps),
    squares: new Float32Array(steps),
  };
  const lengths = Array.from({ length: blocks }, (_, block) =>
    squaredLength(gradients, block * steps, steps, round, scratch.squares),
  );
  const indices = Array.from({ length: blocks }, (_, block) => block);
  const set = indices.filter((block) => settled?.[block] === 1);
  const locked = set.length;
  const open = indices.filter((block) => settled?.[block] !== 1);
  open.sort((a, b) => lengths[a] - lengths[b] || a - b);
  set.push(...open.slice(0, count - locked));
  for (const block of open.slice(count - locked)) {
    set.push(block);
    set.splice(leastWithout(gradients, set, steps, locked, round, scratch), 1);
  }
  pruned.fill(0);
  for (const block of set) pruned[block] = 1;
}

/** Returns one array per layer, with 1 for each pruned block and 0 for every other block. */
export function flagPrunedBlocks({ config, layers }: PrunerState): readonly Uint8Array[] {
  return layers.map(({ layout, mask }) => {
    const flags = new Uint8Array(blockCount(layout));
    if (flags.length > 0) markPrunedInto(layout, mask, keptLimit(config.pattern), flags);
    return flags;
  });
}

/**
 * Rearranges the masks of all layers, each by the gradients collected for that layer.
 *
 * @param settled one array per layer, with 1 for each block that must stay pruned. `null`: any block may be kept, as in
 * INC.
 */
export function rearrangeMasksInto(
  pruner: PrunerState,
  settled: readonly Uint8Array[] | null,
  check: (layer: PrunedLayer) => void,
): void {
  const flags = flagPrunedBlocks(pruner);
  pruner.layers.forEach((layer, i) => {
    const pruned = flags[i];
    if (layer.collected.length === 0 || !pruned.includes(1)) return;
    check(layer);
    rearrangeInto(layer.collected, pruned, settled?.[i] ?? null, pruner.config.lowMemoryUsage);
    const kept = Float32Array.from(pruned, (flag) => 1 - flag);
    writeBlockMaskInto(layer.layout, kept, { threshold: 0, ties: Infinity }, layer.mask);
  });
}
