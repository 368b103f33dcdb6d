/** `espalier plan` on a model directory and on a file. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { tensorFromFloat32, writeSafetensors } from "../../src/io/safetensors.ts";
import { espalier, temporaryDirectory, writeModel } from "./fixtures.ts";

const root = temporaryDirectory();
const path = (...parts: string[]): string => join(root, ...parts);
let model = "";

beforeAll(async () => {
  model = await writeModel(path("bert"));
});

async function plan(config: unknown, ...more: readonly string[]) {
  writeFileSync(path("config.json"), JSON.stringify(config));
  return espalier(["plan", "--config", path("config.json"), "--model", model, ...more]);
}

const SCHEDULE = { start_step: 2, end_step: 8, pruning_frequency: 2 };

describe("espalier plan", () => {
  test("shows layers with the reason, and what each prune step makes", async () => {
    const config = [
      {
        ...{ pattern: "4x1", target_sparsity: 0.5, sparsity_decay_type: "linear", ...SCHEDULE },
        excluded_op_names: ["pooler"],
      },
    ];
    const { code, out } = await plan(config, "--steps", "10");
    expect(code).toBe(0);
    expect(out).toContain("profile inc, 10 steps; layers in the order of config.json\n");
    expect(out).toContain("pruner 1: 4x1, snip_momentum, global: 6 layers\n");
    expect(out).toMatch(/^bert\.encoder\.layer\.0\.attention\.self\.query +linear +16x16 +64$/m);
    expect(out).toContain(
      "left alone: a head by its name: classifier.weight (32 elements, 0.0093)\n",
    );
    expect(out).toContain("left alone: bert.pooler.dense: excluded by pooler\n");
    expect(out).toMatch(/^2 +0\.0000 +0\/512 +0\.0000\n4 +0\.1667 +85\/512 +0\.1660\n/m);
    expect(out).toMatch(/^8 +0\.5000 +256\/512 +0\.5000$/m);
  });

  test("gives one document as JSON, with the counts of either scope", async () => {
    const config = { pattern: "2:4", target_sparsity: 0.5, pruning_scope: "local", ...SCHEDULE };
    const { code, out } = await plan(config, "--steps", "9", "--profile", "strict", "--json");
    expect(code).toBe(0);
    const { profile, order, pruners } = JSON.parse(out);
    expect({ profile, order }).toEqual({ profile: "strict", order: "config.json" });
    expect(pruners[0].schedule.at(-1)).toEqual({ step: 8, target: 0.5, prunedBlocks: 576 });
    expect(pruners[0].blocks).toBe(576);
  });

  test.each<[object, readonly string[], RegExp]>([
    [{ start_step: 20, end_step: 30 }, [], /start_step: expected below 10, the steps of training/],
    [{ end_step: 12, pruning_frequency: 4 }, [], /end_step: expected the last prune step below 10/],
    [{ op_names: ["decoder"], end_step: 8 }, [], /op_names: expected to match a layer/],
    [{ pattern: "3x5", end_step: 8 }, [], /pattern: expected one that divides a selected layer/],
    [
      { max_sparsity_ratio_per_op: 0.5, end_step: 8 },
      [],
      /max_sparsity_ratio_per_op: expected room for/,
    ],
    [
      { pattern: "16x16", op_names: ["query"], target_sparsity: 0.5, end_step: 8 },
      [],
      /target_sparsity: expected a share of at least one block: nothing would be pruned/,
    ],
    [
      { pruning_type: "pattern_lock", end_step: 0 },
      [],
      /pruning_type: expected a pruner whose counts its schedule decides, got pattern_lock/,
    ],
    [{ patern: "4x1" }, [], /config\.json: patern: expected a known key; the nearest is pattern/],
  ])("refuses %j", async (config, more, message) => {
    const { code, out, err } = await plan(config, "--steps", "10", ...more);
    expect({ code, out }).toEqual({ code: 2, out: "" });
    expect(err).toMatch(message);
  });

  test("refuses what is missing, all at once", async () => {
    const { code, err } = await espalier(["plan", "--config", "x.yaml"]);
    expect(code).toBe(2);
    expect(err).toBe("--model: expected a IN, got none\n--steps: expected a N, got none\n");
  });

  test("takes a file's own order where no configuration tells", async () => {
    const tensor = tensorFromFloat32("F32", [4, 4], new Float32Array(16));
    writeFileSync(path("one.safetensors"), writeSafetensors(new Map([["fc1.weight", tensor]])));
    writeFileSync(path("config.json"), JSON.stringify({ end_step: 2, pattern: "4x1" }));
    const argv = ["plan", "--config", path("config.json"), "--model", path("one.safetensors")];
    const { code, out } = await espalier([...argv, "--steps", "3"]);
    expect(code).toBe(0);
    expect(out).toContain("layers in the order of the files\n");
  });
});
