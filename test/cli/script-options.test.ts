import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Console } from "../../src/cli/console.ts";
import { runCommandLine } from "../../src/cli/dispatch.ts";
import { PROJECT_ROOT } from "../packaging/distribution.ts";

/** The arguments of run_glue_no_trainer.py of Intel Neural Compressor 3.7.1 in their order, with a value for each. */
const OPTIONS: Readonly<Record<string, string>> = {
  task_name: "mrpc",
  train_file: "train.csv",
  validation_file: "validation.csv",
  max_length: "128",
  pad_to_max_length: "",
  model_name_or_path: "model",
  teacher_model_name_or_path: "teacher",
  use_slow_tokenizer: "",
  per_device_train_batch_size: "8",
  per_device_eval_batch_size: "8",
  distill_loss_weight: "0.0",
  learning_rate: "5e-5",
  weight_decay: "0.0",
  num_train_epochs: "3",
  max_train_steps: "10",
  gradient_accumulation_steps: "1",
  lr_scheduler_type: "polynomial",
  num_warmup_steps: "0",
  output_dir: "out",
  seed: "1",
  cooldown_epochs: "0",
  push_to_hub: "",
  hub_model_id: "me/model",
  sparsity_warm_epochs: "0",
  hub_token: "secret",
  do_prune: "",
  pruning_pattern: "4x1",
  target_sparsity: "0.8",
  pruning_frequency: "-1",
  pruning_type: "snip_momentum",
};
const REFUSED = ["push_to_hub", "hub_model_id", "hub_token"];

/** Runs `espalier finetune` with arguments, and returns what it writes. */
async function finetune(...argv: readonly string[]): Promise<string> {
  let text = "";
  const out: Console["out"] = {
    write: (part) => {
      text += part;
    },
    isTerminal: false,
    columns: 100,
  };
  const console: Console = {
    ...{ out, err: out, signal: new AbortController().signal, engine: null },
    workerScript: new URL(import.meta.url),
  };
  expect(await runCommandLine(["finetune", ...argv], console)).toBe(2);
  return text;
}

test.each(Object.entries(OPTIONS))("--%s is known in both spellings", async (name, value) => {
  for (const option of [`--${name}`, `--${name.replaceAll("_", "-")}`]) {
    const text = await finetune(option, ...(value === "" ? [] : [value]));
    const own = text.split("\n").filter((line) => line.startsWith(option));
    expect(own).toEqual(
      REFUSED.includes(name)
        ? [expect.stringMatching(/: expected no such option \(nothing is uploaded: .*\), got one$/)]
        : [],
    );
    expect(text).not.toContain("secret");
  }
});

test("--use-slow-tokenizer contradicts --tokenizer fast", async () => {
  expect(await finetune("--use_slow_tokenizer", "--tokenizer", "fast")).toContain(
    "--use-slow-tokenizer: expected no --tokenizer fast beside it, got both",
  );
});

test("docs/script-options.md has a row for each", () => {
  const text = readFileSync(join(PROJECT_ROOT, "docs", "script-options.md"), "utf8");
  const named = [...text.matchAll(/^\| `--(\w+)`/gm)].map(([, name]) => name);
  expect([...named].sort()).toEqual(Object.keys(OPTIONS).sort());
});

test.each([
  ["--max-grad-norm", "0"],
  ["--label-smoothing", "1"],
  ["--gradient-accumulation-steps", "0"],
  ["--dense-max-train-steps", "0"],
  ["--lr-scheduler-type", "step"],
])("%s %s is refused", async (option, value) => {
  expect(await finetune(option, value)).toMatch(
    new RegExp(`^${option}: expected .*"${value}"`, "m"),
  );
});
