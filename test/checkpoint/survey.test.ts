import { describe, expect, it } from "vitest";
import { surveyCheckpoint } from "../../src/checkpoint/survey.ts";
import { tensorFromFloat32, writeSafetensors } from "../../src/io/safetensors.ts";
import { openBytes } from "./memory.ts";

function checkpoint(
  tensors: Readonly<
    Record<string, readonly [shape: readonly number[], first: number, step?: number]>
  >,
  metadata: Readonly<Record<string, string>> = {},
) {
  const stored = Object.entries(tensors).map(([name, [shape, first, step = 1]]) => {
    const length = shape.reduce((product, size) => product * size, 1);
    const values = Float32Array.from({ length }, (_, i) => first + step * i);
    return [name, tensorFromFloat32("F32", shape, values)] as const;
  });
  return openBytes(writeSafetensors(new Map(stored), metadata));
}

function rolesOf(survey: ReturnType<typeof surveyCheckpoint>) {
  return Object.fromEntries(survey.map(({ name, role, aliases }) => [name, [role, ...aliases]]));
}

describe("shared storage", () => {
  it("is stated by the metadata of a file", () => {
    const tied = checkpoint(
      { "output.weight": [[9, 4], 1], "wq.weight": [[4, 4], 2] },
      { "tok_embeddings.weight": "output.weight", format: "pt" },
    );
    expect(rolesOf(surveyCheckpoint(tied))).toEqual({
      "output.weight": ["embedding", "tok_embeddings.weight"],
      "wq.weight": ["linear"],
    });
  });

  it("is found by equal bytes, unless they are constant", () => {
    const twins = { "emb.weight": [[4, 4], 1], "fc.weight": [[4, 4], 1] } as const;
    expect(rolesOf(surveyCheckpoint(checkpoint(twins)))).toEqual({
      "emb.weight": ["embedding"],
      "fc.weight": ["embedding", "emb.weight"],
    });
    const zeros = { "emb.weight": [[4, 4], 0, 0], "fc.weight": [[4, 4], 0, 0] } as const;
    expect(rolesOf(surveyCheckpoint(checkpoint(zeros)))).toMatchObject({ "fc.weight": ["linear"] });
  });

  it("is stated by config.json for an output embedding", () => {
    const both = checkpoint({ "wte.weight": [[9, 4], 1], "lm_head.weight": [[9, 4], 2] });
    expect(rolesOf(surveyCheckpoint(both))).toMatchObject({ "lm_head.weight": ["linear"] });
    expect(rolesOf(surveyCheckpoint(both, { tiesEmbeddings: true }))).toMatchObject({
      "lm_head.weight": ["embedding", "wte.weight"],
    });
  });

  it("does not overrule an option", () => {
    const twins = checkpoint({ "emb.weight": [[4, 4], 1], "fc.weight": [[4, 4], 1] });
    const overrides = [{ pattern: /^fc/, role: "linear" }] as const;
    expect(rolesOf(surveyCheckpoint(twins, { overrides }))).toMatchObject({
      "fc.weight": ["linear", "emb.weight"],
    });
  });
});

it("a pruned weight and its mask are one layer", () => {
  const masked = checkpoint({ "fc.weight_mask": [[4, 4], 1], "fc.weight_orig": [[4, 4], 1] });
  const [mask, orig] = surveyCheckpoint(masked);
  expect(mask).toMatchObject({ name: "fc.weight_mask", maskOf: "fc.weight_orig", mask: null });
  expect(orig).toMatchObject({ role: "linear", mask: { name: "fc.weight_mask" }, maskOf: null });
});

it("any pruned parameter is one layer, and halves of other shapes are not", () => {
  const masked = checkpoint({
    "gru.weight_ih_l0_mask": [[4, 4], 1],
    "gru.weight_ih_l0_orig": [[4, 4], 1],
    x_mask: [[2, 4], 1],
    x_orig: [[4, 4], 1],
  });
  expect(
    surveyCheckpoint(masked).map(({ name, role, mask, maskOf }) => [
      name,
      role,
      mask?.name,
      maskOf,
    ]),
  ).toEqual([
    ["gru.weight_ih_l0_mask", "linear", undefined, "gru.weight_ih_l0_orig"],
    ["gru.weight_ih_l0_orig", "linear", "gru.weight_ih_l0_mask", null],
    ["x_mask", "other", undefined, null],
    ["x_orig", "other", undefined, null],
  ]);
});

describe("is refused", () => {
  const one = checkpoint({ "fc.weight": [[4, 4], 1] });
  it("an option that matches no tensor", () => {
    const overrides = [{ pattern: /conv/, axes: "in,out" }] as const;
    expect(() => surveyCheckpoint(one, { overrides })).toThrow(
      "`axes`: expected an expression that a tensor's name matches, got conv, found in none",
    );
  });

  it("a role that rests on the rank alone, if asked for", () => {
    expect(() => surveyCheckpoint(one, { strictRoles: true })).toThrow(
      /got 1 from names and shapes: fc\.weight linear \[out,in\]/,
    );
    expect(surveyCheckpoint(one, { strictRoles: true, modelTypes: ["bert"] })).toHaveLength(1);
  });
});
