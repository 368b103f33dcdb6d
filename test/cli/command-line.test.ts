import { expect, onTestFinished, test, vi } from "vitest";
import manifest from "../../package.json" with { type: "json" };
import { COMMANDS } from "../../src/cli/dispatch.ts";
import { espalier } from "./fixtures.ts";

test("--version prints the package's version", async () => {
  expect(await espalier(["--version"])).toEqual({ code: 0, out: `${manifest.version}\n`, err: "" });
});

test("--help lists every command; no command at all shows it too, as wrong usage", async () => {
  const help = await espalier(["--help"]);
  expect(help.code).toBe(0);
  for (const { name, summary } of COMMANDS)
    expect(help.out).toContain(`${name.padEnd(9)}  ${summary}`);
  expect(await espalier([])).toEqual({ ...help, code: 2 });
});

test("every command has its own help", async () => {
  for (const { name } of COMMANDS) {
    const help = await espalier([name, "--help"]);
    expect(help.code).toBe(0);
    expect(help.out).toContain(`usage: espalier ${name}`);
    expect(help.out).toContain("--json");
    const longest = Math.max(...help.out.split("\n").map((line) => line.length));
    expect(longest).toBeLessThanOrEqual(110);
  }
});

test("the help of finetune names every option of the example script", async () => {
  const { out } = await espalier(["finetune", "-h"]);
  const names =
    "task-name train-file validation-file max-length model-name-or-path teacher-model-name-or-path " +
    "per-device-train-batch-size per-device-eval-batch-size distill-loss-weight learning-rate weight-decay " +
    "num-train-epochs lr-scheduler-type num-warmup-steps output-dir seed cooldown-epochs sparsity-warm-epochs " +
    "do-prune pruning-pattern target-sparsity pruning-frequency pruning-type";
  for (const name of names.split(" ")) expect(out).toContain(`--${name}`);
});

test("an unknown command is refused with the nearest known one", async () => {
  const { code, out, err } = await espalier(["finetun"]);
  expect(code).toBe(2);
  expect(out).toBe("");
  expect(err).toBe(
    'espalier: expected one of the commands finetune, demo, plan, prune, verify, inspect, pack, unpack, shrink, export, bundle, evaluate, predict, classify, conform, self-test, bench, got "finetun" (did you mean finetune?)\n',
  );
});

test("an unknown option is refused with the nearest known one", async () => {
  const { code, err } = await espalier(["finetune", "--prunning_pattern", "4x1"]);
  expect(code).toBe(2);
  expect(err).toContain("--prunning_pattern: expected an option of espalier finetune");
  expect(err).toContain("did you mean --pruning-pattern?");
});

test("a path is told as it was given, also if it is the name of an option", async () => {
  vi.stubEnv("HF_HUB_CACHE", "hub");
  onTestFinished(() => void vi.unstubAllEnvs());
  const refusal = (name: string): string =>
    `IN: expected a checkpoint, or a model in the Hugging Face cache, got ${name} (no such path, ` +
    `and no models--${name} in hub); to download it: hf download ${name}\n`;
  const prune = await espalier([
    "prune",
    "layers",
    "--pattern",
    "2:4",
    "--sparsity",
    "0.5",
    "--out",
    "x",
  ]);
  expect(prune.err).toBe(refusal("layers"));
  const inspect = await espalier(["inspect", "html"]);
  expect(inspect.err).toBe(refusal("html"));
  const verify = await espalier(["verify", "./layers", "--pattern", "2:4"]);
  expect(verify.err).toBe("./layers: expected a checkpoint, got nothing there\n");
});

test("options are told as they are typed, in all parts of a message", async () => {
  const missing = await espalier(["finetune", "--seed", "1", "--seeds", "2,3"]);
  expect(missing.err.split("\n")).toEqual([
    "--out: expected a directory, got nothing",
    "--task: expected one of cola, mnli, mrpc, qnli, qqp, rte, sst2, stsb, wnli, or --train-file alone, got nothing",
    "--data: expected a directory, or --train-file and --validation-file, got nothing",
    "--model: expected a model directory, or --vocab FILE to start from random weights, got nothing",
    "--seed: expected no --seeds beside it, got both",
    "",
  ]);
  const both = await espalier([
    ...["finetune", "--task", "mrpc", "--data", "x", "--model", "x", "--out", "x"],
    ...["--pruning-config", "x", "--do-prune", "false", "--pruning-type", "magnitude"],
  ]);
  expect(both.err.split("\n")).toEqual([
    "--pruning-type: expected a run that prunes, got --do-prune false",
    "--pruning-type: expected no --pruning-config beside it, got both",
    "--do-prune false: expected no --pruning-config beside it, got both",
    "",
  ]);
});
