/** Describes the demo run: a small BERT is trained on a generated task and pruned to three patterns. */

import { generateDemoTask } from "../experiment/demo-task.ts";
import { MODEL_CONFIGS } from "../experiment/model-configs.ts";
import type { RunDescription } from "../experiment/plan.ts";
import { findRecipe } from "../experiment/recipes.ts";
import { createTokenizer } from "../io/tokenizer.ts";
import { parseModelConfigOrThrow } from "../model/config.ts";

export function describeDemo(): RunDescription {
  const { train, dev, vocabulary } = generateDemoTask();
  const tokenizer = createTokenizer(vocabulary);
  const config = parseModelConfigOrThrow({
    ...MODEL_CONFIGS["bert-demo"],
    vocab_size: tokenizer.vocabulary.tokens.length,
  });
  return {
    recipes: ["demo-4x1", "demo-2in4", "demo-1xchannel"].map(findRecipe),
    config,
    tokenizer,
    trainingRows: train,
    evaluationRows: dev,
  };
}
