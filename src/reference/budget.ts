/**
 * The budget under `strict`: floor(blocks * ratio) blocks, or the number of already pruned blocks if that is larger.
 * The product is raised slightly before it is rounded down, so that a rounding error does not lose a block. Each layer
 * first loses its minimum number of blocks. If the budget is too small for that, earlier layers come first. The rest of
 * the budget goes to the lowest scores of the whole model, up to each layer's maximum. Ties go to the earlier layer,
 * then to the lower index.
 */
import { checkInteger, checkNumber, checkRecords } from "../core/checks.ts";
import { checkBounds, checkMatrix } from "./arguments.ts";
import { elements, type MaskMatrix, type Matrix, maskOf } from "./matrix.ts";
import { Refusal } from "./refusal.ts";

/** The smallest and the largest share of blocks that may be pruned in a single layer. */
export interface Bounds {
  readonly least: number;
  readonly most: number;
}

/** A layer that competes for the budget. */
interface Contender {
  /** One score per block. */
  readonly scores: Matrix;
  /** 1 for each block that is already pruned. `null`: no block is. */
  readonly settled: MaskMatrix | null;
}

interface Block {
  readonly layer: number;
  readonly index: number;
  readonly score: number;
}

/** Converts a share to a number of blocks: floor(blocks * ratio). A product just below an integer is rounded up to it. */
export function exactCount(blocks: number, ratio: number): number {
  checkInteger("blocks", blocks);
  checkNumber("ratio", ratio, 0);
  const product = blocks * ratio;
  return Math.floor(product + Math.max(1e-9, product * 2 ** -50));
}

/**
 * Computes one mask per layer, with 1 for each kept block and 0 for each pruned one.
 *
 * @throws Refusal if the bounds do not allow the budget, or if a score is not finite.
 *
 * @example
 * ```ts
 * import { exactMasks, weightMatrix } from "espalier/reference";
 *
 * const scores = weightMatrix(Float32Array.of(1, 1, 1, 2), [1, 4]);
 * const [mask] = exactMasks([{ scores, settled: null }], 0.5, { least: 0, most: 1 });
 * if (mask?.data.join() !== "0,0,1,1") throw new Error("of equals the lowest index goes first");
 * ```
 */
export function exactMasks(
  contenders: readonly Contender[],
  ratio: number,
  bounds: Bounds,
): MaskMatrix[] {
  checkRecords("contenders", contenders, "scores", "settled");
  contenders.forEach(({ scores, settled }, i) => {
    checkMatrix(`contenders[${i}].scores`, scores, "Float32Array");
    if (settled !== null)
      checkMatrix(`contenders[${i}].settled`, settled, "Uint8Array", scores.shape);
  });
  checkNumber("ratio", ratio, 0);
  checkBounds("bounds", bounds, "least", "most");
  const ranked = contenders
    .flatMap(({ scores }, layer) =>
      elements(scores).map((score, index): Block => ({ layer, index, score })),
    )
    .sort((a, b) => a.score - b.score || a.layer - b.layer || a.index - b.index);
  if (!ranked.every(({ score }) => Number.isFinite(score)))
    throw new Refusal("invalid-score", "a score is not finite");
  const pruned = new Set<Block>();
  const sizes = contenders.map(({ scores }) => elements(scores).length);
  const counts = sizes.map(() => 0);
  const take = (block: Block): void => {
    if (pruned.has(block)) return;
    pruned.add(block);
    counts[block.layer]++;
  };
  const settled = contenders.map((one) => (one.settled === null ? [] : elements(one.settled)));
  for (const block of ranked) if (settled[block.layer][block.index] === 1) take(block);
  const budget = Math.max(pruned.size, exactCount(ranked.length, ratio));
  sizes.forEach((blocks, layer) => {
    const least = exactCount(blocks, Math.min(bounds.least, ratio));
    for (const block of ranked)
      if (block.layer === layer && pruned.size < budget && counts[layer] < least) take(block);
  });
  for (const block of ranked) {
    const most = exactCount(sizes[block.layer], bounds.most);
    if (pruned.size < budget && counts[block.layer] < most) take(block);
  }
  if (pruned.size < budget)
    throw new Refusal("infeasible-budget", `room for ${pruned.size} of ${budget} blocks`);
  const gone = new Set([...pruned].map(({ layer, index }) => `${layer} ${index}`));
  return contenders.map(({ scores: { shape } }, layer) =>
    maskOf(shape[0], shape[1], (_row, _column, index) => !gone.has(`${layer} ${index}`)),
  );
}
