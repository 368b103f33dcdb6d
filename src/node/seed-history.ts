/** Collects what one seed's experiment reports, phase by phase: a reducer over its events. */

import type { PhaseId, PhaseResult, PhaseTrainingEvent } from "../experiment/events.ts";
import type { SchedulePoint } from "../report/run-report.ts";
import type { StepEvent } from "../train/events.ts";
import type { MetricsLine } from "./metrics.ts";
import type { PhaseHistory } from "./seed-task.ts";

/** The phases so far; the last one is under way. */
export type SeedHistory = readonly PhaseHistory[];

function samePhase(a: PhaseId, b: PhaseId): boolean {
  return a.phase === b.phase && a.recipe === b.recipe;
}

/** The history with `change` applied to a phase, which is begun where it is new. */
function withPhase(
  history: SeedHistory,
  { phase, recipe, pattern, seed }: PhaseId,
  change: (phase: PhaseHistory) => Partial<PhaseHistory>,
): SeedHistory {
  const id = { phase, recipe, pattern, seed };
  const begun = history.some((known) => samePhase(known, id));
  const empty = { ...id, epochs: [], schedule: [], prunedLayers: [], result: null };
  return (begun ? history : [...history, empty]).map((known) =>
    samePhase(known, id) ? { ...known, ...change(known) } : known,
  );
}

/**
 * Schedule points with a step added. Only changes are kept, and the last step: points between them say
 * nothing new.
 */
function withSchedulePoint(
  schedule: readonly SchedulePoint[],
  { step, targetSparsity, reachedSparsity }: StepEvent,
): readonly SchedulePoint[] {
  if (targetSparsity === null || reachedSparsity === null) return schedule;
  const point = { step, target: targetSparsity, reached: reachedSparsity };
  const [before, last] = [schedule.at(-2), schedule.at(-1)];
  const same = (other: SchedulePoint | undefined): boolean =>
    other?.target === point.target && other.reached === point.reached;
  return same(before) && same(last) ? [...schedule.slice(0, -1), point] : [...schedule, point];
}

/** The history after a training event of a phase; epochs come with their line of metrics. */
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

/** The history after a phase ended. */
export function recordResult(history: SeedHistory, result: PhaseResult): SeedHistory {
  return withPhase(history, result, () => ({ result }));
}
