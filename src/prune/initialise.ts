/**
 * The state before the first step: layers selected, patterns laid out, and everything refused that
 * cannot be carried out on these layers.
 */

import { checkKind, checkOneOf } from "../core/checks.ts";
import { hasBlockMask } from "./block-mask.ts";
import type { PatternPrunerConfig, Profile, PrunerConfig, PruningConfig } from "./config.ts";
import { accumulatesElements, rearrangesMasks, scoresBlockMasks } from "./criteria.ts";
import { checkLayers, elementCount, type LayerRecord, refusePruning } from "./layer.ts";
import { lockMaskInto } from "./lock.ts";
import { type BlockLayout, blockCount, layOut } from "./pattern.ts";
import { planProgressive } from "./progressive.ts";
import {
  checkDivisibility,
  checkProgressive,
  checkRoom,
  checkSettings,
  checkSomething,
  patternPruner,
} from "./refusals.ts";
import { planPruneSteps } from "./schedule.ts";
import { canBeHead, selectLayers } from "./select.ts";
import type { PrunedLayer, PrunerState, PruningState } from "./state.ts";

/** Options of {@link initialisePruning}. */
export interface InitialiseOptions {
  /** Default `inc`. */
  readonly profile?: Profile;
  /** Accept pruners that select no layer or whose pattern divides none. Default false. */
  readonly allowNothing?: boolean;
  /** Leave the last linear or conv2d layer alone when no module follows it. Default true. */
  readonly excludeHead?: boolean;
  /**
   * What `strict` does with selected layers that the pattern does not divide, of which INC warns. Default
   * `refuse`. `inc` does what INC does.
   */
  readonly indivisible?: "refuse" | "skip";
}

/** How the pruner's pattern lies on a layer: layers without a block mask count as not divided. */
function initialLayout(
  { pattern, criterion }: PatternPrunerConfig,
  layer: LayerRecord,
  strict: boolean,
): BlockLayout {
  const layout = layOut(pattern, layer);
  const masked = !scoresBlockMasks(criterion) || hasBlockMask(layer, layout, strict);
  return { ...layout, divides: layout.divides && masked };
}

/** Whether group lasso shrinks a layer: where the pattern divides it, block masks or not, if its weights change. */
function shrinks(
  { groupLasso, method, criterion, pattern }: PatternPrunerConfig,
  layer: LayerRecord,
): boolean {
  if (groupLasso === null || method === "pattern_lock" || rearrangesMasks(criterion)) return false;
  return layOut(pattern, layer).divides;
}

/**
 * A layer before the first step: all kept, but for block masks under `inc`, which are read off the weight's
 * zeros. Criteria with a memory start from zero scores.
 */
function initialLayer(
  config: PatternPrunerConfig,
  layer: LayerRecord,
  interpolating: boolean,
  strict: boolean,
): PrunedLayer {
  const layout = initialLayout(config, layer, strict);
  const byBlockMask = scoresBlockMasks(config.criterion);
  const elements = elementCount(layer.shape);
  const ones = (): Uint8Array => new Uint8Array(elements).fill(1);
  const perElement = config.pattern.kind === "group" || !layout.divides;
  const startsAtZero = byBlockMask
    ? layout.divides
    : accumulatesElements(config.criterion) && config.method !== "pattern_lock";
  const mask = ones();
  if (byBlockMask && !strict) lockMaskInto(config.pattern, layout, layer.data, false, mask);
  return {
    name: layer.name,
    shape: [...layer.shape],
    layout,
    mask,
    scores: startsAtZero ? new Float32Array(perElement ? elements : blockCount(layout)) : null,
    frozen: false,
    lassoTerms: shrinks(config, layer)
      ? new Float32Array(layout.blockRows * layout.blockColumns)
      : null,
    collected: [],
    previousMask: interpolating ? ones() : null,
    progressiveMask: interpolating ? ones() : null,
  };
}

function initialPruner(
  asked: PrunerConfig,
  records: readonly LayerRecord[],
  options: Required<InitialiseOptions>,
): PrunerState {
  const { profile, allowNothing, excludeHead } = options;
  const strict = profile === "strict";
  const config = patternPruner(asked);
  checkSettings(config, strict);
  const { interpolating } = planProgressive(config);
  const selected = selectLayers(config, records, excludeHead, profile).selected.map((layer) =>
    initialLayer(config, layer, interpolating, strict),
  );
  if (!allowNothing) checkSomething(config, selected);
  const layers = strict ? selected.filter(({ layout }) => layout.divides) : selected;
  checkProgressive(config, layers);
  checkDivisibility(config, selected, strict, options.indivisible);
  if (strict) checkRoom(config, layers);
  const { total, completed } = planPruneSteps(config);
  return {
    config,
    layers,
    step: 0,
    handledStep: -1,
    completedPruneSteps: completed,
    totalPruneSteps: total,
    initialSparsity: 0,
    currentSparsity: 0,
    interpolating,
    lastPruneStep: 0,
    aligned: false,
    lastEvent: null,
  };
}

/**
 * The state before the first step.
 *
 * @param config from `parsePruningConfig`.
 * @param layers all modules of the model, in module order.
 * @throws PruningError where a pruner cannot be carried out on these layers; TypeError and RangeError for
 * malformed records.
 *
 * @example
 * ```ts
 * import { initialisePruning, parsePruningConfigOrThrow } from "espalier";
 *
 * const layers = [
 *   { name: "hidden", kind: "linear", shape: [8, 4], data: new Float32Array(32).fill(1) },
 *   { name: "head", kind: "linear", shape: [2, 8], data: new Float32Array(16) },
 * ] as const;
 * const config = parsePruningConfigOrThrow({
 *   pattern: "4x1",
 *   pruning_type: "magnitude",
 *   target_sparsity: 0.5,
 *   end_step: 10,
 * });
 * const state = initialisePruning(config, layers);
 * if (state.pruners[0]?.layers.map(({ name }) => name).join() !== "hidden") throw new Error();
 * ```
 */
export function initialisePruning(
  config: PruningConfig,
  layers: readonly LayerRecord[],
  options: InitialiseOptions = {},
): PruningState {
  checkKind(
    Array.isArray(config?.pruners),
    "config",
    "one from parsePruningConfig (where that gives an Either, its right side; or call parsePruningConfigOrThrow)",
    config,
  );
  checkLayers(layers);
  const { profile = "inc", allowNothing = false, excludeHead = true } = options;
  const { indivisible = "refuse" } = options;
  checkOneOf("profile", profile, ["inc", "strict"]);
  checkOneOf("indivisible", indivisible, ["refuse", "skip"]);
  if (profile === "inc" && excludeHead && !layers.some(canBeHead))
    refusePruning(
      "no-layers",
      "layers",
      "at least one linear or conv2d layer to find the classifier head by",
      "none",
    );
  const pruners = config.pruners.map((pruner) =>
    initialPruner(pruner, layers, { profile, allowNothing, excludeHead, indivisible }),
  );
  return { version: 1, profile, pruners };
}
