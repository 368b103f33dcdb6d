/** The commands that read checkpoints take names of models in the Hugging Face cache. */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { cacheModel, espalier, temporaryDirectory, writeModel } from "./fixtures.ts";

const root = temporaryDirectory();
const path = (...parts: string[]): string => join(root, ...parts);
const NAME = "org/small-model";
let snapshot = "";

beforeAll(async () => {
  vi.stubEnv("HF_HUB_CACHE", path("hub"));
  await writeModel(path("plain"));
  snapshot = cacheModel(path("hub"), NAME, path("plain"));
  writeFileSync(path("texts.txt"), "the tree\n");
  writeFileSync(path("pruning.json"), JSON.stringify([{ pattern: "4x1", end_step: 9 }]));
});
afterAll(() => vi.unstubAllEnvs());

/** Everything in the cache, with the bytes of files. */
function cached(): readonly (readonly [string, string])[] {
  return readdirSync(path("hub"), { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
    .map((file) => [file, readFileSync(file, "base64")] as const);
}

/** Runs a command on the model in the cache and on the plain directory, and expects the same apart from the name. */
async function runsAlike(command: string, ...options: string[]): Promise<string> {
  const run = async (model: string): Promise<string> => {
    const { code, out, err } = await espalier([command, model, ...options]);
    expect({ code, err }).toEqual({ code: 0, err: "" });
    return out;
  };
  const named = await run(NAME);
  expect(named).not.toContain(snapshot);
  expect(named).toBe((await run(path("plain"))).replaceAll(path("plain"), NAME));
  return named;
}

test("inspect and verify", async () => {
  expect(await runsAlike("inspect")).toMatch(/^org\/small-model\/model\.safetensors: one file/);
  await runsAlike("inspect", "--json");
  await runsAlike("verify", "--pattern", "4x1");
  const { code, err } = await espalier(["verify", NAME, "--pattern", "2:4", "--layers", "none"]);
  expect(code).toBe(2);
  expect(err).toMatch(/^org\/small-model\/model\.safetensors: expected a layer to judge, got none/);
});

test("the report of inspect", async () => {
  expect((await espalier(["inspect", NAME, "--html", path("report.html")])).code).toBe(0);
  const report = readFileSync(path("report.html"), "utf8");
  expect(report).toContain("Checkpoint org/small-model/model.safetensors");
  expect(report).not.toContain("snapshots");
});

test("plan", async () => {
  const options = ["--config", path("pruning.json"), "--steps", "10"];
  const { code, out } = await espalier(["plan", "--model", NAME, ...options]);
  expect(code).toBe(0);
  expect(out).toContain("layers in the order of config.json");
});

test("prune, pack, unpack and shrink write beside the cache, and nothing into it", async () => {
  const before = cached();
  const written = async (command: string, model: string, ...options: string[]) => {
    const to = path(`${command}-${model.length}`);
    const { code, out, err } = await espalier([command, model, ...options, "--out", to]);
    expect({ code, err }).toMatchObject({ code: 0 });
    expect(out).not.toContain(snapshot);
    return Object.fromEntries(
      readdirSync(to).map((file) => [file, readFileSync(join(to, file), "base64")]),
    );
  };
  const pruning = ["--pattern", "4x1", "--sparsity", "0.5"];
  const shrinking = ["--vocabulary-from", path("texts.txt")];
  for (const [command, ...options] of [
    ["prune", ...pruning],
    ["pack"],
    ["shrink", ...shrinking],
  ] as const)
    expect(await written(command, NAME, ...options)).toEqual(
      await written(command, path("plain"), ...options),
    );
  cacheModel(path("hub"), "packed", path(`pack-${NAME.length}`));
  const unpacked = await written("unpack", "packed");
  expect(unpacked).toMatchObject({
    "config.json": readFileSync(path("plain", "config.json"), "base64"),
    "model.safetensors": readFileSync(path("plain", "model.safetensors"), "base64"),
  });
  expect(cached().filter(([file]) => !file.includes("models--packed"))).toEqual(before);
});

test("a copy needs a path, which is not in the snapshot", async () => {
  const prune = ["prune", NAME, "--pattern", "4x1", "--sparsity", "0.5"];
  expect((await espalier(prune)).err).toContain("--out: expected a path for the copy, got none");
  const inside = await espalier([...prune, "--out", join(snapshot, "pruned")]);
  expect(inside.code).toBe(2);
  expect(inside.err).toContain("expected a path outside of what is copied");
  expect((await espalier(["pack", NAME])).err).toContain("--out: expected a path for the result");
});

test("a name that is not in the cache is refused with the command that downloads it", async () => {
  const refusal =
    "expected a checkpoint, or a model in the Hugging Face cache, got org/other (no such path, " +
    `and no models--org--other in ${path("hub")}); to download it: hf download org/other\n`;
  const pruning = ["--config", path("pruning.json"), "--steps", "10"];
  expect(await espalier(["plan", "--model", "org/other", ...pruning])).toEqual({
    code: 2,
    out: "",
    err: `--model: ${refusal}`,
  });
  for (const [command, ...options] of [
    ["prune", "--pattern", "4x1", "--sparsity", "0.5"],
    ["verify", "--pattern", "4x1"],
    ["inspect"],
    ["pack"],
    ["unpack"],
    ["shrink", "--vocabulary-from", path("texts.txt")],
  ] as const) {
    const out = ["inspect", "verify"].includes(command) ? [] : ["--out", path("other")];
    const { code, err } = await espalier([command, "org/other", ...options, ...out]);
    expect({ code, err }).toEqual({ code: 2, err: `IN: ${refusal}` });
  }
});
