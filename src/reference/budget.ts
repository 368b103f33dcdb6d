/** Which blocks are pruned, by sorting all of them. */
import type { Profile, PruningScope } from "../prune/config.ts";
import { type MaskMatrix, type Matrix, maskOfZeros } from "./matrix.ts";

/** One block among all. */
interface Ranked {
  readonly layer: number;
  readonly index: number;
  readonly score: number;
}

/** Fewest and most shares of a layer's blocks that may be pruned. */
export interface Bounds {
  readonly least: number;
  readonly most: number;
}

/** Blocks of the given layers, lowest score first; of equals the earlier layer, then the earlier index. */
function rank(layers: readonly (readonly [layer: number, scores: Matrix])[]): Ranked[] {
  return layers
    .flatMap(([layer, { data }]) => Array.from(data, (score, index) => ({ layer, index, score })))
    .sort((a, b) => a.score - b.score || a.layer - b.layer || a.index - b.index);
}

/** The lowest floor(blocks * ratio) blocks, and under `inc` all that tie with the last of them. */
function lowest(ranked: readonly Ranked[], ratio: number, profile: Profile): readonly Ranked[] {
  if (profile === "strict") return ranked.slice(0, Math.floor(ranked.length * ratio + 1e-9));
  const last = ranked[Math.floor(ranked.length * ratio) - 1];
  return last ? ranked.filter(({ score }) => score <= last.score) : [];
}

/** Masks with the given blocks pruned. */
function masksWithout(scores: readonly Matrix[], pruned: readonly Ranked[]): MaskMatrix[] {
  const masks = scores.map(({ shape }) => maskOfZeros(shape[0] ?? 0, shape[1] ?? 0));
  for (const mask of masks) mask.data.fill(1);
  for (const { layer, index } of pruned) {
    const mask = masks[layer];
    if (mask) mask.data[index] = 0;
  }
  return masks;
}

/**
 * Masks of blocks with a share `ratio` pruned: of all layers together (`global`) or of each (`local`),
 * without per-layer bounds.
 */
export function blockMasks(
  scores: readonly Matrix[],
  ratio: number,
  scope: PruningScope,
  profile: Profile,
): MaskMatrix[] {
  const all = scores.map((matrix, layer) => [layer, matrix] as const);
  const budgets = scope === "global" ? [all] : all.map((one) => [one]);
  const pruned = budgets.flatMap((layers) => lowest(rank(layers), ratio, profile));
  return masksWithout(scores, pruned);
}

/**
 * `strict` masks over all layers with per-layer bounds: each layer loses its fewest, then the lowest
 * blocks of all are taken from layers that are still below their most.
 */
export function boundedMasks(
  scores: readonly Matrix[],
  ratio: number,
  bounds: Bounds,
): MaskMatrix[] {
  const ranked = rank(scores.map((matrix, layer) => [layer, matrix]));
  const budget = Math.floor(ranked.length * ratio + 1e-9);
  const pruned = new Set<Ranked>();
  const taken = scores.map(() => 0);
  const take = (limit: (blocks: number) => number): void => {
    for (const block of ranked) {
      const blocks = scores[block.layer]?.data.length ?? 0;
      const before = taken[block.layer] ?? 0;
      if (pruned.has(block) || pruned.size >= budget || before >= limit(blocks)) continue;
      pruned.add(block);
      taken[block.layer] = before + 1;
    }
  };
  take((blocks) => Math.floor(blocks * Math.min(bounds.least, ratio) + 1e-9));
  take((blocks) => Math.floor(blocks * bounds.most + 1e-9));
  return masksWithout(scores, [...pruned]);
}
