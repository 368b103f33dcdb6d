/** Checks that run before the first step of pruning heads. */
import { sumOf } from "../core/sum.ts";
import { grouped, type PrunerConfig } from "../prune/config.ts";
import { scoresBlockMasks } from "../prune/criteria.ts";
import { exactCount } from "../prune/exact.ts";
import { refuseCombination, refusePruning } from "../prune/layer.ts";
import { formatPattern } from "../prune/pattern.ts";
import { checkEndStep, checkSchedule } from "../prune/refusals.ts";
import { headBounds } from "./choose.ts";
import type { AttentionLayer, HeadPrunerConfig } from "./state.ts";

/** Refuses a pattern other than whole attention heads. */
export function headPruner(config: PrunerConfig): HeadPrunerConfig {
  const { pattern } = config;
  if (pattern.kind === "heads") return { ...config, pattern };
  return refuseCombination("pattern", '"mha" for heads', `"${formatPattern(pattern)}"`);
}

/** Refuses settings that no profile carries out. */
function checkCommonSettings(config: HeadPrunerConfig): void {
  checkEndStep(config);
  if (config.groupLasso !== null)
    refuseCombination("reg_type", "none for the pattern mha", "group_lasso");
  if (config.lockInitSparsity)
    refuseCombination("lock_init_sparsity", "false for the pattern mha", "true");
}

/** Under `inc`, refuses settings on which INC fails. */
export function checkIncSettings(config: HeadPrunerConfig): void {
  checkCommonSettings(config);
  if (config.scoreReduction === "max")
    refuseCombination("criterion_reduce_type", "mean or sum for the pattern mha", "max");
}

/** Under `strict`, refuses settings that INC ignores silently. */
export function checkExactSettings(config: HeadPrunerConfig): void {
  const { method, criterion } = config;
  if (method !== "basic")
    refuseCombination("pruning_type", "one that replaces masks at prune steps, for mha", method);
  if (scoresBlockMasks(criterion))
    refuseCombination("pruning_type", "one that scores elements, for the pattern mha", criterion);
  checkCommonSettings(config);
  checkSchedule(config);
}

/** Under `strict`, refuses a target that cannot be reached if each layer keeps as many heads as it must. */
export function checkHeadRoom(
  config: HeadPrunerConfig,
  attentions: readonly AttentionLayer[],
  minHeads: number,
): void {
  const { targetSparsity, pruningScope } = config;
  for (const group of grouped(pruningScope === "global", attentions)) {
    const all = sumOf(group, ({ heads }) => heads);
    const wanted = exactCount(all, targetSparsity);
    const room = sumOf(group, ({ heads }) =>
      Math.max(0, headBounds(config, heads, minHeads, targetSparsity).most),
    );
    if (wanted > room)
      refusePruning(
        "infeasible-budget",
        "target_sparsity",
        `at most ${room} of ${all} heads, so that each layer keeps ${minHeads} or more`,
        `${targetSparsity}, which is ${wanted}`,
        group.length === 1 ? group[0]?.name : undefined,
      );
  }
}
