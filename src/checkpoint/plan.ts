/**
 * Plans a pruning configuration from shapes alone: the selected layers, the prune steps and the number of pruned blocks
 * after each prune step.
 */
import {
  checkInteger,
  checkObject,
  checkOneOf,
  checkOptions,
  checkRecords,
} from "../core/checks.ts";
import { sumOf } from "../core/sum.ts";
import { admitLayers } from "../prune/admit.ts";
import type { PatternPrunerConfig, Profile, PrunerConfig, PruningConfig } from "../prune/config.ts";
import { type LayerShape, refusePruning } from "../prune/layer.ts";
import { blockCount, formatPattern, perBlock } from "../prune/pattern.ts";
import { PROFILES, type ProfileRules } from "../prune/profiles.ts";
import { checkRoom } from "../prune/refusals.ts";
import { planPruneSteps, pruneSteps } from "../prune/schedule.ts";
import type { SkippedLayer } from "../prune/select.ts";

/** Options for {@link planPruning}. */
export interface PlanOptions {
  /** The total number of training steps. */
  readonly steps: number;
  /** Default `inc`. */
  readonly profile?: Profile;
}

interface PlannedPruneStep {
  readonly step: number;
  /** The share of pruned blocks after this step, or of pruned elements for N:M. */
  readonly target: number;
  /**
   * The number of pruned blocks after this step if the model starts without zeros. With `lock_init_sparsity`, the zeros
   * that a weight starts with are counted, too. Under `inc`, per-layer bounds can change the number, and ties can
   * increase it.
   */
  readonly prunedBlocks: number;
}

/** The plan of one pruner. */
export interface PrunerPlan {
  readonly pattern: string;
  readonly criterion: string;
  readonly scope: string;
  /** The selected layers, each with its number of blocks (groups for N:M). */
  readonly selected: readonly (LayerShape & { readonly blocks: number })[];
  readonly skipped: readonly SkippedLayer[];
  readonly blocks: number;
  readonly schedule: readonly PlannedPruneStep[];
}

/** The plan of a configuration. */
export interface PruningPlan {
  readonly profile: Profile;
  readonly steps: number;
  readonly pruners: readonly PrunerPlan[];
}

/** Lists the prune steps with the number of pruned blocks after each step. */
function scheduleOf(
  config: PatternPrunerConfig,
  blocks: readonly number[],
  rules: ProfileRules,
): readonly PlannedPruneStep[] {
  const { total, completed } = planPruneSteps(config);
  const budgets = config.pruningScope === "global" ? [sumOf(blocks, (count) => count)] : blocks;
  return pruneSteps(config).map((step, i) => {
    const target = rules.targetRatio(config, completed + i, total, 0);
    const share = perBlock(config.pattern, target);
    const prunedBlocks = sumOf(budgets, (all) => rules.budget(all, share));
    return { step, target, prunedBlocks };
  });
}

/** Refuses a schedule that prunes nothing or does not end before training does. */
function checkSchedule(
  { startStep }: PatternPrunerConfig,
  steps: number,
  schedule: readonly PlannedPruneStep[],
): void {
  const refuse = (path: string, expected: string, got: number): never =>
    refusePruning("unusable-schedule", path, expected, got);
  const end = `below ${steps}, the steps of training`;
  if (startStep >= steps) refuse("start_step", `${end}: nothing would be pruned`, startStep);
  const { step: last = 0, prunedBlocks = 0 } = schedule.at(-1) ?? {};
  if (last >= steps)
    refuse("end_step", `the last prune step ${end}: the target would be missed`, last);
  if (prunedBlocks === 0)
    refuse("target_sparsity", "a share of at least one block: nothing would be pruned", 0);
}

function planPruner(
  asked: PrunerConfig,
  layers: readonly LayerShape[],
  { steps, profile = "inc" }: PlanOptions,
): PrunerPlan {
  const rules = PROFILES[profile];
  const options = { excludeHead: false, allowNothing: false, indivisible: "refuse" } as const;
  if (asked.method === "pattern_lock")
    refusePruning(
      "unsupported-combination",
      "pruning_type",
      "a pruner whose counts its schedule decides",
      "pattern_lock, which reads masks off the weights",
    );
  const { config, layers: admitted, skipped } = admitLayers(asked, layers, rules, options);
  const divided = admitted.filter(({ layout }) => layout.divides);
  checkRoom(config, divided);
  const selected = divided.map(({ name, kind, shape, layout }) => ({
    name,
    kind,
    shape,
    blocks: blockCount(layout),
  }));
  const counts = selected.map(({ blocks }) => blocks);
  const schedule = scheduleOf(config, counts, rules);
  checkSchedule(config, steps, schedule);
  return {
    pattern: formatPattern(config.pattern),
    criterion: config.criterion,
    scope: config.pruningScope,
    selected,
    skipped,
    blocks: sumOf(counts, (count) => count),
    schedule,
  };
}

/**
 * Plans how a configuration prunes a model's layers.
 *
 * @param layers in module order, without classifier heads
 * @throws PruningError if a pruner would prune nothing, does not finish within the steps, cannot reach its target
 *   within its per-layer bounds, or cannot be applied
 *
 * @example
 * ```ts
 * import { parsePruningConfigOrThrow } from "espalier";
 * import { planPruning } from "espalier/checkpoint";
 *
 * const config = parsePruningConfigOrThrow({
 *   pattern: "4x1",
 *   target_sparsity: 0.5,
 *   start_step: 2,
 *   end_step: 6,
 *   pruning_frequency: 2,
 * });
 * const layers = [{ name: "fc", kind: "linear", shape: [8, 4] }] as const;
 * const [pruner] = planPruning(config, layers, { steps: 10, profile: "strict" }).pruners;
 * const counts = pruner?.schedule.map(({ step, prunedBlocks }) => `${step}: ${prunedBlocks}`);
 * if (counts?.join() !== "2: 0,4: 2,6: 4") throw new Error(counts?.join());
 * ```
 */
export function planPruning(
  config: PruningConfig,
  layers: readonly LayerShape[],
  options: PlanOptions,
): PruningPlan {
  checkObject("config", config, "pruners");
  checkRecords("config.pruners", config.pruners, "pattern", "method");
  checkRecords("layers", layers, "name", "kind", "shape");
  checkOptions("options", options, ["steps", "profile"]);
  const { steps, profile = "inc" } = options;
  checkInteger("steps", steps);
  checkOneOf("profile", profile, ["inc", "strict"]);
  const { pruners } = config;
  return {
    profile,
    steps,
    pruners: pruners.map((pruner) => planPruner(pruner, layers, options)),
  };
}
