import { describe, expect, it } from "vitest";
import { chooseLayers } from "../../src/checkpoint/choice.ts";
import { surveyCheckpoint } from "../../src/checkpoint/survey.ts";
import { verifyCheckpoint } from "../../src/checkpoint/verify-checkpoint.ts";
import {
  type StoredTensor,
  tensorFromFloat32,
  writeSafetensors,
} from "../../src/io/safetensors.ts";
import { readPattern } from "../../src/prune/pattern.ts";
import { openBytes } from "./memory.ts";

const sparse = tensorFromFloat32("F32", [2, 4], Float32Array.of(0, 0, 1, 2, 3, 0, 0, 4));
const dense = tensorFromFloat32("F32", [2, 4], new Float32Array(8).fill(1));

async function verdictOn(
  tensors: Readonly<Record<string, StoredTensor>>,
  allowUncovered?: RegExp,
  excludeHead = true,
) {
  const checkpoint = openBytes(writeSafetensors(new Map(Object.entries(tensors))));
  const survey = surveyCheckpoint(checkpoint);
  const choice = chooseLayers(survey, { excludeHead });
  const requirement = { pattern: readPattern("2:4"), allowUncovered };
  const turn = (): Promise<void> => Promise.resolve();
  return verifyCheckpoint(checkpoint, survey, choice, requirement, turn);
}

describe("the proof of a checkpoint", () => {
  it("fails on a tensor of unknown role, unless it is allowed", async () => {
    const tensors = { "layer.weight": sparse, "mixer.A_log": dense };
    const { passed, faults } = await verdictOn(tensors);
    expect(passed).toBe(false);
    expect(faults).toEqual([
      "mixer.A_log [2, 4] is not covered (50.00 % of all elements): neither a layer nor an embedding by its name",
    ]);
    expect((await verdictOn(tensors, /A_log/)).passed).toBe(true);
    expect((await verdictOn(tensors, /B_log/)).passed).toBe(false);
  });

  it("does not fail on embeddings, heads, masks and indices, and lists them", async () => {
    const ids = { dtype: "I64", shape: [1, 1], bytes: new Uint8Array(8) } as const;
    const { passed, coverage } = await verdictOn({
      "emb.weight": dense,
      "layer.weight_mask": dense,
      "layer.weight_orig": sparse,
      "lm_head.weight": dense,
      position_ids: ids,
    });
    expect(passed).toBe(true);
    expect(coverage.judged).toEqual({ tensors: 1, elements: 8 });
    expect(coverage.left.map(({ name, reason }) => [name, reason])).toEqual([
      ["position_ids", "indices, not weights"],
      ["emb.weight", "an embedding"],
      ["layer.weight_mask", "the mask of layer.weight_orig"],
      ["lm_head.weight", "a head by its name"],
    ]);
    const shares = coverage.left.reduce((sum, { share }) => sum + share, 0);
    expect(shares + 8 / coverage.elements).toBeCloseTo(1, 12);
    expect(
      (await verdictOn({ "lm_head.weight": dense, "layer.weight": sparse }, undefined, false))
        .passed,
    ).toBe(false);
  });

  it("knows heads behind the names of wrappers", async () => {
    const { coverage } = await verdictOn({
      "module.fc.weight": dense,
      "module.layer.weight": sparse,
    });
    expect(coverage.left).toMatchObject([
      { name: "module.fc.weight", reason: "a head by its name" },
    ]);
  });

  it("fails on a weight that is computed from others, and names its parts", async () => {
    const tensors = { "layer.weight": sparse, "conv.weight_v": dense };
    expect((await verdictOn(tensors)).faults).toEqual([
      expect.stringContaining(
        "conv.weight_v [2, 4] is not covered (50.00 % of all elements): a part of",
      ),
    ]);
  });

  it("judges the product of a weight and its mask", async () => {
    const halves = tensorFromFloat32("F32", [2, 4], Float32Array.of(0, 0, 1, 1, 1, 0, 0, 1));
    const { passed, total } = await verdictOn({
      "layer.weight_mask": halves,
      "layer.weight_orig": dense,
    });
    expect([passed, total.zeros]).toEqual([true, 4]);
  });

  it("judges 8-bit floats, and fails on elements whose zeros are not known", async () => {
    const negativeZero = 0x80;
    const bytes = Uint8Array.of(0, negativeZero, 1, 2, 3, 0, 0, 4);
    const judged = await verdictOn({ "layer.weight": { dtype: "F8_E4M3", shape: [2, 4], bytes } });
    expect(judged.passed).toBe(true);
    const packed = { dtype: "F4", shape: [2, 4], bytes: new Uint8Array(4) } as const;
    const { faults } = await verdictOn({ "layer.weight": sparse, "fc2.weight": packed });
    expect(faults[0]).toContain("the zeros of F4 cannot be counted");
  });

  it("leaves layers alone that the pattern does not divide", async () => {
    const odd = tensorFromFloat32("F32", [2, 3], new Float32Array(6).fill(1));
    const { passed, coverage } = await verdictOn({ "layer.weight": sparse, "odd.weight": odd });
    expect(passed).toBe(true);
    expect(coverage.left).toMatchObject([{ name: "odd.weight", reason: "2:4 does not divide it" }]);
  });
});
