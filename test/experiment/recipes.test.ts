import { describe, expect, test } from "vitest";
import { type RecipeOverrides, recipeWith } from "../../src/experiment/recipe-overrides.ts";
import {
  findRecipe,
  pruningSteps,
  RECIPES,
  recipePruningConfig,
} from "../../src/experiment/recipes.ts";
import { createBackend } from "../../src/kernels/backend.ts";
import { modelNames } from "../../src/model/names.ts";
import { initialiseParameters } from "../../src/model/parameters.ts";
import { initialiseTrainingPruning, parseTrainingPruning } from "../../src/train/pruning.ts";
import { layerRecords, sequenceClassifier } from "../../src/train/trainable-model.ts";
import { SMALL_MODELS } from "../model/small-models.ts";

const MRPC_ROWS = 3668;

function sparse(name: string) {
  const recipe = findRecipe(name).sparse;
  if (recipe === null) throw new Error(`${name} has no sparse phase`);
  return recipe;
}

test("names are distinct and findable", () => {
  expect(new Set(RECIPES.map(({ name }) => name)).size).toBe(RECIPES.length);
  for (const recipe of RECIPES) expect(findRecipe(recipe.name)).toBe(recipe);
  expect(() => findRecipe("bertmini-mrpc")).toThrow(/expected one of .*bertmini-mrpc-4x1.*, got/);
});

test("pruning steps round as the script does", () => {
  expect(pruningSteps(sparse("bertmini-mrpc-4x1"), MRPC_ROWS)).toEqual({
    startStep: 229,
    endStep: 2292,
    pruningFrequency: 50,
  });
  expect(pruningSteps(sparse("bertmini-mrpc-mixed"), MRPC_ROWS).pruningFrequency).toBe(51);
  expect(pruningSteps(sparse("distilbert-mrpc-2in4"), MRPC_ROWS).endStep).toBe(18340);
  expect(() => pruningSteps(sparse("bertmini-mrpc-4x1"), 0)).toThrow(/exampleCount/);
});

test("a frequency of the script's own is at least one step, however few the rows", () => {
  expect(pruningSteps(sparse("bertmini-mrpc-mixed"), 20).pruningFrequency).toBe(1);
});

test("the published table", () => {
  const row = (name: string) => {
    const { epochs, cooldownEpochs, learningRate, weightDecay, ...rest } = sparse(name);
    const { distillationWeight, pruningFrequency, targetSparsity } = rest;
    return [
      epochs,
      cooldownEpochs,
      learningRate,
      weightDecay,
      distillationWeight,
      pruningFrequency,
      targetSparsity,
    ];
  };
  expect(row("bertmini-mrpc-4x1")).toEqual([15, 5, 1e-3, 1e-3, 5, 50, 0.9]);
  expect(row("bertmini-mrpc-2in4")).toEqual([15, 5, 1e-3, 1e-3, 5, 50, 0.5]);
  expect(row("bertmini-mrpc-1xchannel")).toEqual([15, 5, 1e-3, 1e-3, 5, 50, 0.6]);
  expect(row("bertmini-mrpc-mixed")).toEqual([15, 5, 1e-3, 1e-3, 5, "auto", 0.9]);
  expect(row("bertmini-sst2-4x1")).toEqual([15, 5, 5e-5, 5e-5, 2, 500, 0.9]);
  expect(row("bertmini-sst2-2in4")).toEqual([15, 5, 5e-5, 5e-5, 2, 500, 0.5]);
  expect(row("bertmini-sst2-1xchannel")).toEqual([15, 5, 5e-5, 5e-5, 2, 500, 0.6]);
  expect(row("distilbert-mrpc-4x1")).toEqual([120, 40, 1e-4, 0, 2, 50, 0.9]);
  const dense = (name: string) => {
    const { epochs, batchSize, learningRate, weightDecay } = findRecipe(name).dense;
    return [epochs, batchSize, learningRate, weightDecay];
  };
  expect(dense("bertmini-mrpc-dense")).toEqual([5, 16, 5e-5, 5e-5]);
  expect(dense("bertmini-sst2-dense")).toEqual([10, 32, 5e-5, 0]);
});

test("the per-channel recipes: what runs, and what the scripts asked for", () => {
  const type = (name: string) => sparse(name).pruningConfigs[0]?.pruning_type;
  expect(type("bertmini-mrpc-1xchannel")).toBe("snip_momentum");
  expect(type("bertmini-mrpc-1xchannel-progressive")).toBe("snip_momentum_progressive");
  expect(type("bertmini-sst2-1xchannel-progressive")).toBe("snip_momentum_progressive");
});

test("a recipe becomes a configuration in INC's keys", () => {
  expect(recipePruningConfig(sparse("bertmini-mrpc-4x1"), MRPC_ROWS)).toMatchObject({
    target_sparsity: 0.9,
    pattern: "4x1",
    pruning_frequency: 50,
    start_step: 229,
    end_step: 2292,
    pruning_configs: [{ pruning_scope: "global", excluded_op_names: ["pooler"] }],
  });
  const mixed = recipePruningConfig(sparse("bertmini-mrpc-mixed"), MRPC_ROWS);
  expect(mixed).not.toHaveProperty("pattern");
});

test("with maxTrainSteps, pruning ends with the run under strict, and by whole epochs under inc", () => {
  // 230 steps an epoch, of which the second is cut after 70.
  const phase = { ...sparse("bertmini-mrpc-4x1"), cooldownEpochs: 0, maxTrainSteps: 300 };
  expect(pruningSteps(phase, MRPC_ROWS, "strict")).toMatchObject({ startStep: 229, endStep: 300 });
  expect(pruningSteps(phase, MRPC_ROWS, "inc").endStep).toBe(458);
  const accumulated = { ...phase, gradientAccumulationSteps: 4, maxTrainSteps: 100 };
  expect(pruningSteps(accumulated, MRPC_ROWS, "strict")).toMatchObject({
    ...{ startStep: 57, endStep: 100 },
  });
});

test("another pattern has its own target, unless an option gives one", () => {
  const target = (overrides: RecipeOverrides) =>
    recipeWith(findRecipe("bertmini-mrpc-4x1"), overrides).sparse?.targetSparsity;
  expect(target({ pruningPattern: "2:4" })).toBe(0.5);
  expect(target({ pruningPattern: "1xchannel" })).toBe(0.6);
  expect(target({ pruningPattern: "8x1" })).toBe(0.9);
  expect(target({ pruningPattern: "2:4", targetSparsity: 0.25 })).toBe(0.25);
  const half = recipeWith(findRecipe("bertmini-mrpc-4x1"), { targetSparsity: 0.5 });
  expect(recipeWith(half, { pruningPattern: "4x1" }).sparse?.targetSparsity).toBe(0.5);
});

describe.each(SMALL_MODELS)("the head of %s", (_, config) => {
  const { dense, classifier } = modelNames(config).head;
  const model = sequenceClassifier(
    config,
    initialiseParameters(createBackend({ variant: "scalar" }), config, 1),
  );
  /** The layers of the head that a recipe prunes. */
  const pruned = (name: string, profile: "inc" | "strict"): readonly string[] => {
    const keys = recipePruningConfig(sparse(name), MRPC_ROWS, profile);
    const config = parseTrainingPruning(keys, profile);
    const { state } = initialiseTrainingPruning(config, layerRecords(model), profile, []);
    const { pruners } = state;
    const names = pruners.flatMap(({ layers }) => layers.map((layer) => layer.name));
    expect(names.length).toBeGreaterThan(1);
    return names.filter((layer) => layer === dense || layer === classifier);
  };

  test("is not pruned under strict if the recipe excludes the pooler", () => {
    for (const name of ["bertmini-mrpc-4x1", "generic"]) expect(pruned(name, "strict")).toEqual([]);
  });

  test("is pruned under inc but for names with `pooler` or with the name of the output layer", () => {
    const isExcluded = dense.includes("pooler") || new RegExp(classifier).test(dense);
    expect(pruned("bertmini-mrpc-4x1", "inc")).toEqual(isExcluded ? [] : [dense]);
  });
});
