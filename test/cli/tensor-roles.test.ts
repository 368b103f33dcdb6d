/** The options about roles and layers, in every command on checkpoints. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { tensorFromFloat32, writeSafetensors } from "../../src/io/safetensors.ts";
import { espalier, temporaryDirectory } from "./fixtures.ts";

const root = temporaryDirectory();
const path = (...parts: string[]): string => join(root, ...parts);

/** Groups along the first axis have two zeros each, those along the second none. */
const inputsFirst = Float32Array.from({ length: 64 }, (_, i) =>
  Math.floor(i / 8) % 4 < 2 ? 0 : i,
);
const weights = writeSafetensors(
  new Map([
    ["h.0.attn.c_proj.weight", tensorFromFloat32("F32", [8, 8], inputsFirst)],
    ["h.0.attn.c_proj.bias", tensorFromFloat32("F32", [8], new Float32Array(8))],
    ["wte.weight", tensorFromFloat32("F32", [9, 8], new Float32Array(72).fill(1))],
  ]),
);

beforeAll(() => {
  writeFileSync(path("plain.safetensors"), weights);
  mkdirSync(path("gpt2"));
  writeFileSync(path("gpt2", "model.safetensors"), weights);
  writeFileSync(path("gpt2", "config.json"), JSON.stringify({ model_type: "gpt2" }));
});

const verify = (file: string, ...more: string[]) =>
  espalier(["verify", path(file), "--pattern", "2:4", "--exact", ...more]);

describe("the axes of a square weight", () => {
  test("come from the option, then from config.json, and else are assumed", async () => {
    const assumed = await verify("plain.safetensors");
    expect(assumed.code).toBe(1);
    expect(assumed.out).toContain(
      "assumed from names and shapes alone: roles of 2 tensors: h.0.attn.c_proj.weight linear [out,in]; wte.weight embedding\n",
    );
    for (const file of ["gpt2", "gpt2/model.safetensors"]) {
      const known = await verify(file);
      expect(known.code).toBe(0);
      expect(known.out).not.toContain("assumed");
    }
    expect((await verify("plain.safetensors", "--axes", "c_proj=in,out")).code).toBe(0);
    expect((await verify("gpt2", "--axes", "c_proj=out,in")).code).toBe(1);
  });

  test("can be required not to be assumed", async () => {
    expect((await verify("gpt2", "--strict-roles")).code).toBe(0);
    const { code, err } = await verify("plain.safetensors", "--strict-roles");
    expect(code).toBe(2);
    expect(err).toMatch(
      /expected roles from config\.json, --role or --axes, because of --strict-roles/,
    );
    const stated = ["--role", "wte=embedding", "--axes", "c_proj=in,out"];
    expect((await verify("plain.safetensors", "--strict-roles", ...stated)).code).toBe(0);
  });
});

test("every command on checkpoints states roles and accounts for all elements", async () => {
  const out = (name: string): string => path(name);
  const config = path("pruners.json");
  writeFileSync(config, JSON.stringify([{ pattern: "2:4", target_sparsity: 0.5, end_step: 4 }]));
  const commands = [
    ["verify", path("gpt2"), "--pattern", "2:4"],
    ["prune", path("gpt2"), "--pattern", "2:4", "--sparsity", "0.5", "--out", out("pruned")],
    ["plan", "--model", path("gpt2"), "--config", config, "--steps", "9"],
    ["inspect", path("gpt2")],
    ["pack", path("gpt2"), "--out", out("packed")],
  ];
  for (const argv of commands) {
    const { out: text } = await espalier([...argv, "--json"]);
    const { coverage, assumptions } = JSON.parse(text.trim().split("\n").at(-1) ?? "");
    const left = coverage.left.reduce(
      (sum: number, one: { elements: number }) => sum + one.elements,
      0,
    );
    expect([argv[0], coverage.judged.elements + left, assumptions]).toEqual([argv[0], 144, []]);
  }
});

test.each([
  [["--role", "wte"], /^--role: expected REGEX=linear\|convolution/],
  [["--role", "(=linear"], /^--role: expected a regular expression, got \(/],
  [["--role", "wte=layer"], /^--role: expected REGEX=linear\|.*, got wte=layer/],
  [
    ["--role", "wte=experts"],
    /^--role: expected 3 dimensions for experts, got wte\.weight \[9, 8\]/,
  ],
  [
    ["--axes", "gone=in,out"],
    /^--axes: expected an expression that a tensor's name matches, got gone/,
  ],
  [["--axes", "wte=inputs"], /^--axes: expected REGEX=out,in\|in,out, got wte=inputs/],
  [["--exclude", "["], /^--exclude: expected a regular expression/],
  [["--allow-uncovered", "["], /^--allow-uncovered: expected a regular expression/],
])("refuses %j", async (more, message) => {
  const { code, out, err } = await verify("plain.safetensors", ...more);
  expect({ code, out }).toEqual({ code: 2, out: "" });
  expect(err).toMatch(message);
});
