import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import {
  readSafetensorsOrThrow,
  tensorFromFloat32,
  toFloat32,
  writeSafetensors,
} from "../../src/io/safetensors.ts";
import { espalier, temporaryDirectory } from "./fixtures.ts";

const GOLDEN = fileURLToPath(new URL("../golden", import.meta.url));
const TOKENIZER = fileURLToPath(new URL("../vectors/tokenizer", import.meta.url));

const root = temporaryDirectory();
const path = (...parts: string[]): string => join(root, ...parts);
let counter = 0;

/** A copy of one model and one joint case. */
function copyCases(): string {
  const directory = path(`golden-${counter++}`);
  for (const name of ["model/bert-nopad-single", "joint/4x1-distil"])
    cpSync(join(GOLDEN, name), join(directory, name), { recursive: true });
  return directory;
}

/** Adds to one entry of a tensor of a case. */
function alterTensor(file: string, name: string, by: number): void {
  const { tensors, metadata } = readSafetensorsOrThrow(new Uint8Array(readFileSync(file)));
  const tensor = tensors.get(name);
  if (tensor === undefined) throw new Error(`${file} has no ${name}`);
  const values = toFloat32(tensor);
  values[0] = (values[0] ?? 0) + by;
  const altered = new Map(tensors).set(name, tensorFromFloat32("F32", tensor.shape, values));
  writeFileSync(file, writeSafetensors(altered, metadata));
}

test("the project's vectors pass, counted by family", async () => {
  const { code, out } = await espalier(["conform", GOLDEN, "--only", "^(model|joint)/"]);
  expect(out).toMatch(
    /joint: 6 passed, 0 failed\nmodel: 14 passed, 0 failed\n20 passed, 0 failed\n$/,
  );
  expect(code).toBe(0);
});

test("an altered gradient or loss fails, with the first difference", async () => {
  const gradient = copyCases();
  const file = join(gradient, "model/bert-nopad-single/tensors.safetensors");
  alterTensor(file, "grad_ce/classifier.weight", 0.01);
  const altered = await espalier(["conform", gradient]);
  expect(altered.code).toBe(1);
  expect(altered.out).toMatch(
    /^FAIL model bert-nopad-single: layer classifier\.weight, grad_ce\[0\]: expected/m,
  );
  expect(altered.out).toMatch(/\n1 passed, 1 failed\n$/);

  const loss = copyCases();
  const json = join(loss, "joint/4x1-distil/case.json");
  const vector = JSON.parse(readFileSync(json, "utf8"));
  vector.events[3].loss *= 1.001;
  writeFileSync(json, JSON.stringify(vector));
  const joint = await espalier(["conform", loss]);
  expect(joint.code).toBe(1);
  expect(joint.out).toMatch(/^FAIL joint 4x1-distil: step 3, loss: expected/m);
});

test("an altered token id fails its line alone", async () => {
  const lines = readFileSync(join(TOKENIZER, "cases.jsonl"), "utf8").trim().split("\n");
  const vector = JSON.parse(lines[1] ?? "");
  vector.input_ids[1] += 1;
  mkdirSync(path("tokenizer"));
  writeFileSync(path("tokenizer", "cases.jsonl"), lines.with(1, JSON.stringify(vector)).join("\n"));
  const vocab = join(TOKENIZER, "vocab.txt");
  const { code, out } = await espalier(["conform", path("tokenizer"), "--vocab", vocab]);
  expect(code).toBe(1);
  expect(out).toMatch(/^FAIL tokenizer cases\.jsonl:2: input_ids\[1\]: expected/);
  expect(out).toMatch(new RegExp(`\\n${lines.length - 1} passed, 1 failed\\n$`));
  const first = await espalier([
    "conform",
    path("tokenizer"),
    "--vocab",
    vocab,
    "--only",
    "jsonl:1$",
  ]);
  expect(first.out).toMatch(/\n1 passed, 0 failed\n$/);
});

test("the vocabulary is found in the nearest directory above that has it", async () => {
  const nested = path("above", "golden", "tokenizer");
  mkdirSync(nested, { recursive: true });
  cpSync(join(TOKENIZER, "cases.jsonl"), join(nested, "cases.jsonl"));
  const without = await espalier(["conform", nested]);
  expect(without.code).toBe(2);
  expect(without.err).toContain("--vocab: expected a vocab.txt for the tokenizer's vectors");
  mkdirSync(path("above", "data", "bert-uncased"), { recursive: true });
  cpSync(join(TOKENIZER, "vocab.txt"), path("above", "data", "bert-uncased", "vocab.txt"));
  expect((await espalier(["conform", nested])).code).toBe(0);
});

test("damaged cases have failed; the others are still replayed", async () => {
  const damaged = copyCases();
  const file = join(damaged, "joint/4x1-distil/tensors.safetensors");
  writeFileSync(file, readFileSync(file).subarray(0, 5000));
  mkdirSync(join(damaged, "pruning/without-tensors"), { recursive: true });
  writeFileSync(join(damaged, "pruning/without-tensors/case.json"), "{");
  mkdirSync(join(damaged, "model/without-json"), { recursive: true });
  writeFileSync(join(damaged, "model/without-json/tensors.safetensors"), "");
  writeFileSync(join(damaged, "model/lr_schedule.json"), "[1, 2]");
  const { code, out } = await espalier(["conform", damaged]);
  expect(code).toBe(1);
  expect(out).toMatch(
    /^FAIL joint 4x1-distil: tensors\.safetensors: expected a header within the file's 5000 bytes, got one that ends at \d+$/m,
  );
  expect(out).toContain(
    "FAIL pruning without-tensors: tensors.safetensors: expected a file, got none\n",
  );
  expect(out).toContain("FAIL model without-json: case.json: expected a file, got none\n");
  expect(out).toContain(
    "FAIL model lr_schedule.json: lr_schedule.json: expected a list of objects, got another value\n",
  );
  expect(out).toMatch(/\n1 passed, 4 failed\n$/);
});

test("what is wrong in a case file is said once", async () => {
  const damaged = copyCases();
  const tensors = join(damaged, "joint/4x1-distil/tensors.safetensors");
  writeFileSync(tensors, "short");
  writeFileSync(join(damaged, "model/bert-nopad-single/case.json"), "{");
  const { code, out } = await espalier(["conform", damaged]);
  expect(code).toBe(1);
  expect(out).toContain(
    "FAIL joint 4x1-distil: tensors.safetensors: expected a safetensors file, got plain text\n",
  );
  expect(out).toMatch(/^FAIL model bert-nopad-single: case\.json: expected JSON, got /m);
  expect(out).not.toContain("replay");
});

test("with --json there is nothing but JSON lines", async () => {
  const { code, out } = await espalier(["conform", copyCases(), "--json"]);
  expect(code).toBe(0);
  const events = out
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  expect(events).toEqual([
    { event: "verdict", name: "4x1-distil", family: "joint", status: "passed", passed: true },
    {
      event: "verdict",
      name: "bert-nopad-single",
      family: "model",
      status: "passed",
      passed: true,
    },
    {
      event: "end",
      passed: 2,
      failed: 0,
      acceptable: 0,
      families: {
        joint: { passed: 1, failed: 0, acceptable: 0 },
        model: { passed: 1, failed: 0, acceptable: 0 },
      },
    },
  ]);
});

test("sets that are not known are named and not counted", async () => {
  const directory = copyCases();
  const other = (...parts: string[]): string => {
    mkdirSync(join(directory, ...parts.slice(0, -1)), { recursive: true });
    return join(directory, ...parts);
  };
  writeFileSync(other("others", "one", "case.json"), '{"pruners":[],"model":{}}');
  writeFileSync(other("roles", "bert", "config.json"), "{}");
  writeFileSync(other("tokens", "b", "lines.jsonl"), '{"text":""}\n');
  const { code, out } = await espalier(["conform", directory]);
  expect(code).toBe(0);
  expect(out).toBe(
    [
      "others: not a known set of vectors, not counted",
      "roles: not a known set of vectors, not counted",
      "tokens: not a known set of vectors, not counted",
      "joint: 1 passed, 0 failed",
      "model: 1 passed, 0 failed",
      "2 passed, 0 failed\n",
    ].join("\n"),
  );
  const json = await espalier(["conform", directory, "--json", "--only", "^joint/"]);
  expect(json.out).toContain('{"event":"unknown","set":"others"}\n');
  for (const set of ["others", join("others", "one")]) {
    const alone = await espalier(["conform", join(directory, set)]);
    expect(alone.code).toBe(2);
    expect(alone.out).toBe("");
    expect(alone.err).toContain("with sets that are not known: others");
  }
});

test("encoders that cannot be run are named, and no part of them is counted", async () => {
  const directory = copyCases();
  const albert = { class: "AlbertModel", problem_type_resolved: "regression", kind: "albert" };
  const at = join(directory, "encoders", "later");
  mkdirSync(at, { recursive: true });
  writeFileSync(join(at, "case.json"), JSON.stringify(albert));
  const { code, out } = await espalier(["conform", directory]);
  expect(code).toBe(0);
  expect(out).toMatch(
    /^encoders later: outside, not judged \(model_type: .*\)\njoint: 1 passed, 0 failed\n/,
  );
  expect(out).toMatch(/^2 passed, 0 failed\n$/m);
  const slugs = ["later", "later:losses", "lost"];
  const vectors = slugs.map((slug) => ({ family: "encoders", slug }));
  const manifest = { format: "espalier-conformance", version: "1.0.0", vectors };
  writeFileSync(join(directory, "manifest.json"), JSON.stringify(manifest));
  const listed = await espalier(["conform", directory]);
  expect(listed.out).toContain("encoders: 0 passed, 1 failed, 1 outside\n");
  expect(listed.out).toContain("lost");
  const alone = await espalier(["conform", at]);
  expect(alone.code).toBe(2);
  expect(alone.err).toContain("with vectors that cannot be replayed");
});

test("wrong usage is refused", async () => {
  mkdirSync(path("empty"));
  const refusals: readonly (readonly [readonly string[], string])[] = [
    [[], "DIR: expected an argument, got nothing"],
    [[path("none")], "DIR: expected a directory"],
    [[path("empty")], "DIR: expected a directory with vectors below it"],
    [[GOLDEN, "--only", "("], "--only: expected a regular expression"],
    [[GOLDEN, "--only", "no-such-vector"], "--only: expected to find a vector"],
  ];
  for (const [argv, message] of refusals) {
    const { code, out, err } = await espalier(["conform", ...argv]);
    expect(code).toBe(2);
    expect(out).toBe("");
    expect(err).toContain(message);
  }
});
