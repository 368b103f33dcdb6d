/** Which blocks go: ties, revival, bounds, frozen layers. */
import { describe, expect, test } from "vitest";
import { type LayerRecord, type Profile, pruneOnce } from "../../../src/index.ts";
import { bits, layer, layerOf, masksOf, matrix, prunerOf, run } from "./run.ts";

/** Masks of one-shot pruning by magnitude to single weights. */
function masksOnce(
  layers: readonly LayerRecord[],
  profile: Profile,
  targetSparsity: number,
  bounds: { minSparsityRatioPerOp?: number; maxSparsityRatioPerOp?: number } = {},
): string[] {
  const options = { pattern: "1x1", targetSparsity, profile, excludeHead: false, ...bounds };
  const { masks } = pruneOnce(layers, options);
  return layers.map(({ name }) => bits(masks.get(name)));
}

test("inc prunes all that tie with the k-th lowest score; strict prunes exactly k", () => {
  const layers = [
    matrix("a", [1, 2, 2, 2, 2, 5, 6, 7]),
    matrix("b", [8, 9, 10, 11, 12, 13, 14, 15]),
  ];
  // 2 of 16.
  expect(masksOnce(layers, "inc", 0.125)).toEqual(["00000111", "11111111"]);
  expect(masksOnce(layers, "strict", 0.125)).toEqual(["00111111", "11111111"]);
});

test("inc makes masks anew, so that a pruned weight comes back; under strict it stays pruned", () => {
  const gradients = [
    [0, 0, 0, 0],
    [1, 2, 3, 4],
    [9, 1, 2, 8],
    [9, 1, 2, 8],
  ];
  const trajectory = (profile: Profile) =>
    run(
      {
        pattern: "1x1",
        pruning_type: "gradient",
        target_sparsity: 0.5,
        sparsity_decay_type: "linear",
        start_step: 1,
        end_step: 3,
      },
      [matrix("a", [5, 5, 5, 5])],
      {
        profile,
        steps: 4,
        gradient: (_, step) => gradients[step] ?? [],
        optimizer: (weight) => weight + 1,
      },
    );
  const [inc, strict] = [trajectory("inc"), trajectory("strict")];
  expect(inc.map(({ begun }) => masksOf(begun)[0])).toEqual(["1111", "1111", "0111", "1001"]);
  expect(inc[3]?.layers[0]?.data[0]).not.toBe(0);
  expect(strict.map(({ begun }) => masksOf(begun)[0])).toEqual(["1111", "1111", "0111", "0011"]);
  expect(strict[3]?.layers[0]?.data[0]).toBe(0);
});

describe("per-op bounds", () => {
  test("inc heeds a min only once a layer exceeds its max or the final target; strict always", () => {
    const masks = (profile: Profile) =>
      run(
        {
          pattern: "1x1",
          pruning_type: "magnitude",
          target_sparsity: 0.5,
          sparsity_decay_type: "linear",
          end_step: 2,
          min_sparsity_ratio_per_op: 0.5,
        },
        [matrix("small", [1, 2, 3, 4]), matrix("large", [5, 6, 7, 8])],
        { profile, steps: 3 },
      ).map(({ begun }) => masksOf(begun));
    // Half-way to the target, 2 of 8, nothing exceeds a half; at the target the small layer would.
    expect(masks("inc").slice(1)).toEqual([
      ["0011", "1111"],
      ["0011", "0011"],
    ]);
    expect(masks("strict").slice(1)).toEqual([
      ["0111", "0111"],
      ["0011", "0011"],
    ]);
  });

  test("inc judges a layer by masks of which some are new, so that order decides; strict does not", () => {
    const layers = [
      matrix("a", [4, 5, 12, 3]),
      matrix("b", [7, 10, 8, 9]),
      matrix("c", [1, 2, 11, 6]),
    ];
    const bounds = { minSparsityRatioPerOp: 0.25, maxSparsityRatioPerOp: 0.75 };
    const backwards = (profile: Profile) =>
      masksOnce([...layers].reverse(), profile, 0.5, bounds).reverse();
    expect(masksOnce(layers, "inc", 0.5, bounds)).toEqual(["0010", "0111", "0011"]);
    expect(backwards("inc")).toEqual(["0110", "0111", "0010"]);
    expect(masksOnce(layers, "strict", 0.5, bounds)).toEqual(["0010", "0111", "0011"]);
    expect(backwards("strict")).toEqual(["0010", "0111", "0011"]);
  });

  test("ties break the max under inc; strict keeps it", () => {
    const layers = [matrix("a", [1, 1, 1, 9]), matrix("b", [5, 6, 7, 8])];
    const bounds = { maxSparsityRatioPerOp: 0.5 };
    expect(masksOnce(layers, "inc", 0.25, bounds)).toEqual(["0001", "1111"]);
    expect(masksOnce(layers, "strict", 0.25, bounds)).toEqual(["0011", "1111"]);
  });

  test("a max of less than one block keeps the layer whole, in both profiles", () => {
    const layers = [
      matrix("a", [1, 2, 3, 4]),
      matrix("b", [11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26]),
    ];
    for (const profile of ["inc", "strict"] as const)
      expect(masksOnce(layers, profile, 0.1, { maxSparsityRatioPerOp: 0.2 })).toEqual([
        "1111",
        "0011111111111111",
      ]);
  });
});

describe("frozen layers", () => {
  /** The first layer reaches its max of a half at step 3. */
  const bounded = (pruningType: string, pattern: string) => ({
    pattern,
    pruning_type: pruningType,
    target_sparsity: 0.5,
    sparsity_decay_type: "linear",
    start_step: 1,
    end_step: 5,
    max_sparsity_ratio_per_op: 0.5,
  });
  const layers = [
    matrix("small", [1, 2, 3, 4], [1, 2, 3, 4]),
    matrix("large", [5, 6, 7, 8], [5, 6, 7, 8]),
  ];
  const ones = ({ data }: LayerRecord) => Array.from(data, () => 1);

  test.each(["magnitude", "gradient", "snip"])(
    "%s: inc freezes a layer at its bound for ever and scores it by element; strict never does",
    (criterion) => {
      const gradient = (one: LayerRecord) =>
        Array.from(one.data, (_, i) => (one.name === "small" ? 1 : 4) + (i % 4) * 0.5);
      const inc = run(bounded(criterion, "2x1"), layers, { profile: "inc", steps: 6, gradient });
      expect(inc.map(({ scored }) => layerOf(scored, "small").frozen)).toEqual([
        false,
        false,
        false,
        false,
        true,
        true,
      ]);
      expect(layerOf(inc[5]?.scored, "small").scores).toHaveLength(8);
      expect(layerOf(inc[5]?.scored, "large").scores).toHaveLength(4);
      const strict = run(bounded(criterion, "2x1"), layers, {
        profile: "strict",
        steps: 6,
        gradient,
      });
      expect(strict.some(({ begun }) => layerOf(begun, "small").frozen)).toBe(false);
      expect(layerOf(strict[5]?.scored, "small").scores).toHaveLength(4);
      expect(masksOf(strict[5]?.begun)).toEqual(["00110011", "00110011"]);
    },
  );

  test("snip_momentum: inc lifts the freeze at every step", () => {
    const steps = run(bounded("snip_momentum", "2x1"), layers, {
      profile: "inc",
      steps: 6,
      gradient: ones,
    });
    expect(steps.map(({ begun }) => layerOf(begun, "small").frozen)[4]).toBe(true);
    expect(steps.map(({ scored }) => layerOf(scored, "small").frozen)).not.toContain(true);
    expect(layerOf(steps[5]?.scored, "small").scores).toHaveLength(4);
  });

  test("N:M: inc never lifts the freeze, whatever the criterion; strict never freezes", () => {
    const rows = [
      matrix("small", [1, 2, 11, 11], [1, 2, 11, 11], [1, 2, 11, 11], [1, 3, 11, 11]),
      matrix("large", [5, 6, 11, 11], [6, 6, 11, 11], [7, 6, 11, 11], [8, 6, 11, 11]),
    ];
    const keys = { ...bounded("snip_momentum", "2:4"), target_sparsity: 0.25 };
    const frozen = (profile: Profile) =>
      run({ ...keys, max_sparsity_ratio_per_op: 0.3 }, rows, {
        profile,
        steps: 6,
        gradient: ones,
      }).map(({ scored }) => layerOf(scored, "small").frozen);
    expect(frozen("inc").slice(3)).toEqual([true, true, true]);
    expect(frozen("strict")).not.toContain(true);
  });

  test("inc permutes a frozen convolution's mask again at each prune step; strict leaves it alone", () => {
    const convolution = layer("conv", "conv2d", [2, 2, 1, 2], [1, 2, 8, 9, 3, 4, 8, 9]);
    const rest = matrix("rest", [11, 12, 13, 14, 15, 16, 17, 18]);
    const masks = (profile: Profile) =>
      run({ ...bounded("magnitude", "1x1"), start_step: 0, end_step: 4 }, [convolution, rest], {
        profile,
        steps: 5,
      })
        .slice(2)
        .map(({ begun }) => masksOf(begun)[0]);
    expect(masks("inc")).toEqual(["00110011", "00110011", "01010101"]);
    expect(masks("strict")).toEqual(["00110011", "00110011", "00110011"]);
  });
});

describe("a layer that the pattern does not divide", () => {
  const layers = [
    matrix("odd", [1, 2, 3, 4], [1, 2, 3, 4], [1, 2, 3, 4]),
    matrix("even", [1, 2, 3, 4], [5, 6, 7, 8]),
  ];
  const start = (profile: Profile, type: string, scope: string, pattern = "2x1") =>
    run(
      {
        pattern,
        pruning_type: type,
        pruning_scope: scope,
        target_sparsity: 0.25,
        end_step: 2,
        sparsity_decay_type: "linear",
      },
      layers,
      { profile, steps: 3 },
    );

  test.each([
    ["snip_momentum", "global"],
    ["snip_momentum", "local"],
    ["magnitude", "global"],
    ["snip", "global"],
  ])("inc refuses it where INC crashes: %s, %s", (type, scope) => {
    expect(() => start("inc", type, scope)).toThrow(/^odd: expected a shape that 2x1 divides/);
  });

  test("inc leaves it alone in local scope, and for N:M in global scope", () => {
    expect(masksOf(start("inc", "magnitude", "local")[2]?.begun)).toEqual([
      "111111111111",
      "01110111",
    ]);
    const wide = [matrix("odd", [1, 2, 3, 4, 5, 6]), matrix("even", [1, 2, 3, 4])];
    const keys = { pattern: "2:4", pruning_type: "magnitude", target_sparsity: 0.5 };
    expect(masksOf(run(keys, wide, { profile: "inc", steps: 1 })[0]?.begun)).toEqual([
      "111111",
      "0011",
    ]);
    const none = wide.slice(0, 1);
    expect(() => run(keys, none, { profile: "inc", steps: 1 })).toThrow(/divides none of 1/);
  });

  test.each(["magnitude", "snip_momentum", "gradient", "snip"])(
    "strict refuses it by name instead of INC's warning: %s",
    (type) => {
      for (const scope of ["global", "local"])
        expect(() => start("strict", type, scope)).toThrow(
          /^odd: expected a shape that 2x1 divides/,
        );
      expect(() => start("strict", type, "global", "1:4")).not.toThrow();
    },
  );

  test("pruning once under strict goes on without it and says so", () => {
    const { skipped, masks } = pruneOnce(layers, {
      pattern: "2x1",
      targetSparsity: 0.25,
      excludeHead: false,
    });
    expect(skipped).toEqual([{ name: "odd", reason: "2x1 does not divide [3, 4]" }]);
    expect([...masks.keys()]).toEqual(["even"]);
  });
});

describe.each(["inc", "strict"] as const)(
  "channel patterns mean the same to both: %s",
  (profile) => {
    const once = (one: LayerRecord, pattern: string, targetSparsity: number) =>
      bits(
        pruneOnce([one], { pattern, targetSparsity, profile, excludeHead: false }).masks.get(
          one.name,
        ),
      );

    test("1xchannel is a whole output row, channelx1 a whole input column", () => {
      const linear = matrix("a", [1, 5, 1], [9, 9, 2]);
      expect(once(linear, "1xchannel", 0.5)).toBe("000111");
      expect(once(linear, "channelx1", 0.34)).toBe("110110");
    });

    test("on a convolution 1xchannel is one kernel position of one output channel", () => {
      // [2 outputs, 2 inputs, 1, 2]: in each row input 0 at positions 0 and 1, then input 1.
      const convolution = layer("c", "conv2d", [2, 2, 1, 2], [1, 7, 2, 8, 5, 6, 5, 6]);
      expect(once(convolution, "1xchannel", 0.25)).toBe("01011111");
      expect(once(convolution, "channelx1", 0.25)).toBe("01110111");
    });
  },
);

test("prune events count what the masks have", () => {
  const keys = { pattern: "1x1", pruning_type: "magnitude", target_sparsity: 0.25 };
  const layers = [matrix("a", [1, 1, 1, 2])];
  const pruned = (profile: Profile) =>
    prunerOf(run(keys, layers, { profile, steps: 1 })[0]?.begun).lastEvent?.prunedBlocks;
  expect(pruned("inc")).toBe(3);
  expect(pruned("strict")).toBe(1);
});
