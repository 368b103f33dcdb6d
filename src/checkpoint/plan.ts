/**
 * What a pruning configuration would do to a model, without its weights: which layers it takes, when it prunes, and
 * how many blocks are pruned after each prune step.
 */
import { mismatch } from "../core/checks.ts";
import { sumOf } from "../core/sum.ts";
import { admitLayers } from "../prune/admit.ts";
import type { PatternPrunerConfig, Profile, PrunerConfig, PruningConfig } from "../prune/config.ts";
import { type LayerShape, PruningError, refusePruning } from "../prune/layer.ts";
import { blockCount, formatPattern, perBlock } from "../prune/pattern.ts";
import { PROFILES, type ProfileRules } from "../prune/profiles.ts";
import { checkRoom } from "../prune/refusals.ts";
import { planPruneSteps, pruneSteps } from "../prune/schedule.ts";
import type { SkippedLayer } from "../prune/select.ts";

/** Options of {@link planPruning}. */
export interface PlanOptions {
  /** Steps that training takes. */
  readonly steps: number;
  /** Default `inc`. */
  readonly profile?: Profile;
}

/** A layer that a pruner takes. */
interface SelectedLayer extends LayerShape {
  /** Blocks that it has; N:M: groups. */
  readonly blocks: number;
}

/** A prune step as it is planned. */
interface PlannedPruneStep {
  /** Training steps that were completed before. */
  readonly step: number;
  /** Share to be pruned afterwards: of blocks, for N:M of elements. */
  readonly target: number;
  /**
   * Blocks that this makes of a model without zeros: `lock_init_sparsity` begins with those that there are. Under `inc`
   * per-layer bounds can change it, and ties add to it.
   */
  readonly prunedBlocks: number;
}

/** What one pruner would do. */
export interface PrunerPlan {
  readonly pattern: string;
  readonly criterion: string;
  readonly scope: string;
  readonly selected: readonly SelectedLayer[];
  readonly skipped: readonly SkippedLayer[];
  readonly blocks: number;
  readonly schedule: readonly PlannedPruneStep[];
}

/** What a configuration would do. */
export interface PruningPlan {
  readonly profile: Profile;
  readonly steps: number;
  readonly pruners: readonly PrunerPlan[];
}

/** The prune steps, and the blocks that each asks for. */
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

/** Refuses a schedule that training does not see the end of, or that prunes nothing at it. */
function checkSchedule(
  { startStep }: PatternPrunerConfig,
  steps: number,
  schedule: readonly PlannedPruneStep[],
): void {
  const refuse = (subject: string, expected: string, got: number): never => {
    throw new PruningError("unusable-schedule", mismatch(subject, expected, got));
  };
  if (startStep >= steps)
    refuse(
      "start_step",
      `below ${steps}, the steps of training: nothing would be pruned`,
      startStep,
    );
  const { step: last = 0, prunedBlocks = 0 } = schedule.at(-1) ?? {};
  if (last >= steps)
    refuse(
      "end_step",
      `the last prune step below ${steps}, the steps of training: the target would be missed`,
      last,
    );
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
  const counts = divided.map(({ layout }) => blockCount(layout));
  const schedule = scheduleOf(config, counts, rules);
  checkSchedule(config, steps, schedule);
  return {
    pattern: formatPattern(config.pattern),
    criterion: config.criterion,
    scope: config.pruningScope,
    selected: divided.map(({ name, kind, shape, layout }) => ({
      name,
      kind,
      shape,
      blocks: blockCount(layout),
    })),
    skipped,
    blocks: sumOf(counts, (count) => count),
    schedule,
  };
}

/**
 * Plans a configuration on a model's layers.
 *
 * @param layers in module order, without classifier heads
 * @throws PruningError where a pruner would prune nothing, would not be done within the steps, cannot reach its target
 *   within its per-layer bounds, or cannot be carried out at all
 *
 * @example
 * ```ts
 * import { parsePruningConfigOrThrow } from "espalier";
 * import { planPruning } from "espalier/checkpoint";
 *
 * const config = parsePruningConfigOrThrow({
 *   ...{ pattern: "4x1", target_sparsity: 0.5, start_step: 2, end_step: 6, pruning_frequency: 2 },
 * });
 * const layers = [{ name: "fc", kind: "linear", shape: [8, 4] }] as const;
 * const [pruner] = planPruning(config, layers, { steps: 10, profile: "strict" }).pruners;
 * const counts = pruner?.schedule.map(({ step, prunedBlocks }) => `${step}: ${prunedBlocks}`);
 * if (counts?.join() !== "2: 0,4: 2,6: 4") throw new Error(counts?.join());
 * ```
 */
export function planPruning(
  { pruners }: PruningConfig,
  layers: readonly LayerShape[],
  options: PlanOptions,
): PruningPlan {
  const { steps, profile = "inc" } = options;
  return {
    ...{ profile, steps },
    pruners: pruners.map((pruner) => planPruner(pruner, layers, options)),
  };
}
