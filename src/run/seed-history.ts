/** Collects what one seed's experiment reports, phase by phase: a reducer over its events. */

import type { PhaseId, PhaseResult, PhaseTrainingEvent } from "../experiment/events.ts";
import type { SchedulePoint } from "../report/run-report.ts";
import type { StepEvent } from "../train/events.ts";
import type { MetricsLine } from "./metrics.ts";

/** What a phase did so far. */
export interface PhaseHistory extends PhaseId {
  readonly epochs: readonly MetricsLine[];
  /** The points at which target or sparsity changed, and the last step. */
  readonly schedule: readonly SchedulePoint[];
  /** Names of the layers that pruners own. */
  readonly prunedLayers: readonly string[];
  /** Null until the phase is over. */
  readonly result: PhaseResult | null;
}

/** The phases so far, the current one last. */
export type SeedHistory = readonly PhaseHistory[];

/** The history with a phase changed; a phase that is new is added. */
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

/** A schedule with a step added. Points between equal ones are left out, the last step is kept. */
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

/** The history after a training event of a phase; an epoch comes with its line of metrics. */
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
