import { beforeAll, expect, test } from "vitest";
import { formatProblem, isLeft } from "../../src/core/either.ts";
import type { FinetuningRequest } from "../../src/experiment/finetuning-request.ts";
import { prepareFinetuning } from "../../src/run/finetuning.ts";
import { resolveRun } from "../../src/run/plan.ts";
import { planLines } from "../../src/run/plan-lines.ts";
import { planSettings } from "../../src/run/plan-settings.ts";
import { mrpcText } from "../cli/fixtures.ts";
import { memoryStorage } from "./memory-storage.ts";
import { saveSmallModel } from "./small-model.ts";

const storage = memoryStorage();

beforeAll(async () => {
  await saveSmallModel(storage, "model");
  await storage.write("data/train.tsv", mrpcText(32));
  await storage.write("data/dev.tsv", mrpcText(12));
  await storage.write("weights.json", '{"not_equivalent": 2.718281828, "equivalent": 1}');
  await storage.write("pruning.yaml", "- pattern: '2:4'\n  target_sparsity: 0.5\n  end_step: 9\n");
});

const REQUEST: FinetuningRequest = {
  task: "mrpc",
  data: "data",
  model: "model",
  maxSeqLength: 32,
  numTrainEpochs: 7,
};

async function planOf(changes: Partial<FinetuningRequest>) {
  const prepared = await prepareFinetuning(storage, { ...REQUEST, ...changes });
  if (isLeft(prepared)) throw new Error(prepared.left.map(formatProblem).join("\n"));
  return prepared.right.description;
}

test("a plan is one line for the run and one for each phase, for every recipe", async () => {
  expect(planLines(await planOf({}))).toEqual([
    "recipe bertmini-mrpc-4x1: inputs of at most 32 tokens, compared by F1",
    "dense: 5 epochs (10 steps of 16 rows, 5 evaluations) at 0.00005 linear, weight decay 0.00005",
    "sparse 4x1: 7 epochs (14 steps of 16 rows, 7 evaluations) at 0.001 constant, weight decay 0.001; target 0.9 in 1 prune step from step 2 to 4, profile inc; cool-down 5 epochs; distillation: weight 5, padding included",
  ]);
  const once = { doPrune: false, numTrainEpochs: 1, perDeviceTrainBatchSize: 32 };
  expect(planLines(await planOf({ ...once, denseNumTrainEpochs: 1 }))[1]).toBe(
    "dense: 1 epoch (1 step of 32 rows, 1 evaluation) at 0.00005 linear, weight decay 0.00005",
  );
  expect(planLines(await planOf({ denseNumTrainEpochs: 0 }))[1]).toBe("dense: none");
});

const ALL: Partial<FinetuningRequest> = {
  maxGradNorm: 0.5,
  labelSmoothing: 0.1,
  classWeights: "weights.json",
  gradientAccumulationSteps: 2,
  denseGradientAccumulationSteps: 2,
  perDeviceTrainBatchSize: 4,
  densePerDeviceTrainBatchSize: 4,
  saveBest: "loss",
  earlyStoppingPatience: 1,
  padToMaxLength: true,
  batching: "bucketed",
  denseNumWarmupSteps: 1,
};

test("settings that are given are listed in the phases that read them", async () => {
  expect(planLines(await planOf({ ...ALL, profile: "strict" }))).toEqual([
    "recipe bertmini-mrpc-4x1: inputs of at most 32 tokens, batches padded to that length, compared by F1, saves the best model by loss, stops a phase after 1 evaluation without a better loss",
    "dense: 5 epochs (20 steps of 2 batches of 4 rows, 5 evaluations) at 0.00005 linear after 1 warm-up step, weight decay 0.00005, batches of rows of similar length, gradients clipped to norm 0.5, label smoothing 0.1, class weights not_equivalent 2.718, equivalent 1",
    "sparse 4x1: 7 epochs (28 steps of 2 batches of 4 rows, 7 evaluations) at 0.001 constant, weight decay 0.001, batches of rows of similar length, gradients clipped to norm 0.5; target 0.9 in 1 prune step from step 4 to 8, profile strict; cool-down 5 epochs; distillation: weight 5, padding included",
  ]);
  const [, dense, sparse] = planLines(await planOf(ALL));
  // The script stops after 5 x 8 / 2 steps, but only at the end of a step of the fifth epoch.
  expect(dense).toContain("(21 steps of up to 2 batches of 4 rows, 5 evaluations)");
  const when =
    "as in the example script (a step after batch 1 of an epoch, after every 2 more, and after the last; ";
  expect(dense).toContain(`accumulation ${when}each batch's loss is divided by 2)`);
  expect(sparse).toContain(`accumulation ${when}losses are not divided)`);
  const labels = planLines(await planOf({ ...ALL, distillLossWeight: 0 }))[2];
  expect(labels).toContain("label smoothing 0.1, class weights not_equivalent 2.718, equivalent 1");
  expect(labels).toMatch(/distillation: none$/);
});

test("a configuration file states the schedule", async () => {
  const sparse = planLines(await planOf({ pruningConfig: "pruning.yaml" }))[2];
  expect(sparse).toContain("sparse 2:4: 7 epochs");
  expect(sparse).toContain(
    "; target 0.5 in 1 prune step from step 2 to 9, profile inc; distillation",
  );
});

test("the settings of the report have the weights by label, in phases that read them", async () => {
  const settings = planSettings(resolveRun(await planOf(ALL)), [42], "scalar");
  expect(settings.filter(([name]) => /weights|smoothing|norm|update/.test(name))).toEqual([
    ["dense: batches of an update", "2, in the stepping of the example script"],
    ["dense: largest norm of gradients", "0.5"],
    ["dense: label smoothing", "0.1"],
    ["dense: class weights", "not_equivalent 2.718281828, equivalent 1"],
    ["sparse: batches of an update", "2, in the stepping of the example script"],
    ["sparse: largest norm of gradients", "0.5"],
  ]);
});
