/** `espalier demo`: the whole way on a task that the package makes itself, so that there is nothing to fetch. */

import { generateDemoTask } from "../experiment/demo-task.ts";
import { MODEL_CONFIGS } from "../experiment/model-configs.ts";
import { findRecipe, type Recipe } from "../experiment/recipes.ts";
import { createTokenizer } from "../io/tokenizer.ts";
import type { KernelVariant } from "../kernels/table.ts";
import type { RunPlan } from "../node/seed-task.ts";
import type { Profile } from "../prune/config.ts";
import { type Command, defineCommand } from "./command.ts";
import { tokenise } from "./finetune-plan.ts";
import { choiceOption, flagOption, integerOption, integersOption, textOption } from "./options.ts";
import { runSession } from "./training-session.ts";

const DEFAULT_DIRECTORY = "espalier-demo";
const DEFAULT_SEEDS = [1, 2];
const RECIPES: readonly Recipe[] = ["demo-4x1", "demo-2in4", "demo-1xchannel"].map(findRecipe);

const OPTIONS = {
  out: textOption("DIR", `where everything is written (default ./${DEFAULT_DIRECTORY})`),
  seeds: integersOption({ least: 0 }, `the seeds (default ${DEFAULT_SEEDS.join()})`, ["seed"]),
  threads: integerOption(
    { least: 1, most: 1024 },
    "threads in all; seeds run at once, and share them (default: one for each core)",
  ),
  variant: choiceOption(
    ["auto", "revectorized", "fma", "simd", "scalar"],
    "kernels to run (default auto: the fastest that passes its self-test here)",
  ),
  verbose: flagOption("say how kernels and threads were chosen"),
  profile: choiceOption(
    ["inc", "strict"],
    "whose pruning semantics (default strict: exact counts)",
  ),
} as const;

/** The plan of the demo. */
function planDemo(profile: Profile, variant: KernelVariant | "auto"): RunPlan {
  const task = generateDemoTask();
  const tokenizer = createTokenizer(task.vocabulary);
  const maxLength = Math.max(...RECIPES.map((recipe) => recipe.maxLength));
  return {
    recipes: RECIPES,
    profile,
    variant,
    modelConfig: {
      ...MODEL_CONFIGS["bert-demo"],
      vocab_size: tokenizer.vocabulary.tokens.length,
    },
    initialTensors: null,
    skipDense: false,
    teacher: null,
    pruningConfig: null,
    tokenizer,
    trainingRows: tokenise(tokenizer, task.train, maxLength),
    evaluationRows: tokenise(tokenizer, task.dev, maxLength),
  };
}

/** The command. */
export const demoCommand: Command = defineCommand({
  name: "demo",
  summary: "train and prune a small BERT on a task that comes with the package",
  description: [
    "Trains a small BERT on sentences that are generated on the spot (word order and negation decide), then prunes it to 4x1 blocks, to 2:4 and to whole channels while it is distilled from the dense model, over two seeds. Prints the results and writes a report. An earlier demo in the same directory is replaced.",
  ],
  positionals: [],
  options: OPTIONS,
  run: async ({ values, json }, console) =>
    runSession(
      {
        title: "A small BERT, dense and pruned to three patterns",
        summary:
          "A generated task in which word order and negation decide: dense training, then pruning while the sparse model is distilled from the dense one.",
        plan: planDemo(values.profile ?? "strict", values.variant ?? "auto"),
        seeds: values.seeds ?? DEFAULT_SEEDS,
        directory: values.out ?? DEFAULT_DIRECTORY,
        resume: false,
        threads: values.threads,
        verbose: values.verbose === true,
        json,
      },
      console,
    ),
});
