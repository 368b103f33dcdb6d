/** Collects the events of one seed's experiment by phase. Each function returns a new history. */

import type { PhaseId, PhaseResult, PhaseTrainingEvent } from "../experiment/events.ts";
import type { SchedulePoint } from "../report/run-report.ts";
import type { StepEvent } from "../train/events.ts";
import type { MetricsLine } from "./metrics.ts";

/** The events of one phase so far. */
export interface PhaseHistory extends PhaseId {
  readonly epochs: readonly MetricsLine[];
  /** The points at which the target or the reached sparsity changes, and the latest point. */
  readonly schedule: readonly SchedulePoint[];
  /** The names of the layers that the pruners selected. */
  readonly prunedLayers: readonly string[];
  /** The result of the phase; null until the phase is over. */
  readonly result: PhaseResult | null;
}

/** The histories of the phases so far. The current phase is last. */
export type SeedHistory = readonly PhaseHistory[];

/** Returns the history with one phase changed. If the history does not have this phase, an empty one is appended. */
function withPhase(
  history: SeedHistory,
  { phase, recipe, pattern, seed }: PhaseId,
  change: (phase: PhaseHistory) => Partial<PhaseHistory>,
): SeedHistory {
  const isSame = (known: PhaseId): boolean => known.phase === phase && known.recipe === recipe;
  const empty = {
    phase,
    recipe,
    pattern,
    seed,
    epochs: [],
    schedule: [],
    prunedLayers: [],
    result: null,
  };
  const begun = history.some(isSame) ? history : [...history, empty];
  return begun.map((known) => (isSame(known) ? { ...known, ...change(known) } : known));
}

/** Adds a step to a schedule. Of consecutive points with equal sparsities, only the first and the last are kept. */
function withSchedulePoint(
  schedule: readonly SchedulePoint[],
  { step, targetSparsity, reachedSparsity }: StepEvent,
): readonly SchedulePoint[] {
  if (targetSparsity === null || reachedSparsity === null) return schedule;
  const point = { step, target: targetSparsity, reached: reachedSparsity };
  const isEqual = (other: SchedulePoint | undefined): boolean =>
    other?.target === point.target && other.reached === point.reached;
  const isRepeated = isEqual(schedule.at(-2)) && isEqual(schedule.at(-1));
  return isRepeated ? [...schedule.slice(0, -1), point] : [...schedule, point];
}

/** Adds a training event to the history. `line` has the metrics for an `epoch` event, and is null for other events. */
export function recordTraining(
  history: SeedHistory,
  { event, ...id }: PhaseTrainingEvent,
  line: MetricsLine | null,
): SeedHistory {
  switch (event.type) {
    case "start":
      return withPhase(history, id, () => ({ prunedLayers: event.prunedLayers }));
    case "step":
      return withPhase(history, id, ({ schedule }) => ({
        schedule: withSchedulePoint(schedule, event),
      }));
    case "epoch":
      return line === null
        ? history
        : withPhase(history, id, ({ epochs }) => ({ epochs: [...epochs, line] }));
    case "end":
      return history;
    default:
      return event satisfies never;
  }
}

export function recordResult(history: SeedHistory, result: PhaseResult): SeedHistory {
  return withPhase(history, result, () => ({ result }));
}
