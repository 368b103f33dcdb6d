/** Rows of schedule.json: targets, plans of prune steps, plans of interpolated masks. */
import { parsePattern } from "../prune/pattern.ts";
import { planProgressive } from "../prune/progressive.ts";
import {
  isPruneStep,
  planPruneSteps,
  pruneSteps,
  type ScheduleConfig,
  targetRatio,
} from "../prune/schedule.ts";
import { type JsonObject, numberAt, numbersAt, textAt } from "./case-files.ts";
import { type Difference, differenceAt, exactDifference, valueDifference } from "./difference.ts";

const BASE: ScheduleConfig = {
  targetSparsity: 0.9,
  startStep: 0,
  endStep: 1,
  pruningFrequency: 1,
  sparsityDecay: "exp",
  maxSparsityRatioPerOp: 0.98,
};

/** The schedule of a row that states start, end and frequency. */
function plannedSchedule(row: JsonObject): ScheduleConfig {
  return {
    ...BASE,
    startStep: numberAt(row, "start"),
    endStep: numberAt(row, "end"),
    pruningFrequency: numberAt(row, "frequency"),
  };
}

/** Targets of a decay, to the last bit. */
export function iterativeRow(row: JsonObject): Difference | undefined {
  const config: ScheduleConfig = {
    ...BASE,
    targetSparsity: numberAt(row, "target"),
    maxSparsityRatioPerOp: numberAt(row, "max_sparsity_ratio_per_op"),
    sparsityDecay: textAt(row, "decay") as ScheduleConfig["sparsityDecay"],
  };
  const values = numbersAt(row, "values");
  const total = numberAt(row, "total");
  const initial = numberAt(row, "init");
  const got = values.map((_, completed) => targetRatio(config, completed, total, initial));
  return exactDifference("target ratio", values, got);
}

/** The target of a one-shot schedule. */
export function oneShotRow(row: JsonObject): Difference | undefined {
  const config = { ...BASE, targetSparsity: numberAt(row, "target"), endStep: 0 };
  return valueDifference("target ratio", numberAt(row, "value"), targetRatio(config, 1, 1));
}

/** Prune steps, their number and their targets. */
export function planRow(row: JsonObject): Difference | undefined {
  const config = plannedSchedule(row);
  const steps = pruneSteps(config);
  const { total, completed } = planPruneSteps(config);
  const planned = [numberAt(row, "total_prune_cnt"), numberAt(row, "initial_completed")];
  const targets = steps.map((_, i) => targetRatio(config, completed + i, total));
  return (
    exactDifference("prune step", numbersAt(row, "prune_steps"), steps) ??
    exactDifference("[planned, done before]", planned, [total, completed]) ??
    exactDifference("target ratio", numbersAt(row, "targets_exp_0.9"), targets)
  );
}

/** Steps at which interpolated masks change between prune steps. */
export function progressivePlanRow(row: JsonObject): Difference | undefined {
  const config = plannedSchedule(row);
  const pattern = textAt(row, "pattern");
  if (parsePattern(pattern) === undefined) return differenceAt("pattern", pattern, "none");
  const plan = planProgressive({ ...config, method: "progressive" });
  const used =
    valueDifference("interpolating", row.use_progressive as boolean, plan.interpolating) ??
    exactDifference("prune step", numbersAt(row, "prune_steps"), pruneSteps(config));
  if (used !== undefined || !plan.interpolating) return used;
  const { startStep: first, endStep: last } = config;
  const between = Array.from({ length: last - first + 1 }, (_, i) => first + i).filter(
    (step) => (step - first) % plan.interval === 0 && !isPruneStep(config, step),
  );
  const parts = [
    numberAt(row, "progressive_steps_attr"),
    numberAt(row, "pruning_frequency_progressive"),
  ];
  return (
    exactDifference("[parts, interval]", parts, [plan.parts, plan.interval]) ??
    exactDifference("step between prune steps", numbersAt(row, "progressive_only_steps"), between)
  );
}
