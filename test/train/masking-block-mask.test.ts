/** Block masks in training: their layers compute with weight x mask, so pruned weights have no gradient. */
import { expect, test } from "vitest";
import { createBackend } from "../../src/kernels/backend.ts";
import { PruningError } from "../../src/prune/layer.ts";
import { fineTune } from "../../src/train/loop.ts";
import { maskBlockGradientsInto } from "../../src/train/masking.ts";
import { createSession } from "../../src/train/session.ts";
import { trainingSettings } from "../../src/train/settings.ts";
import { trainStepInto } from "../../src/train/step.ts";
import { collate, makeRows, PRUNING, perceptronOptions } from "./perceptron.ts";

const backend = createBackend({ variant: "scalar" });
const BLOCK_MASK = { ...PRUNING, pruning_type: "block_mask", sparsity_decay_type: "linear" };

test.each(["inc", "strict"] as const)("prunes as asked while it trains (%s)", async (profile) => {
  const run = fineTune(perceptronOptions(backend, { pruning: BLOCK_MASK, profile }));
  const losses: number[] = [];
  for await (const event of run) if (event.type === "step") losses.push(event.loss);
  const layer = run.snapshot().pruning?.pruners[0]?.layers[0];
  const weight = run.snapshot().parameters.get("hidden.weight")?.data;
  expect(layer?.mask.filter((bit) => bit === 0).length).toBe(48);
  layer?.mask.forEach((bit, i) => {
    expect(weight?.[i] === 0).toBe(bit === 0);
  });
  expect(losses.at(-1)).toBeLessThan(losses[0] as number);
  run.release();
});

test("gradients are masked up to the end step and whole after it", () => {
  const { model, settings } = perceptronOptions(backend, { pruning: BLOCK_MASK });
  const session = createSession(backend, model, settings);
  const batch = collate(makeRows(3, 16));
  const masked: boolean[] = [];
  for (let step = 0; step < 26; step++) {
    trainStepInto(session, batch);
    const gradient = model.parameters.get("hidden.weight")?.gradient.data.fill(1);
    const state = session.pruning?.state;
    if (state === undefined) throw new Error();
    maskBlockGradientsInto(state, model.parameters);
    const mask = state.pruners[0]?.layers[0]?.mask ?? [];
    masked.push(mask.includes(0) && (gradient?.every((g, i) => g === mask[i]) ?? false));
    gradient?.fill(0);
  }
  // The state is looked at after the step has been counted; the first prune step prunes nothing.
  expect(masked.indexOf(true)).toBe(7);
  expect(masked.lastIndexOf(true)).toBe(21);
});

test("retrain_free, which trains nothing, is refused", () => {
  const pruning = { ...PRUNING, pattern: "channelx1", pruning_type: "retrain_free" };
  const { model } = perceptronOptions(backend);
  const start = () => createSession(backend, model, trainingSettings({ pruning }));
  expect(start).toThrow(PruningError);
  expect(start).toThrow(/pruning_type: expected one that goes with training, got retrain_free/);
});
