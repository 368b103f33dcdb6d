/** Replays schedule.json, which records target ratios, prune steps, and plans for interpolated masks. */
import { parsePattern } from "../prune/pattern.ts";
import { planProgressive } from "../prune/progressive.ts";
import {
  isPruneStep,
  planPruneSteps,
  pruneSteps,
  type ScheduleConfig,
  targetRatio,
} from "../prune/schedule.ts";
import { at, type JsonObject } from "./case-files.ts";
import { compare, type Difference, differenceAt } from "./difference.ts";
import type { RowChecks } from "./verdict.ts";

export const SCHEDULE_CHECKS: RowChecks = {
  iterative: iterativeRow,
  oneshot: oneShotRow,
  plans: planRow,
  progressive_plans: progressivePlanRow,
};

const BASE: ScheduleConfig = {
  targetSparsity: 0.9,
  startStep: 0,
  endStep: 1,
  pruningFrequency: 1,
  sparsityDecay: "exp",
  maxSparsityRatioPerOp: 0.98,
};

function plannedSchedule(row: JsonObject): ScheduleConfig {
  return {
    ...BASE,
    startStep: at.number(row, "start"),
    endStep: at.number(row, "end"),
    pruningFrequency: at.number(row, "frequency"),
  };
}

/** Compares the target ratios of successive prune steps under one sparsity decay. */
function iterativeRow(row: JsonObject): Difference | undefined {
  const config: ScheduleConfig = {
    ...BASE,
    targetSparsity: at.number(row, "target"),
    maxSparsityRatioPerOp: at.number(row, "max_sparsity_ratio_per_op"),
    sparsityDecay: at.text(row, "decay") as ScheduleConfig["sparsityDecay"],
  };
  const values = at.numbers(row, "values");
  const total = at.number(row, "total");
  const initial = at.number(row, "init");
  const got = values.map((_, completed) => targetRatio(config, completed, total, initial));
  return compare("target ratio", values, got);
}

function oneShotRow(row: JsonObject): Difference | undefined {
  const config = { ...BASE, targetSparsity: at.number(row, "target"), endStep: 0 };
  return compare("target ratio", at.number(row, "value"), targetRatio(config, 1, 1));
}

/** Compares the prune steps of a schedule, their number and their target ratios. */
function planRow(row: JsonObject): Difference | undefined {
  const config = plannedSchedule(row);
  const steps = pruneSteps(config);
  const { total, completed } = planPruneSteps(config);
  const planned = [at.number(row, "total_prune_cnt"), at.number(row, "initial_completed")];
  const targets = steps.map((_, i) => targetRatio(config, completed + i, total));
  return (
    compare("prune step", at.numbers(row, "prune_steps"), steps) ??
    compare("[planned, done before]", planned, [total, completed]) ??
    compare("target ratio", at.numbers(row, "targets_exp_0.9"), targets)
  );
}

/** Compares the steps at which interpolated masks change between prune steps. */
function progressivePlanRow(row: JsonObject): Difference | undefined {
  const config = plannedSchedule(row);
  const pattern = at.text(row, "pattern");
  if (parsePattern(pattern) === undefined) return differenceAt("pattern", pattern, "none");
  const plan = planProgressive({ ...config, method: "progressive" });
  const used =
    compare("interpolating", row.use_progressive as boolean, plan.interpolating) ??
    compare("prune step", at.numbers(row, "prune_steps"), pruneSteps(config));
  if (used !== undefined || !plan.interpolating) return used;
  const { startStep: first, endStep: last } = config;
  const between = Array.from({ length: last - first + 1 }, (_, i) => first + i).filter(
    (step) => (step - first) % plan.interval === 0 && !isPruneStep(config, step),
  );
  const parts = [
    at.number(row, "progressive_steps_attr"),
    at.number(row, "pruning_frequency_progressive"),
  ];
  return (
    compare("[parts, interval]", parts, [plan.parts, plan.interval]) ??
    compare("step between prune steps", at.numbers(row, "progressive_only_steps"), between)
  );
}
