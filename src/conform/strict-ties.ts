/** Finds the blocks of a `strict` vector that are pruned or kept only because of a tie. */
import {
  prunedElements,
  type StrictLayer,
  type StrictVector,
  type Tied,
  unitsOf,
} from "./strict-vector.ts";

interface Indexed {
  readonly layer: StrictLayer;
  readonly index: number;
}

/** Returns the sorted indices of each layer, without duplicates. Layers without indices are left out. */
function byLayer(vector: StrictVector, found: readonly Indexed[]): Tied {
  const lists = vector.layers.map(({ name }) => {
    const own = found.filter(({ layer }) => layer.name === name).map(({ index }) => index);
    return [name, [...new Set(own)].sort((a, b) => a - b)] as const;
  });
  return new Map(lists.filter(([, list]) => list.length > 0));
}

/** Finds pruned and kept blocks or groups of equal score that could trade places within the bounds of their layers. */
export function findTiedBlocks(vector: StrictVector): Tied {
  const found: Indexed[] = [];
  for (const budget of vector.budgets) {
    const layers = vector.layers.filter(({ name }) => budget.layers.includes(name));
    const candidates = layers.flatMap((layer) =>
      unitsOf(vector, layer).map((unit, index) => {
        const pruned = prunedElements(layer.mask, unit).length > 0;
        return { layer, index, unit, pruned };
      }),
    );
    const lost = (layer: StrictLayer): number =>
      candidates.filter((one) => one.layer === layer && one.pruned).length;
    const mayLeave = (layer: StrictLayer): boolean => lost(layer) > layer.fewest;
    const mayEnter = (layer: StrictLayer): boolean => lost(layer) < layer.most;
    for (const out of candidates.filter(({ pruned }) => pruned)) {
      const partners = candidates.filter(
        (into) =>
          !into.pruned &&
          into.unit.score === out.unit.score &&
          (into.layer === out.layer || (mayLeave(out.layer) && mayEnter(into.layer))),
      );
      if (partners.length > 0) found.push(out, ...partners);
    }
  }
  return byLayer(vector, found);
}

/**
 * Finds elements that could trade places with others of equal score in their N:M group, if the group is pruned or tied.
 */
export function findTiedElements(vector: StrictVector, tiedBlocks: Tied): Tied {
  const { pattern } = vector;
  if (pattern.kind === "block") return new Map();
  const found = vector.layers.flatMap((layer) =>
    unitsOf(vector, layer).flatMap((unit, index) => {
      const pruned = prunedElements(layer.mask, unit).length > 0;
      if (!pruned && !(tiedBlocks.get(layer.name) ?? []).includes(index)) return [];
      const scoreOf = (element: number): number => layer.scores[element] ?? Number.NaN;
      const sorted = [...unit.elements].sort((a, b) => scoreOf(a) - scoreOf(b));
      const limit = scoreOf(sorted[pattern.prune - 1] ?? -1);
      if (scoreOf(sorted[pattern.prune] ?? -1) !== limit) return [];
      return unit.elements
        .filter((element) => scoreOf(element) === limit)
        .map((element) => ({ layer, index: element }));
    }),
  );
  return byLayer(vector, found);
}
