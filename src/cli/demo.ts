/** `espalier demo`: fine-tunes and prunes a small model on a generated task, without any downloads. */

import { describeDemo } from "../run/demo.ts";
import { type Command, defineCommand } from "./command.ts";
import { choiceOption, integersOption, textOption } from "./options.ts";
import { runTrainingCommand, TRAINING_OPTIONS } from "./training.ts";

const DEFAULT_DIRECTORY = "espalier-demo";
const DEFAULT_SEEDS = [1, 2];

const OPTIONS = {
  out: textOption("DIR", `where everything is written (default ./${DEFAULT_DIRECTORY})`),
  seeds: integersOption({ least: 0 }, `the seeds (default ${DEFAULT_SEEDS.join()})`, ["seed"]),
  ...TRAINING_OPTIONS,
  profile: choiceOption(["inc", "strict"], "pruning semantics (default strict: exact counts)"),
} as const;

export const demoCommand: Command = defineCommand({
  name: "demo",
  summary: "train and prune a small BERT on a task that comes with the package",
  description: [
    "Trains a small BERT on generated sentences, in which word order and negation decide. Then prunes it to 4x1 blocks, to 2:4 and to whole channels while it is distilled from the dense model, over two seeds. Prints the results and writes a report. Replaces an earlier demo in the same directory.",
  ],
  positionals: [],
  options: OPTIONS,
  run: async ({ values, json }, console) => {
    const { profile = "strict", variant, threads, verbose = false } = values;
    return runTrainingCommand(
      {
        title: "A small BERT, dense and pruned to three patterns",
        summary:
          "A generated task in which word order and negation decide: dense training, then pruning while the sparse model is distilled from the dense one.",
        plan: { ...describeDemo(), profile, variant },
        seeds: values.seeds ?? DEFAULT_SEEDS,
        directory: values.out ?? DEFAULT_DIRECTORY,
        threads,
      },
      { json, verbose },
      console,
    );
  },
});
