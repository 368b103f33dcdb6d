import { expect, test } from "vitest";
import { checkTrainingSettings, trainingSettings } from "../../src/train/settings.ts";

test.each([
  [{ learningRate: 1 }, "options.learningRate: expected a known key; the nearest is optimizer.lea"],
  [{ optimizer: { lr: 1 } }, "options.optimizer.lr: expected one of flavour, learningRate, betas"],
  [
    { schedule: { warmup: 1 } },
    "options.schedule.warmup: expected a known key; the nearest is war",
  ],
  [
    { distillation: { kind: "logits", weigth: 1 } },
    "options.distillation.weigth: expected a known",
  ],
])("the unknown key in %j is refused with a known name", (options, message) => {
  expect(() => trainingSettings(options as object)).toThrow(message);
});

test("settings that were made by hand are checked, too", () => {
  const settings = { ...trainingSettings(), batchin: "bucketed" };
  expect(() => checkTrainingSettings(settings)).toThrow("settings.batchin: expected a known key");
});
