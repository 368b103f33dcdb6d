/** Compares the replay of a pruning trajectory with the values recorded at each step and at the end. */
import { sumOf } from "../core/sum.ts";
import { blockMaskGradients } from "../prune/block-mask.ts";
import type { PruningConfig } from "../prune/config.ts";
import { countZeros } from "../prune/count.ts";
import type { LayerRecord } from "../prune/layer.ts";
import { type BlockLayout, columnOffset, perElement } from "../prune/pattern.ts";
import type { PrunedLayer, PruningState } from "../prune/state.ts";
import { sparsityStatistics } from "../prune/statistics.ts";
import { at, type JsonObject } from "./case-files.ts";
import {
  compare,
  type Difference,
  differenceAt,
  firstOf,
  type Place,
  type Tolerance,
} from "./difference.ts";
import {
  type CaseEvent,
  hadScores,
  type PruningCase,
  statedTensor,
  tensorLayer,
} from "./pruning-case.ts";
import { unstatedPrune } from "./pruning-completeness.ts";

/** Allows differences between recorded and computed scores, which other orders of addition round differently. */
export const SCORE_TOLERANCE: Tolerance = { relative: 1e-5 };
const RATIO = { absolute: 1e-12 };
const WEIGHT_TOLERANCE = 1e-6;

export interface Run {
  readonly vector: PruningCase;
  readonly config: PruningConfig;
  readonly state: PruningState;
  readonly layers: readonly LayerRecord[];
  /** The most recently recorded masks, by tensor name without the step. */
  readonly masks: Map<string, Uint8Array>;
}

/** Returns the layers of all pruners, with each layer's name as used in tensor names. */
function ownedLayers({ state, vector }: Run) {
  return state.pruners.flatMap(({ layers }, pruner) =>
    layers.map((layer) => ({ layer, name: tensorLayer(vector, pruner, layer.name), pruner })),
  );
}

export function maskGradientDifference(run: Run, step: number): Difference | undefined {
  return firstOf(ownedLayers(run), ({ layer: { name, layout }, name: tensor, pruner }) => {
    const expected = statedTensor(run.vector.files, `mgrad/${step}/${tensor}`);
    const record = run.layers.find((layer) => layer.name === name);
    if (expected === undefined || !record?.gradient) return undefined;
    // After the end step, INC's layers compute without block masks, so the recorded mask gradients are zero.
    const ended = step > (run.state.pruners[pruner]?.config.endStep ?? 0);
    const gradients = blockMaskGradients(layout, record.data, record.gradient);
    return compare(
      { quantity: "mask gradient", step, layer: tensor },
      expected,
      ended ? gradients.fill(0) : gradients,
      SCORE_TOLERANCE,
    );
  });
}

/** Compares scores, prune steps and masks with a step's recorded event. */
export function selectionDifference(run: Run, event: CaseEvent): Difference | undefined {
  const { step } = event;
  return (
    firstOf(ownedLayers(run), ({ layer: { scores }, name }) => {
      const expected = statedTensor(run.vector.files, `score/${step}/${name}`);
      const place = { step, layer: name, quantity: "score" };
      return expected && compare(place, expected, scores ?? [], SCORE_TOLERANCE);
    }) ??
    unstatedPrune(run.state, event) ??
    firstOf(event.prunes, (prune) => pruneDifference(run, step, prune)) ??
    masksDifference(run, step, "mask", (layer) => statedMask(run.vector, layer)) ??
    masksDifference(run, step, "pmask", ({ progressiveMask }) => progressiveMask ?? undefined)
  );
}

function pruneDifference(run: Run, step: number, prune: JsonObject): Difference | undefined {
  const index = at.number(prune, "pruner");
  const pruner = run.state.pruners[index];
  const last = pruner?.lastEvent;
  if (!pruner || !last || last.step !== step)
    return differenceAt({ step, quantity: `pruner ${index}` }, "a prune step", "none");
  const of = (quantity: string): Place => ({ step, quantity: `pruner ${index} ${quantity}` });
  const share = last.totalBlocks === 0 ? 0 : last.prunedBlocks / last.totalBlocks;
  const blocks = at.object(prune, "pattern_sparsity");
  const { completedPruneSteps, totalPruneSteps, currentSparsity, initialSparsity } = pruner;
  const counts: readonly (readonly [string, number | boolean, number | boolean])[] = [
    ["scored", hadScores(prune), last.scored],
    ["prune steps done", at.number(prune, "scheduler_completed") + 1, completedPruneSteps],
    ["prune steps planned", at.number(prune, "scheduler_total"), totalPruneSteps],
    ["pruned blocks", at.number(blocks, "zero_cnt"), last.prunedBlocks],
    ["blocks", at.number(blocks, "total_cnt"), last.totalBlocks],
    [
      "block sparsity",
      at.number(blocks, "sparsity_ratio"),
      perElement(pruner.config.pattern, share),
    ],
    ["sparsity", at.number(prune, "current_sparsity_ratio"), currentSparsity],
  ];
  /** Compares a number, unless the recorded number is missing or null. */
  const optional = (quantity: string, key: string, got: () => number): Difference | undefined =>
    (prune[key] ?? null) === null ? undefined : compare(of(quantity), at.number(prune, key), got());
  return (
    compare(of("target ratio"), at.number(prune, "target_ratio"), last.targetRatio, RATIO) ??
    firstOf(counts, ([quantity, want, got]) => compare(of(quantity), want, got)) ??
    optional("initial sparsity", "scheduler_init_ratio", () => initialSparsity) ??
    optional("interpolated sparsity", "progressive_sparsity", () =>
      interpolatedShare(pruner.layers),
    ) ??
    frozenDifference(run, prune, of("frozen layers"), "keep_mask_layers_after_get_masks") ??
    firstOf(Object.entries(at.object(prune, "zeros")), ([name, zeros]) => {
      const layer = pruner.layers.find((one) => one.name === name);
      const got = layer ? countZeros(statedMask(run.vector, layer)) : "none";
      return compare({ ...of("mask zeros"), layer: name }, Number(zeros), got);
    })
  );
}

function frozenDifference(
  { state }: Run,
  prune: JsonObject,
  place: Place,
  key: string,
): Difference | undefined {
  const layers = state.pruners[at.number(prune, "pruner")]?.layers ?? [];
  const frozen = layers.filter((layer) => layer.frozen).map(({ name }) => name);
  return compare(place, [...at.texts(prune, key)].sort(), frozen.sort());
}

/** Returns a mask in its recorded form: one entry per block if block masks are trained, otherwise one per weight. */
function statedMask({ drive }: PruningCase, { layout, mask }: PrunedLayer): Uint8Array {
  return drive === "grad" || !layout.divides ? mask : blockEntries(layout, mask);
}

/** Returns the mask's entry at the first element of each block, in row-major order of the blocks. */
function blockEntries(layout: BlockLayout, mask: Uint8Array): Uint8Array {
  const { blockRows, blockColumns, blockHeight, blockWidth, columns } = layout;
  return Uint8Array.from({ length: blockRows * blockColumns }, (_, block) => {
    const row = Math.floor(block / blockColumns) * blockHeight;
    const column = (block % blockColumns) * blockWidth;
    return mask[row * columns + columnOffset(layout, column)] as number;
  });
}

function interpolatedShare(layers: readonly PrunedLayer[]): number {
  const masks = layers.flatMap(({ progressiveMask }) => progressiveMask ?? []);
  return sumOf(masks, countZeros) / sumOf(masks, ({ length }) => length);
}

/** Compares masks with the most recently recorded masks. Before the first record, masks are all ones. */
function masksDifference(
  run: Run,
  step: number,
  kind: "mask" | "pmask",
  read: (layer: PrunedLayer) => Uint8Array | undefined,
): Difference | undefined {
  return firstOf(ownedLayers(run), ({ layer, name }) => {
    const { files } = run.vector;
    const key = `${kind}/${name}`;
    const stated =
      statedTensor(files, `${kind}/${step}/${name}`) ??
      (run.masks.has(key) ? undefined : statedTensor(files, `${kind}/init/${name}`));
    if (stated !== undefined) run.masks.set(key, Uint8Array.from(stated));
    const got = read(layer);
    if (got === undefined) return undefined;
    const expected = run.masks.get(key) ?? new Uint8Array(got.length).fill(1);
    return compare({ step, layer: name, quantity: kind }, expected, got);
  });
}

/** Compares weights, frozen layers and sparsity after a step with the step's recorded event. */
export function stepDifference(run: Run, { step, ...event }: CaseEvent): Difference | undefined {
  const weights = run.vector.layers.map(
    (name) => run.layers.find((layer) => layer.name === name)?.data ?? new Float32Array(0),
  );
  const absolute = WEIGHT_TOLERANCE * Math.max(...weights.map(({ length }) => length), 1);
  return (
    firstOf(event.prunes, (prune) => {
      const quantity = `pruner ${prune.pruner} frozen layers after the step`;
      return frozenDifference(run, prune, { step, quantity }, "keep_mask_layers");
    }) ??
    (event.sparsity &&
      sparsityDifference(run, { step, quantity: "sparsity ratios" }, event.sparsity)) ??
    firstOf(run.vector.layers.entries(), ([i, layer]) => {
      const data = weights[i] ?? new Float32Array(0);
      const sum = data.reduce((total, weight) => total + weight, 0);
      return (
        compare(
          { step, layer, quantity: "zero weights" },
          event.weightZeros[i],
          countZeros(data),
        ) ??
        compare({ step, layer, quantity: "weight sum" }, event.weightSums[i] ?? NaN, sum, {
          absolute,
        })
      );
    })
  );
}

/** Compares INC's three sparsity ratios. Both sides divide the same integer counts, so no tolerance is needed. */
function sparsityDifference(
  { vector, state, layers }: Run,
  place: Place,
  expected: readonly number[],
): Difference | undefined {
  const { inc } = sparsityStatistics(state, layers, vector.model.parameters);
  return compare(place, expected, [
    inc.elementwiseOverLinearConv,
    inc.elementwiseOverAll,
    inc.blockwiseOverLinearConv,
  ]);
}

/** Compares the weights and the sparsity at the end of the trajectory. */
export function finalDifference(run: Run): Difference | undefined {
  const { files, finalSparsity, finalShares } = run.vector;
  const shares = run.state.pruners.map(({ currentSparsity }) => currentSparsity);
  return (
    firstOf(run.layers, ({ name, data }) => {
      const expected = statedTensor(files, `wT/${name}`);
      const place = { layer: name, quantity: "final weight" };
      return expected && compare(place, expected, data, { absolute: WEIGHT_TOLERANCE });
    }) ??
    (finalShares && compare("final sparsity of pruner", finalShares, shares)) ??
    (finalSparsity && sparsityDifference(run, { quantity: "final sparsity ratios" }, finalSparsity))
  );
}
