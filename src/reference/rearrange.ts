/**
 * retrain_free prunes as many blocks of a layer as its scores say, but not those: it chooses again (INC:
 * `PytorchRetrainFreePruner.rearrange_masks`; Kwon et al., "A fast post-training pruning framework for
 * transformers", NeurIPS 2022, section 4.2). Begin with the blocks whose mask gradients are shortest, a vector with
 * one entry per step; then let each other block join in turn, and leave out the one without which the rest's vectors
 * add up to the shortest. `strict` never leaves out a block that was pruned before.
 */
import { bfloat16, float32Sum } from "./rounding.ts";

type Round = (value: number) => number;

/** Sum of squares. */
function squaredLength(vector: readonly number[], round: Round): number {
  return round(float32Sum(vector.map((value) => round(value * value))));
}

/**
 * The blocks to prune, by index.
 *
 * @param vectors each block's mask gradients, one for each step.
 * @param count how many blocks to prune.
 * @param settled blocks that stay pruned.
 * @param lowMemory computes in bfloat16.
 *
 * @example
 * ```ts
 * import { rearrangedBlocks } from "espalier/reference";
 *
 * // Alone they matter alike; together, the last two cancel.
 * const pruned = rearrangedBlocks([[2], [2], [-2]], 2, [], false);
 * if (pruned.sort().join() !== "1,2") throw new Error(pruned.join());
 * ```
 */
export function rearrangedBlocks(
  vectors: readonly (readonly number[])[],
  count: number,
  settled: readonly number[],
  lowMemory: boolean,
): number[] {
  const round: Round = lowMemory ? bfloat16 : Math.fround;
  const lengths = vectors.map((vector) => squaredLength(vector, round));
  const open = [...vectors.keys()]
    .filter((block) => !settled.includes(block))
    .sort((a, b) => Number(lengths[a]) - Number(lengths[b]) || a - b);
  const chosen = [...settled, ...open.slice(0, count - settled.length)];
  for (const block of open.slice(count - settled.length)) {
    chosen.push(block);
    const members = chosen.map((member) => vectors[member] as readonly number[]);
    const total = summed(members, round);
    const lengthsWithout = members.map((vector) =>
      squaredLength(
        vector.map((value, step) => round(Number(total[step]) - value)),
        round,
      ),
    );
    const free = lengthsWithout.slice(settled.length);
    chosen.splice(settled.length + free.indexOf(Math.min(...free)), 1);
  }
  return chosen;
}

/** The vectors' sum. */
function summed(vectors: readonly (readonly number[])[], round: Round): number[] {
  const [first = []] = vectors;
  return first.map((_, step) => round(float32Sum(vectors.map((vector) => Number(vector[step])))));
}
