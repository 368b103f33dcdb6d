import { expect, test } from "vitest";
import { namingSettings } from "../../src/cli/changed-settings.ts";
import { InputError } from "../../src/core/either.ts";

function problem(path: string, expected = "1", got = "2") {
  return { path, expected, got: `${got} in the snapshot` };
}

test("changed settings are named by their options, each once", () => {
  const changed = new InputError([
    problem("run.phases[0].settings.optimizer.learningRate", "0.0001", "0.0002"),
    problem("run.phases[0].settings.batching", '"bucketed"', '"shuffled"'),
    problem("run.phases[0].settings.schedule.totalSteps", "50", "40"),
    problem("run.phases[1].epochs", "5", "4"),
    problem("run.phases[1].settings.batching", '"bucketed"', '"shuffled"'),
    problem("run.phases[1].settings.pruning.end_step", "12", "8"),
    problem("run.phases[1].settings.classWeights[1]"),
    problem("run.phases[1].settings.optimizer.flavour"),
    problem("run.model.hiddenSize"),
  ]);
  expect(String(namingSettings(changed, true))).toBe(
    [
      "InputError: `denseLearningRate`: expected 0.0002 as in the run to continue, got 0.0001",
      '`batching`: expected "shuffled" as in the run to continue, got "bucketed"',
      "`numTrainEpochs`: expected 4 as in the run to continue, got 5",
      "`classWeights`: expected 2 as in the run to continue, got 1",
      "run.phases[1].settings.optimizer.flavour: expected 1, got 2 in the snapshot",
      "run.model.hiddenSize: expected 1, got 2 in the snapshot",
    ].join("\n"),
  );
});

test("a dense phase alone has the options without a prefix", () => {
  const changed = new InputError([problem("seed 3.phases[0].settings.optimizer.learningRate")]);
  expect(String(namingSettings(changed, false))).toContain("`learningRate`: expected 2 as in");
});

test("settings that follow from others stay if nothing else is named", () => {
  const changed = new InputError([problem("run.phases[0].settings.schedule.totalSteps")]);
  expect(String(namingSettings(changed, true))).toContain("totalSteps: expected 1, got 2 in");
});

test("other errors stay as they are", () => {
  const error = new RangeError("run.phases[0].epochs");
  expect(namingSettings(error, true)).toBe(error);
});
