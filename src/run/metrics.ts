/** Makes the lines of metrics.jsonl, one per epoch. Runs with the same seed and kernel variant write the same lines. */

import { METRIC_NAMES, type MetricName } from "../core/metric-names.ts";
import type { PhaseId } from "../experiment/events.ts";
import type { KernelVariant } from "../kernels/table.ts";
import type { Profile } from "../prune/config.ts";
import type { EpochEvent, ZeroCount } from "../train/events.ts";

/** The metrics of one epoch. The metrics of pruning are null in a dense phase. */
export interface MetricsLine {
  readonly seed: number;
  readonly phase: PhaseId["phase"];
  readonly recipe: string;
  readonly pattern: string;
  /** The number of the epoch in its phase, counted from 1. */
  readonly epoch: number;
  /** The number of optimizer updates in the phase so far. */
  readonly step: number;
  readonly training_loss: number;
  readonly evaluation_loss: number | null;
  readonly accuracy: number | null;
  readonly f1: number | null;
  /** Further metrics, if the task has them. */
  readonly macro_f1?: number | null;
  readonly micro_f1?: number | null;
  readonly matthews?: number | null;
  readonly mean_squared_error?: number | null;
  readonly pearson?: number | null;
  readonly spearman?: number | null;
  /** The current target ratio; the largest one if there are several pruners. */
  readonly target_sparsity: number | null;
  readonly pruned_blocks: number | null;
  readonly total_blocks: number | null;
  /** The fraction of zeros in the weights of all pruned layers together. */
  readonly sparsity_pruned_layers: number | null;
  /** The fraction of zeros in the weights of all linear layers together. */
  readonly sparsity_linear_layers: number | null;
  /** The mean over the pruned layers of each layer's fraction of zeros. */
  readonly sparsity_layer_mean: number | null;
  /** The number of weights that are not zero although a mask prunes them. */
  readonly drifted_weights: number | null;
  /** If the phase compares its models: whether this one is the best so far. */
  readonly best?: boolean;
  readonly profile: Profile;
  readonly variant: KernelVariant;
}

/** Returns the fraction of zeros among the entries that were counted; 0 if there are no entries. */
export function ratioOf({ zeros, total }: ZeroCount): number {
  return total === 0 ? 0 : zeros / total;
}

/** Returns a metric of a line; NaN if the line does not have it. */
export function lineMetric(line: MetricsLine, metric: MetricName): number {
  const { key } = METRIC_NAMES[metric];
  const value: unknown = line[key as keyof MetricsLine];
  return typeof value === "number" ? value : Number.NaN;
}

/** Makes the line of an epoch. `metrics` are those of the task; accuracy and F1 are in every line. */
export function metricsLine(
  { phase, recipe, pattern, seed }: PhaseId,
  event: EpochEvent,
  made: {
    readonly profile: Profile;
    readonly variant: KernelVariant;
    readonly metrics: readonly MetricName[];
    readonly isBest?: boolean | undefined;
  },
): MetricsLine {
  const { evaluation, sparsity } = event;
  const names = made.metrics.filter((name) => name !== "accuracy" && name !== "f1");
  const further = Object.fromEntries(
    names.map((name) => [METRIC_NAMES[name].key, evaluation?.[name] ?? null]),
  );
  const pruned = sparsity?.layers.filter((layer) => layer.pruned).map(ratioOf) ?? [];
  return {
    seed,
    phase,
    recipe,
    pattern,
    epoch: event.epoch,
    step: event.step,
    training_loss: event.trainingLoss,
    evaluation_loss: evaluation?.loss ?? null,
    accuracy: evaluation?.accuracy ?? null,
    f1: evaluation?.f1 ?? null,
    ...further,
    target_sparsity: sparsity === null ? null : Math.max(0, ...sparsity.targets),
    pruned_blocks: sparsity?.prunedBlocks.zeros ?? null,
    total_blocks: sparsity?.prunedBlocks.total ?? null,
    sparsity_pruned_layers: sparsity === null ? null : ratioOf(sparsity.prunedLayers),
    sparsity_linear_layers: sparsity === null ? null : ratioOf(sparsity.allLayers),
    sparsity_layer_mean:
      sparsity === null ? null : pruned.reduce((sum, ratio) => sum + ratio, 0) / pruned.length,
    drifted_weights: sparsity?.drifted ?? null,
    ...(made.isBest === undefined ? {} : { best: made.isBest }),
    profile: made.profile,
    variant: made.variant,
  };
}

export function formatMetrics(lines: readonly MetricsLine[]): string {
  return lines.map((line) => `${JSON.stringify(line)}\n`).join("");
}
