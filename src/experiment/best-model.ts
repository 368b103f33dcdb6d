/** Keeps the best model of a phase by its evaluations, and decides when a phase stops early. */
import { METRIC_NAMES, type MetricName } from "../core/metric-names.ts";
import { pruneSteps } from "../prune/schedule.ts";
import type { EpochEvent, Evaluation } from "../train/events.ts";
import { parseTrainingPruning } from "../train/pruning.ts";
import type { TrainingSettings } from "../train/settings.ts";
import type { StoredParameters } from "../train/snapshot.ts";
import type { MeasuredModel } from "./events.ts";

/** The metric by which models of a phase are compared: a metric of the task, or the loss. */
export type BestMetric = MetricName | "loss";

/** The names of {@link BestMetric}s as in metrics.jsonl. */
export const BEST_METRIC_KEYS: readonly string[] = Object.freeze([
  "loss",
  ...Object.values(METRIC_NAMES).map(({ key }) => key),
]);

/** Returns the metric with this name; undefined if there is none. */
export function bestMetricOf(key: string): BestMetric | undefined {
  if (key === "loss") return key;
  const names = Object.keys(METRIC_NAMES) as readonly MetricName[];
  return names.find((name) => METRIC_NAMES[name].key === key);
}

/** How a phase compares its models. */
export interface BestRule {
  readonly metric: BestMetric;
  /** Whether the best model is the result of the phase, instead of the last one. */
  readonly isSaved: boolean;
  /** The number of evaluations without a better model after which the phase stops; null: never. */
  readonly patience: number | null;
}

/** The best model so far. */
export interface BestModel {
  readonly value: number;
  readonly epoch: number;
  readonly measured: MeasuredModel;
  /** The number of evaluations since. */
  readonly evaluationsSince: number;
  /** Null if the model is not saved. */
  readonly weights: StoredParameters | null;
}

/** Returns the number of updates from which models have the full target count: those after the last prune step. */
export function comparedFrom({
  pruning,
  profile,
}: Pick<TrainingSettings, "pruning" | "profile">): number {
  if (pruning === null) return 0;
  const { pruners } = parseTrainingPruning(pruning, profile);
  // A pruner with a pattern lock has no prune steps.
  const last = pruners.map((pruner) =>
    "targetSparsity" in pruner ? (pruneSteps(pruner).at(-1) ?? -1) : -1,
  );
  return Math.max(0, ...last.map((step) => step + 1));
}

/** Returns the best model after an evaluation. Among equal models, the first one is the best. */
export function betterModel(
  best: BestModel | null,
  rule: BestRule,
  event: EpochEvent,
  weightsOf: () => StoredParameters,
): BestModel | null {
  const { evaluation, sparsity, epoch } = event;
  if (evaluation === null) return best;
  const value = metricIn(evaluation, rule.metric);
  const isBetter = value !== null && (best === null || isAbove(value, best.value, rule.metric));
  if (!isBetter) return best && { ...best, evaluationsSince: best.evaluationsSince + 1 };
  const measured = { evaluation, sparsity };
  const weights = rule.isSaved ? weightsOf() : null;
  return { value, epoch, measured, evaluationsSince: 0, weights };
}

/** Whether a phase stops: its latest evaluations have not found a better model. */
export function isOutOfPatience(best: BestModel | null, { patience }: BestRule): boolean {
  return patience !== null && best !== null && best.evaluationsSince >= patience;
}

function metricIn(evaluation: Evaluation, metric: BestMetric): number | null {
  const value = metric === "loss" ? evaluation.loss : evaluation[metric];
  return value === undefined || value === null || Number.isNaN(value) ? null : value;
}

function isAbove(value: number, other: number, metric: BestMetric): boolean {
  return metric === "loss" || metric === "meanSquaredError" ? value < other : value > other;
}
