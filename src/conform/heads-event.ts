/** Compares pruning of attention heads with the values recorded at each step and at the end. */
import type { HeadPruningState } from "../heads/state.ts";
import { countZeros } from "../prune/count.ts";
import type { LayerRecord } from "../prune/layer.ts";
import { compare, type Difference, differenceAt, firstOf } from "./difference.ts";
import type { HeadCase, HeadEvent } from "./heads-case.ts";
import { statedTensor } from "./pruning-case.ts";

const TOLERANCE = { relative: 1e-5 };
const RATIO = { absolute: 1e-12 };
const WEIGHT_TOLERANCE = 1e-5;

/** The most recently recorded masks, by name of the attention layer. */
export type StatedMasks = Map<string, Uint8Array>;

/** Compares the prune step, the scores and the masks with a step's recorded event. */
export function headSelectionDifference(
  { files }: HeadCase,
  event: HeadEvent,
  state: HeadPruningState,
  masks: StatedMasks,
): Difference | undefined {
  const { step } = event;
  return (
    pruneDifference(event, state) ??
    firstOf(state.attentions, ({ name: layer, mask, scores }) => {
      const expected = statedTensor(files, `score/${step}/${layer}`);
      const place = { step, layer, quantity: "score" };
      if (expected === undefined && event.prune?.scored === true)
        return differenceAt(place, "a tensor", "none");
      const stated = statedTensor(files, `mask/${step}/${layer}`);
      if (stated !== undefined) masks.set(layer, Uint8Array.from(stated));
      const wanted = masks.get(layer) ?? new Uint8Array(mask.length).fill(1);
      return (
        (expected && compare(place, expected, scores ?? [], TOLERANCE)) ??
        compare({ step, layer, quantity: "mask" }, wanted, mask)
      );
    })
  );
}

function pruneDifference(
  { step, prune, sparsity }: HeadEvent,
  { lastEvent, completedPruneSteps, totalPruneSteps, currentSparsity }: HeadPruningState,
): Difference | undefined {
  const pruned = lastEvent?.step === step ? lastEvent : null;
  const place = { step, quantity: "prune step" };
  if (prune === undefined) return pruned ? differenceAt(place, "none", "one") : undefined;
  if (pruned === null) return differenceAt(place, "one", "none");
  const of = (quantity: string) => ({ step, quantity });
  return (
    compare(of("target ratio"), prune.targetRatio, pruned.targetRatio, RATIO) ??
    compare(of("scored"), prune.scored, pruned.scored) ??
    compare(of("prune steps done"), prune.completed + 1, completedPruneSteps) ??
    compare(of("prune steps planned"), prune.planned, totalPruneSteps) ??
    (sparsity === undefined ? undefined : compare(of("sparsity"), sparsity, currentSparsity, RATIO))
  );
}

/** Compares the sums and the zeros of weights with a step's recorded event. */
export function headWeightsDifference(
  { layers }: HeadCase,
  { step, weightSums, weightZeros }: HeadEvent,
  records: readonly LayerRecord[],
): Difference | undefined {
  const counted =
    compare({ step, quantity: "w_sum length" }, layers.length, weightSums.length) ??
    compare({ step, quantity: "w_zeros length" }, layers.length, weightZeros.length);
  if (counted !== undefined) return counted;
  return firstOf(layers.entries(), ([i, layer]) => {
    const data = weightOf(records, layer);
    const sum = data.reduce((total, weight) => total + weight, 0);
    const absolute = WEIGHT_TOLERANCE * Math.sqrt(data.length);
    return (
      compare({ step, layer, quantity: "zero weights" }, weightZeros[i], countZeros(data)) ??
      compare({ step, layer, quantity: "weight sum" }, weightSums[i] ?? NaN, sum, { absolute })
    );
  });
}

/** Compares the weights at the end of a run with recorded gradients. */
export function headFinalDifference(
  { files, layers }: HeadCase,
  records: readonly LayerRecord[],
): Difference | undefined {
  return firstOf(layers, (layer) => {
    const place = { layer, quantity: "final weight" };
    const expected = statedTensor(files, `wT/${layer}`);
    if (expected === undefined) return differenceAt(place, "a tensor", "none");
    return compare(place, expected, weightOf(records, layer), { absolute: WEIGHT_TOLERANCE });
  });
}

function weightOf(records: readonly LayerRecord[], layer: string): Float32Array {
  return records.find(({ name }) => name === layer)?.data ?? new Float32Array(0);
}
