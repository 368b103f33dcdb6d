/** Creates the state before the first step. */
import { checkKind, checkOneOf } from "../core/checks.ts";
import type { Profile, PruningConfig } from "./config.ts";
import { checkLayers, type LayerRecord, refusePruning } from "./layer.ts";
import { preparePruner } from "./pipeline.ts";
import { PROFILE_NAMES, PROFILES } from "./profiles.ts";
import { canBeHead, type SelectionRule, type SkippedLayer } from "./select.ts";
import type { PruningState } from "./state.ts";

/** Options of {@link initialisePruning}. */
export interface InitialiseOptions {
  /** Default `inc`. */
  readonly profile?: Profile;
  /** Accept a pruner that selects no layer or whose pattern divides no layer. Default false. */
  readonly allowNothing?: boolean;
  /** Skip the last linear or conv2d layer if no module follows it. Default true. */
  readonly excludeHead?: boolean;
  /** What `strict` does with selected layers that the pattern does not divide. Default `refuse`. `inc` follows INC. */
  readonly indivisible?: "refuse" | "skip";
}

/**
 * The state before the first step, and the skipped layers of each pruner.
 *
 * @param headTest replaces the test of the profile for the names that count as the classifier head
 */
export function preparePruning(
  config: PruningConfig,
  layers: readonly LayerRecord[],
  options: InitialiseOptions,
  headTest?: SelectionRule["headTest"],
): { readonly state: PruningState; readonly skipped: readonly (readonly SkippedLayer[])[] } {
  checkKind(
    Array.isArray(config?.pruners),
    "config",
    "one from parsePruningConfig, out of its Either",
    config,
  );
  checkLayers(layers);
  const { profile = "inc", allowNothing = false, excludeHead = true } = options;
  const { indivisible = "refuse" } = options;
  checkOneOf("profile", profile, PROFILE_NAMES);
  checkOneOf("indivisible", indivisible, ["refuse", "skip"]);
  const base = PROFILES[profile];
  const rules = headTest ? { ...base, selection: { ...base.selection, headTest } } : base;
  if (rules.needsHead && excludeHead && !layers.some(canBeHead))
    refusePruning(
      "no-layers",
      "layers",
      "at least one linear or conv2d layer to find the classifier head by",
      "none",
    );
  const prepared = config.pruners.map((pruner) =>
    preparePruner(pruner, layers, rules, { allowNothing, excludeHead, indivisible }),
  );
  return {
    state: { version: 1, profile, pruners: prepared.map(({ pruner }) => pruner) },
    skipped: prepared.map(({ skipped }) => skipped),
  };
}

/**
 * Creates the state before the first step.
 *
 * @param config from `parsePruningConfig`.
 * @param layers all modules of the model, in module order.
 * @throws PruningError if a pruner cannot prune these layers, TypeError and RangeError for malformed records.
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
  return preparePruning(config, layers, options).state;
}
