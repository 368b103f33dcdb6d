/**
 * The criterion retrain_free uses the scores only to decide how many blocks to prune, and then chooses the blocks again
 * (INC: `PytorchRetrainFreePruner.rearrange_masks`; Kwon et al., "A fast post-training pruning framework for
 * transformers", NeurIPS 2022, section 4.2). Each block has a vector of mask gradients with one entry per step. The
 * choice begins with the blocks whose vectors have the smallest norms. The other blocks are then added one at a time.
 * After each addition, the one block is removed that leaves the sum of the remaining vectors with the smallest norm.
 * `strict` never removes a block that was pruned before.
 */
import { checkInteger, checkList, mismatch } from "../core/checks.ts";
import { checkBoolean, checkNumbers } from "./arguments.ts";
import { bfloat16, float32Sum } from "./rounding.ts";

type Round = (value: number) => number;

function squaredLength(vector: readonly number[], round: Round): number {
  return round(float32Sum(vector.map((value) => round(value * value))));
}

/**
 * Chooses the blocks to prune, and returns their indices.
 *
 * @param vectors for each block, its mask gradients at all steps.
 * @param count the number of blocks to prune.
 * @param settled the blocks that must stay pruned.
 * @param lowMemory whether to compute in bfloat16.
 *
 * @example
 * ```ts
 * import { rearrangedBlocks } from "espalier/reference";
 *
 * // All vectors are equally long, but the last two cancel.
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
  checkList("vectors", vectors);
  for (let i = 0; i < vectors.length; i++) {
    checkList(`vectors[${i}]`, vectors[i]);
    checkNumbers(`vectors[${i}]`, vectors[i], vectors[0].length);
  }
  checkList("settled", settled);
  for (let i = 0; i < settled.length; i++)
    checkInteger(`settled[${i}]`, settled[i], 0, vectors.length - 1);
  checkInteger("count", count, settled.length);
  if (count > vectors.length)
    throw new RangeError(mismatch("count", "at most the number of vectors", count));
  checkBoolean("lowMemory", lowMemory);
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
    chosen.splice(
      settled.length +
        free.indexOf(free.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY)),
      1,
    );
  }
  return chosen;
}

function summed(vectors: readonly (readonly number[])[], round: Round): number[] {
  const [first = []] = vectors;
  return first.map((_, step) => round(float32Sum(vectors.map((vector) => Number(vector[step])))));
}
