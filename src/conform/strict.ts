/** Replays vectors of the `strict` family by one-shot pruning, which must compute the canonical masks. */
import { sumOf } from "../core/sum.ts";
import { exactCount } from "../prune/exact.ts";
import type { LayerRecord } from "../prune/layer.ts";
import { pruneOnce } from "../prune/once.ts";
import { layOut, perBlock } from "../prune/pattern.ts";
import { reduceBlocks } from "../prune/reduce.ts";
import { at, type CaseFiles, tensorValues } from "./case-files.ts";
import { compare, type Difference, differenceAt, firstOf } from "./difference.ts";
import { judgeStrictMasks } from "./strict-judge.ts";
import { findTiedBlocks, findTiedElements } from "./strict-ties.ts";
import {
  readStrictCase,
  type StrictCase,
  type StrictLayer,
  type Tied,
  unitsOf,
} from "./strict-vector.ts";
import { judge, type Verdict } from "./verdict.ts";

export function replayStrict(files: CaseFiles): Verdict {
  return judge("strict", files.name, () => {
    const vector = readStrictCase(files);
    return (
      scoresDifference(vector) ??
      countsDifference(vector) ??
      maskDifference(vector) ??
      tiesDifference(vector)
    );
  });
}

function recordsOf({ files, layers, json }: StrictCase): LayerRecord[] {
  const kinds = at.objects(json, "layers").map((layer) => at.text(layer, "kind"));
  return layers.map(({ name, shape }, i) => ({
    name,
    kind: kinds[i] as LayerRecord["kind"],
    shape,
    data: tensorValues(files, `w/${name}`),
  }));
}

function scoresDifference(vector: StrictCase): Difference | undefined {
  return firstOf(vector.layers, (layer) => {
    const weight = tensorValues(vector.files, `w/${layer.name}`).map(Math.abs);
    const place = { layer: layer.name, quantity: "score" };
    if (vector.pattern.kind === "block") {
      const layout = layOut(vector.pattern, layer);
      return compare(place, layer.scores, reduceBlocks(layout, "mean", weight));
    }
    const got = new Float32Array(weight.length);
    for (const { elements, places } of unitsOf(vector, layer))
      for (const [i, element] of elements.entries())
        got[element] = weight[places[i] as number] as number;
    return compare(place, layer.scores, got);
  });
}

/** Compares the recorded bounds and budgets, in blocks, with those computed from the recorded ratios. */
function countsDifference(vector: StrictCase): Difference | undefined {
  const { json, pattern, layers, budgets } = vector;
  const target = at.number(json, "target_sparsity");
  const least = Math.min(at.number(json, "min_sparsity_ratio_per_op"), target);
  const most = at.number(json, "max_sparsity_ratio_per_op");
  const blocksOf = (layer: StrictLayer): number => unitsOf(vector, layer).length;
  const wrongBound = firstOf(layers, (layer) => {
    const count = (ratio: number): number => exactCount(blocksOf(layer), perBlock(pattern, ratio));
    const place = (quantity: string) => ({ layer: layer.name, quantity });
    return (
      compare(place("fewest"), layer.fewest, count(least)) ??
      compare(place("most"), layer.most, count(most))
    );
  });
  const wrongBudget = firstOf(budgets.entries(), ([i, budget]) => {
    const own = layers.filter(({ name }) => budget.layers.includes(name));
    const blocks = sumOf(own, blocksOf);
    const want = exactCount(blocks, perBlock(pattern, target));
    return compare(`budget ${i} pruned blocks`, budget.pruned, want);
  });
  return wrongBound ?? wrongBudget;
}

function maskDifference(vector: StrictCase): Difference | undefined {
  const { json } = vector;
  const { masks } = pruneOnce(recordsOf(vector), {
    pattern: vector.pattern,
    targetSparsity: at.number(json, "target_sparsity"),
    scope: at.text(json, "scope") as "global" | "local",
    criterion: "magnitude",
    profile: "strict",
    scoreReduction: "mean",
    minSparsityRatioPerOp: at.number(json, "min_sparsity_ratio_per_op"),
    maxSparsityRatioPerOp: at.number(json, "max_sparsity_ratio_per_op"),
    excludeHead: false,
  });
  return judgeStrictMasks(vector, masks).difference;
}

/** Compares the recorded ties, and the recorded result, which is `acceptable` if there are ties. */
function tiesDifference(vector: StrictCase): Difference | undefined {
  const blocks = findTiedBlocks(vector);
  const elements = findTiedElements(vector, blocks);
  const result = blocks.size + elements.size > 0 ? "acceptable" : "valid";
  const list = (quantity: string, stated: Tied, got: Tied): Difference | undefined =>
    firstOf(vector.layers, ({ name }) =>
      compare({ layer: name, quantity }, stated.get(name) ?? [], got.get(name) ?? []),
    );
  return (
    list("tied blocks", vector.tiedBlocks, blocks) ??
    list("tied elements", vector.tiedElements, elements) ??
    (vector.result === result ? undefined : differenceAt("result", vector.result, result))
  );
}
