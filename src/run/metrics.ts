/**
 * The lines of metrics.jsonl: one JSON object an epoch. They hold nothing that differs between two runs of the same
 * seed and kernels; times are elsewhere.
 */

import type { PhaseId } from "../experiment/events.ts";
import type { KernelVariant } from "../kernels/table.ts";
import type { Profile } from "../prune/config.ts";
import type { EpochEvent, ZeroCount } from "../train/events.ts";

/** One epoch of one phase of one seed, in snake_case. */
export interface MetricsLine {
  readonly seed: number;
  readonly phase: PhaseId["phase"];
  readonly recipe: string;
  readonly pattern: string;
  /** From 1. */
  readonly epoch: number;
  /** Optimizer updates of the phase so far. */
  readonly step: number;
  /** Mean of the epoch's losses; cross-entropy when dense, the distillation loss when distilling. */
  readonly training_loss: number;
  readonly evaluation_loss: number | null;
  readonly accuracy: number | null;
  readonly f1: number | null;
  /** The schedule's largest target; null when dense. */
  readonly target_sparsity: number | null;
  readonly pruned_blocks: number | null;
  readonly total_blocks: number | null;
  /** Zeros over entries of the pruned layers; null when dense. */
  readonly sparsity_pruned_layers: number | null;
  /** Zeros over entries of all linear layers; null when dense. */
  readonly sparsity_linear_layers: number | null;
  /** Mean over the pruned layers of each one's zeros over entries; null when dense. */
  readonly sparsity_layer_mean: number | null;
  /** Weights that a mask prunes and that are not zero; null when dense. */
  readonly drifted_weights: number | null;
  readonly profile: Profile;
  readonly variant: KernelVariant;
}

/** Zeros over entries; 0 if there are no entries. */
export function ratioOf({ zeros, total }: ZeroCount): number {
  return total === 0 ? 0 : zeros / total;
}

/** The line of an epoch. */
export function metricsLine(
  { phase, recipe, pattern, seed }: PhaseId,
  event: EpochEvent,
  made: { readonly profile: Profile; readonly variant: KernelVariant },
): MetricsLine {
  const { evaluation, sparsity } = event;
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
    target_sparsity: sparsity === null ? null : Math.max(0, ...sparsity.targets),
    pruned_blocks: sparsity?.prunedBlocks.zeros ?? null,
    total_blocks: sparsity?.prunedBlocks.total ?? null,
    sparsity_pruned_layers: sparsity === null ? null : ratioOf(sparsity.prunedLayers),
    sparsity_linear_layers: sparsity === null ? null : ratioOf(sparsity.allLayers),
    sparsity_layer_mean:
      sparsity === null ? null : pruned.reduce((sum, ratio) => sum + ratio, 0) / pruned.length,
    drifted_weights: sparsity?.drifted ?? null,
    profile: made.profile,
    variant: made.variant,
  };
}

/** Lines as the text of metrics.jsonl. */
export function formatMetrics(lines: readonly MetricsLine[]): string {
  return lines.map((line) => `${JSON.stringify(line)}\n`).join("");
}
