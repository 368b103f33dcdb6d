import { describe, expect, test } from "vitest";
import { namingSettings } from "../../src/cli/changed-settings.ts";
import { InputError, type Problem } from "../../src/core/either.ts";

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
  expect(String(namingSettings(changed, true, {}))).toBe(
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
  expect(String(namingSettings(changed, false, {}))).toContain("`learningRate`: expected 2 as in");
});

test("settings that follow from others stay if nothing else is named", () => {
  const changed = new InputError([problem("run.phases[0].settings.schedule.totalSteps")]);
  expect(String(namingSettings(changed, true, {}))).toContain("totalSteps: expected 1, got 2 in");
});

test("other errors stay as they are", () => {
  const error = new RangeError("run.phases[0].epochs");
  expect(namingSettings(error, true, {})).toBe(error);
});

describe("changed pruning", () => {
  const options = (request: Parameters<typeof namingSettings>[2], ...problems: Problem[]) =>
    String(namingSettings(new InputError(problems), true, request)).replace("InputError: ", "");
  const key = (name: string, ...values: readonly string[]) =>
    problem(`run.phases[1].settings.pruning.${name}`, ...values);
  const patterns = problem("run.patterns", '"4x1"', '"4x1,2:4"');

  test("is named by the patterns, or by whether there are any", () => {
    expect(options({}, patterns)).toBe(
      '`pruningPattern`: expected "4x1,2:4" as in the run to continue, got "4x1"',
    );
    expect(options({}, problem("run.patterns", '""', '"4x1"'))).toBe(
      "`doPrune`: expected true as in the run to continue, got false",
    );
  });

  test("is named by the file if it sets the key", () => {
    const file = { pruningConfig: "pruning.yaml" };
    const local = key("pruning_configs[0].op_names[1]", "nothing", '".*key"');
    const added = key("pruning_configs[0].pattern", '"2:4"', "nothing");
    expect(options(file, local, added, key("start_step"), key("target_sparsity"))).toBe(
      [
        '`pruningConfig`: expected pruning_configs[0].op_names[1] ".*key" as in the run to continue, got nothing',
        '`pruningConfig`: expected no pruning_configs[0].pattern as in the run to continue, got "2:4"',
        "`pruningConfig`: expected start_step 2 as in the run to continue, got 1",
        "`pruningConfig`: expected target_sparsity 2 as in the run to continue, got 1",
      ].join("\n"),
    );
    expect(options({ ...file, targetSparsity: 0.5 }, key("target_sparsity"))).toBe(
      "`targetSparsity`: expected 2 as in the run to continue, got 1",
    );
    expect(options({}, problem("run.patterns", '"4x1"', '"mixed"'))).toBe(
      '`pruningConfig`: expected patterns "mixed" as in the run to continue, got "4x1"',
    );
  });

  test("that follows from the recipe or the profile is left out", () => {
    const profile = problem("run.phases[1].settings.profile", '"inc"', '"strict"');
    const local = key("pruning_configs[0].excluded_op_names[1]", "nothing", '"classifier"');
    expect(options({}, profile, local)).toBe(
      '`profile`: expected "strict" as in the run to continue, got "inc"',
    );
    expect(options({}, key("pruning_configs[0].pruning_type"))).toContain("`pruningType`");
  });
});
