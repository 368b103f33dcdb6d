/** Picks what a results table shows from a phase's epochs. */
import type { Evaluation } from "./events.ts";
import type { MeasuredModel, PhaseResult } from "./experiment-events.ts";

/**
 * The last epoch and the best one. Only epochs as sparse as the last compete, since an earlier, denser
 * model is not what the phase is for; the first of equals wins.
 *
 * @param epochs - at least one, in order
 */
export function summariseEpochs(
  epochs: readonly MeasuredModel[],
  metric: PhaseResult["metric"],
): Pick<PhaseResult, "last" | "best" | "bestEpoch"> {
  const last = epochs.at(-1);
  if (last === undefined) throw new RangeError("epochs: expected at least one, got none");
  const qualities = epochs.map((epoch) =>
    prunedBlocks(epoch) === prunedBlocks(last) ? quality(epoch.evaluation, metric) : -Infinity,
  );
  const index = qualities.indexOf(Math.max(...qualities));
  return { last, best: epochs[index] ?? last, bestEpoch: index + 1 };
}

/** The metric where the task has it, else (regression) the negated loss. */
function quality(evaluation: Evaluation, metric: PhaseResult["metric"]): number {
  return evaluation[metric] ?? -evaluation.loss;
}

function prunedBlocks({ sparsity }: MeasuredModel): number {
  return sparsity?.prunedBlocks.zeros ?? 0;
}
