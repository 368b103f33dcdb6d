/** Divides the batches of a run into optimizer updates. */
import type { TrainingSettings } from "./settings.ts";

type Stepping = Pick<TrainingSettings, "gradientAccumulationSteps" | "maxTrainSteps" | "profile">;

/**
 * Returns the number of batches of each update in an epoch of `batches` batches. Under `strict`, every n batches are an
 * update, and the last one takes the rest. Under `inc`, an update follows batch i, counted from 0, if n divides i, and
 * the last batch, as in INC's example script: the first update has one batch, and an epoch may have an update more.
 */
export function updateSizes(
  batches: number,
  { gradientAccumulationSteps: most, profile }: Stepping,
): readonly number[] {
  const sizes: number[] = [];
  for (let begun = 0; begun < batches; ) {
    const size = profile === "inc" && begun === 0 ? 1 : Math.min(most, batches - begun);
    sizes.push(size);
    begun += size;
  }
  return sizes;
}

/** Returns the number of {@link updateSizes}, without a list of them. */
function updateCount(
  batches: number,
  { gradientAccumulationSteps: most, profile }: Stepping,
): number {
  if (profile === "strict" || batches === 0) return Math.ceil(batches / most);
  return 1 + Math.ceil((batches - 1) / most);
}

/** Returns the number of epochs that `maxTrainSteps` takes; `epochs` without it. */
export function epochsOfRun(batches: number, epochs: number, settings: Stepping): number {
  const { maxTrainSteps, gradientAccumulationSteps } = settings;
  if (maxTrainSteps === null) return epochs;
  return Math.ceil(maxTrainSteps / Math.ceil(batches / gradientAccumulationSteps));
}

/** Returns the number of updates after which a run stops, and over which its learning rate is scheduled. */
export function updatesOfRun(batches: number, epochs: number, settings: Stepping): number {
  const { maxTrainSteps, gradientAccumulationSteps } = settings;
  return maxTrainSteps ?? epochs * Math.ceil(batches / gradientAccumulationSteps);
}

/**
 * Returns the number of updates of each epoch. A run stops at {@link updatesOfRun}. INC's example script still takes the
 * first update of each later epoch, so an epoch has at least one.
 */
export function updatesByEpoch(
  batches: number,
  epochs: number,
  settings: Stepping,
): readonly number[] {
  const whole = updateCount(batches, settings);
  const most = updatesOfRun(batches, epochs, settings);
  const updates: number[] = [];
  let done = 0;
  for (let epoch = 0; epoch < epochsOfRun(batches, epochs, settings); epoch++) {
    const own = Math.min(whole, Math.max(1, most - done));
    updates.push(own);
    done += own;
  }
  return updates;
}
