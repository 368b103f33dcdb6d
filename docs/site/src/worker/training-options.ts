/** The settings of a run by the names of the API, which the page also shows as a command. */
import type { TrainingSettings } from "./training-protocol.ts";

/** What a run starts from: the generated task, a given model, or the words of given rows. */
export type TrainingStart = "generated" | "model" | "words";

/** The sparse epochs of the recipe of the small model, and those of them before and after pruning. */
const [EPOCHS, WARM, COOLDOWN] = [12, 1, 5];

/**
 * Returns the settings of a run. Without a model, they are those of the recipe of the small model, whose epochs before
 * and after pruning follow the number of epochs.
 */
export function settingOptions(settings: TrainingSettings, start: TrainingStart) {
  const { pattern, targetSparsity, denseEpochs, epochs, batchSize, profile } = settings;
  const isSmall = start !== "model";
  return {
    ...(isSmall && { recipe: "demo-4x1" }),
    pruningPattern: pattern,
    ...(targetSparsity !== null && { targetSparsity }),
    ...(denseEpochs !== null && { denseNumTrainEpochs: denseEpochs }),
    ...(epochs !== null && { numTrainEpochs: epochs }),
    ...(isSmall &&
      epochs !== null && {
        sparsityWarmEpochs: (epochs * WARM) / EPOCHS,
        cooldownEpochs: (epochs * COOLDOWN) / EPOCHS,
      }),
    // Few rows have few steps, in which the frequency of the recipe may have no prune step.
    ...(start === "words" && { pruningFrequency: -1 }),
    ...(batchSize !== null && { perDeviceTrainBatchSize: batchSize }),
    profile,
  };
}
