/** Collects what a run tells. The number of points is limited, so that a long run stays small. */
import type { TrainingEpoch, TrainingHistory, TrainingPoint } from "./training-protocol.ts";

/** At more points than this, every second one is left out. */
const MOST_POINTS = 4000;

export const EMPTY_HISTORY: TrainingHistory = { total: 0, points: [], epochs: [] };

/** Leaves out every second point while there are too many. The last point stays. */
function thinned(points: readonly TrainingPoint[]): readonly TrainingPoint[] {
  if (points.length <= MOST_POINTS) return points;
  return thinned(points.filter((_, i) => (points.length - 1 - i) % 2 === 0));
}

export function withPoints(
  history: TrainingHistory,
  points: readonly TrainingPoint[],
  total: number,
): TrainingHistory {
  return { ...history, total, points: thinned([...history.points, ...points]) };
}

export function withEpoch(history: TrainingHistory, epoch: TrainingEpoch): TrainingHistory {
  return { ...history, epochs: [...history.epochs, epoch] };
}
