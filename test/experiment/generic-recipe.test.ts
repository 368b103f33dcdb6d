import fc from "fast-check";
import { expect, test } from "vitest";
import {
  fitGeneric,
  NOMINAL_FACTS,
  type RecipeFacts,
} from "../../src/experiment/generic-recipe.ts";
import { phaseSteps, planPhases } from "../../src/experiment/plan.ts";
import type { RecipeOverrides } from "../../src/experiment/recipe-overrides.ts";
import { findRecipe, pruningSteps } from "../../src/experiment/recipes.ts";
import { parseModelConfigOrThrow } from "../../src/model/config.ts";

const base = findRecipe("generic");

function fitted(facts: Partial<RecipeFacts>, overrides: RecipeOverrides = {}) {
  const recipe = fitGeneric(base, overrides, { ...NOMINAL_FACTS, ...facts });
  if (recipe.sparse === null) throw new Error("expected a sparse phase");
  return { ...recipe, sparse: recipe.sparse };
}

test("nominal facts leave the recipe as it is", () => {
  expect(fitted({})).toEqual(base);
});

test("each phase has 500 steps or more, 40 prune steps and at most 20 evaluations", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 20_000 }), (trainingRows) => {
      const recipe = fitted({ trainingRows });
      const { dense, sparse } = recipe;
      for (const phase of [dense, sparse])
        expect(phaseSteps(phase, trainingRows)).toBeGreaterThanOrEqual(500);
      expect(sparse.cooldownEpochs).toBe(sparse.epochs / 4);
      const { startStep, endStep, pruningFrequency } = pruningSteps(sparse, trainingRows);
      expect(Math.floor((endStep - startStep) / pruningFrequency) + 1).toBeGreaterThanOrEqual(40);
      const plan = {
        config: parseModelConfigOrThrow({ model_type: "bert" }),
        recipes: [recipe],
        trainingRows: { length: trainingRows },
        evaluationRows: { length: 1 },
        profile: "strict",
        sparseProducts: "auto",
      } as const;
      for (const { epochs, evaluateEvery = 1 } of planPhases(plan, 1))
        expect(Math.ceil(epochs / evaluateEvery)).toBeLessThanOrEqual(20);
    }),
  );
});

test("the rate follows the width, the target the pattern, the length the positions", () => {
  const rate = (hiddenSize: number) => fitted({ hiddenSize }).sparse.learningRate;
  expect([128, 256, 257, 384, 512, 768].map(rate)).toEqual([1e-3, 1e-3, 2e-4, 2e-4, 2e-4, 1e-4]);
  const denseRate = (hiddenSize: number) => fitted({ hiddenSize }).dense.learningRate;
  expect([256, 384, 512, 513].map(denseRate)).toEqual([1e-4, 1e-4, 1e-4, 5e-5]);
  const target = (pruningPattern: string) => fitted({}, { pruningPattern }).sparse.targetSparsity;
  const patterns = ["4x1", "1x1", "2:4", "1:4", "1xchannel", "channelx1"];
  expect(patterns.map(target)).toEqual([0.9, 0.9, 0.5, 0.25, 0.6, 0.6]);
  expect(fitted({ maxPositions: 64 }).maxLength).toBe(64);
  expect(fitted({ maxPositions: 64 }, { maxSeqLength: 32 }).maxLength).toBe(32);
});

test("any option changes it", () => {
  const options = {
    numTrainEpochs: 4,
    learningRate: 0.01,
    targetSparsity: 0.5,
    pruningFrequency: 3,
    denseNumTrainEpochs: 0,
  };
  const { dense, sparse } = fitted({ trainingRows: 20 }, options);
  expect(dense.epochs).toBe(0);
  expect(sparse).toMatchObject({ epochs: 4, learningRate: 0.01, targetSparsity: 0.5 });
  expect(sparse).toMatchObject({ pruningFrequency: 3, cooldownEpochs: 1, sparsityWarmEpochs: 0.5 });
  expect(fitGeneric(base, { doPrune: false, numTrainEpochs: 7 }, NOMINAL_FACTS)).toMatchObject({
    sparse: null,
    dense: { epochs: 7 },
  });
});
