/**
 * Rearranging a layer's mask with as many blocks pruned as before (INC: `rearrange_masks`; Kwon et al., "A fast
 * post-training pruning framework for transformers", NeurIPS 2022, section 4.2): the pruned blocks are to be those
 * whose mask gradients, taken together, add up to the least.
 */
import { roundToBfloat16, sumColumn, sumNeighbours } from "./accumulate.ts";

/** Working memory for sets of up to `blocks` blocks over `steps` steps. */
interface Scratch {
  /** Gradients of the blocks in the set, one row for each. */
  readonly rows: Float32Array;
  readonly total: Float32Array;
  readonly squares: Float32Array;
}

/** Sum of the squares of `count` values from `start`, in float32 and PyTorch's order. */
function squaredLength(
  values: Float32Array,
  start: number,
  count: number,
  round: (value: number) => number,
  squares: Float32Array,
): number {
  for (let i = 0; i < count; i++)
    squares[i] = round((values[start + i] as number) * (values[start + i] as number));
  return round(sumNeighbours(squares, 0, count));
}

/** The member of a set without which the others' gradients add up to the least; the first of equals. */
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
    total[step] = round(sumColumn(rows, 0, steps, set.length, step));
  let least = locked;
  let length = Infinity;
  for (let i = locked; i < set.length; i++) {
    const start = i * steps;
    for (let step = 0; step < steps; step++)
      rows[start + step] = round((total[step] as number) - (rows[start + step] as number));
    const without = squaredLength(rows, start, steps, round, squares);
    if (without < length) {
      least = i;
      length = without;
    }
  }
  return least;
}

/** [blocks, steps]: each block's gradients side by side. */
function byBlock(collected: readonly Float32Array[]): Float32Array {
  const steps = collected.length;
  const blocks = collected[0]?.length ?? 0;
  const gradients = new Float32Array(blocks * steps);
  for (let step = 0; step < steps; step++)
    for (let block = 0; block < blocks; block++)
      gradients[block * steps + step] = collected[step]?.[block] as number;
  return gradients;
}

/**
 * Chooses anew which blocks are pruned. Begins with those of the shortest gradients; then each other block joins
 * in turn, and the one is left out again without which the rest's gradients add up to the least.
 *
 * @param collected gradients of the block masks, one array for each step seen.
 * @param pruned 1 for each pruned block; changed in place to as many others.
 * @param settled 1 for blocks that stay pruned whatever comes; `null`: none.
 * @param lowMemory computes in bfloat16.
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
  open.sort((a, b) => (lengths[a] as number) - (lengths[b] as number) || a - b);
  set.push(...open.slice(0, count - locked));
  for (const block of open.slice(count - locked)) {
    set.push(block);
    set.splice(leastWithout(gradients, set, steps, locked, round, scratch), 1);
  }
  pruned.fill(0);
  for (const block of set) pruned[block] = 1;
}
