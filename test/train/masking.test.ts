import { describe, expect, test } from "vitest";
import { createBackend } from "../../src/kernels/backend.ts";
import { initialiseParameters } from "../../src/model/parameters.ts";
import { releaseParameters } from "../../src/tensor/parameter.ts";
import { createSession, releaseSession, type TrainingSession } from "../../src/train/session.ts";
import { trainingSettings } from "../../src/train/settings.ts";
import { appliedMask, sparsityReport } from "../../src/train/sparsity.ts";
import { sparseProducts, trainStepInto } from "../../src/train/step.ts";
import { layerRecords, sequenceClassifier } from "../../src/train/trainable-model.ts";
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

function start(pruning: unknown, profile: "inc" | "strict") {
  const model = sequenceClassifier(SMALL_BERT, initialiseParameters(backend, SMALL_BERT, 5));
  const optimizer = { learningRate: 1e-3, weightDecay: 0.01 };
  return createSession(backend, model, trainingSettings({ optimizer, pruning, profile }));
}

function end(session: ReturnType<typeof start>): void {
  releaseSession(session);
  releaseParameters(session.model.parameters);
}

function drifted({ pruning, model }: ReturnType<typeof start>): number | undefined {
  return pruning ? sparsityReport(pruning.state, layerRecords(model)).drifted : undefined;
}

describe.each(["inc", "strict"] as const)("under %s, zeros stay zero after any step", (profile) => {
  test.each(PRUNERS)("%s", (_, pruning) => {
    const session = start(pruning, profile);
    for (let step = 0; step < STEPS; step++) {
      trainStepInto(session, randomBatch([6, 9, 4], 9, step));
      expect(drifted(session)).toBe(0);
    }
    const [layer] = session.pruning?.state.pruners[0]?.layers ?? [];
    const weight = session.model.parameters.get(`${layer?.name}.weight`)?.value.data;
    const pruned = layer === undefined ? -1 : appliedMask(layer).indexOf(0);
    if (weight === undefined || pruned < 0) throw new Error("expected a pruned weight");
    weight[pruned] = 1;
    expect(drifted(session)).toBeGreaterThan(0);
    end(session);
  });
});

describe("under strict, gradients that compressed products compute need no mask where blocks are whole", () => {
  test.each([
    ["4x1", true],
    ["1x1", false],
  ] as const)("%s", (pattern, isWhole) => {
    const pruning = {
      pattern,
      target_sparsity: 0.5,
      start_step: 1,
      end_step: 3,
      pruning_frequency: 1,
    };
    const model = sequenceClassifier(SMALL_BERT, initialiseParameters(backend, SMALL_BERT, 5));
    const optimizer = { learningRate: 1e-3, weightDecay: 0.01 };
    const settings = trainingSettings({
      optimizer,
      pruning,
      profile: "strict",
      sparseProducts: "always",
    });
    const session = createSession(backend, model, settings);
    let without = 0;
    for (let step = 0; step < 9; step++) {
      trainStepInto(session, randomBatch([6, 9, 4], 9, step));
      expect(prunedWithMoments(session as TrainingSession<never>).moments).toBe(0);
      expect(drifted(session)).toBe(0);
      const { blockSparse } = sparseProducts(session as TrainingSession<never>);
      for (const { weightGradient, wholeBlocks } of blockSparse?.values() ?? []) {
        if (weightGradient) without++;
        if (step > 3) expect(wholeBlocks).toBe(isWhole);
      }
    }
    expect(without).toBeGreaterThan(0);
    end(session);
  });
});

describe("under strict, pruned weights have no moments after any step", () => {
  test.each(PRUNERS)("%s", (_, pruning) => {
    const session = start(pruning, "strict");
    let pruned = 0;
    for (let step = 0; step < STEPS; step++) {
      trainStepInto(session, randomBatch([6, 9, 4], 9, step));
      const counts = prunedWithMoments(session as TrainingSession<never>);
      expect(counts.moments).toBe(0);
      pruned = counts.pruned;
    }
    expect(pruned).toBeGreaterThan(0);
    end(session);
  });
});
