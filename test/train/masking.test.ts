import { describe, expect, test } from "vitest";
import { createBackend } from "../../src/kernels/backend.ts";
import { initialiseParameters } from "../../src/model/parameters.ts";
import { releaseParameters } from "../../src/tensor/parameter.ts";
import { createSession, releaseSession, type TrainingSession } from "../../src/train/session.ts";
import { trainingSettings } from "../../src/train/settings.ts";
import { appliedMask } from "../../src/train/sparsity.ts";
import { trainStepInto } from "../../src/train/step.ts";
import { sequenceClassifier } from "../../src/train/trainable-model.ts";
import { randomBatch, SMALL_BERT } from "../model/small-models.ts";
import { PRUNERS, STEPS } from "./pruners.ts";

const backend = createBackend({ variant: "simd" });

/** Pruned weights that have a moment, and pruned weights. */
function prunedWithMoments({ pruning, model, optimizer }: TrainingSession<never>) {
  const counts = { pruned: 0, moments: 0 };
  for (const layer of pruning?.state.pruners.flatMap(({ layers }) => layers) ?? []) {
    const parameter = model.parameters.get(`${layer.name}.weight`);
    const slot = optimizer.slots.find((candidate) => candidate.parameter === parameter);
    appliedMask(layer).forEach((bit, i) => {
      if (bit === 1) return;
      counts.pruned++;
      if (!Object.is(slot?.firstMoment.data[i], 0)) counts.moments++;
      if (!Object.is(slot?.secondMoment.data[i], 0)) counts.moments++;
    });
  }
  return counts;
}

describe("under strict, pruned weights have no moments after any step", () => {
  test.each(PRUNERS)("%s", (_, pruning) => {
    const model = sequenceClassifier(SMALL_BERT, initialiseParameters(backend, SMALL_BERT, 5));
    const optimizer = { learningRate: 1e-3, weightDecay: 0.01 };
    const settings = trainingSettings({ optimizer, pruning, profile: "strict" });
    const session = createSession(backend, model, settings);
    let pruned = 0;
    for (let step = 0; step < STEPS; step++) {
      trainStepInto(session, randomBatch([6, 9, 4], 9, step));
      const counts = prunedWithMoments(session as TrainingSession<never>);
      expect(counts.moments).toBe(0);
      pruned = counts.pruned;
    }
    expect(pruned).toBeGreaterThan(0);
    releaseSession(session);
    releaseParameters(model.parameters);
  });
});
