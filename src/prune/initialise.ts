/** Creates the initial pruning state. */
import { checkKind, checkOneOf, checkOptions, checkRecords, succeeds } from "../core/checks.ts";
import type { Profile, PruningConfig } from "./config.ts";
import { checkLayers, type LayerRecord, refusePruning } from "./layer.ts";
import { preparePruner } from "./pipeline.ts";
import { PROFILE_NAMES, PROFILES } from "./profiles.ts";
import { canBeHead, type SelectionRule, type SkippedLayer } from "./select.ts";
import type { LivePruningState, PruningState } from "./state.ts";

/** Options for {@link initialisePruning}. */
export interface InitialiseOptions {
  /** Whether to reproduce INC's behaviour (`inc`) or the behaviour that INC documents (`strict`). Default `inc`. */
  readonly profile?: Profile;
  /**
   * Whether to accept a pruner that selects no layer, or only layers that do not divide evenly into blocks. Default
   * false.
   */
  readonly allowNothing?: boolean;
  /** Whether to skip the classifier head: the last module, if it is a linear or conv2d layer. Default true. */
  readonly excludeHead?: boolean;
  /**
   * How `strict` handles selected layers that do not divide evenly into blocks: it refuses or skips them. Default
   * `refuse`. `inc` ignores this option and handles such layers as INC does.
   */
  readonly indivisible?: "refuse" | "skip";
}

/**
 * Creates the initial pruning state, and lists the layers that each pruner skips.
 *
 * @param headTest replaces the profile's rule for which names are excluded as the classifier head.
 */
export function preparePruning(
  config: PruningConfig,
  layers: readonly LayerRecord[],
  options: InitialiseOptions,
  headTest?: SelectionRule["headTest"],
): { readonly state: LivePruningState; readonly skipped: readonly (readonly SkippedLayer[])[] } {
  checkKind(
    succeeds(() => Array.isArray(config.pruners)),
    "config",
    "one from parsePruningConfig, out of its Either",
    config,
  );
  checkRecords("config.pruners", config.pruners, "pattern", "method");
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
 * Creates the initial pruning state.
 *
 * @param config the configuration, from `parsePruningConfig`.
 * @param layers all modules of the model, in module order.
 * @throws PruningError if a pruner cannot prune these layers, TypeError or RangeError if a record is invalid.
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
  checkOptions("options", options, ["profile", "allowNothing", "excludeHead", "indivisible"]);
  return preparePruning(config, layers, options).state;
}
