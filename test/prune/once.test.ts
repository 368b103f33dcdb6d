import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type LayerRecord, PruningError } from "../../src/prune/layer.ts";
import { pruneOnce } from "../../src/prune/once.ts";
import { exactMasks } from "../../src/reference/budget.ts";
import { inWeightOrder, type MaskMatrix, weightMatrix } from "../../src/reference/matrix.ts";
import { pruneOnceReference } from "../../src/reference/once.ts";
import { elementScores } from "../../src/reference/score.ts";
import { copyLayers, exactValues, models, mostOf, patterns } from "./models.ts";

const choices = {
  scope: fc.constantFrom("global" as const, "local" as const),
  criterion: fc.constantFrom("magnitude" as const, "gradient" as const, "snip" as const),
  scoreReduction: fc.constantFrom("sum" as const, "mean" as const, "max" as const),
};

describe.each(["strict", "inc"] as const)("%s", (profile) => {
  test("masks and weights are the reference's", () => {
    fc.assert(
      fc.property(
        models(exactValues),
        patterns,
        fc.record(choices),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (layers, pattern, chosen, share) => {
          const targetSparsity = share * mostOf(pattern);
          const before = copyLayers(layers);
          const { masks, weights } = pruneOnce(layers, {
            ...chosen,
            pattern,
            targetSparsity,
            profile,
            excludeHead: false,
          });
          const expected = pruneOnceReference(layers, {
            ...chosen,
            pattern,
            targetSparsity,
            profile,
          });
          layers.forEach(({ name, data }, i) => {
            const mask = expected[i] as Uint8Array;
            expect([...(masks.get(name) ?? [])]).toEqual([...mask]);
            const pruned = data.map((weight, at) => (mask[at] === 0 ? 0 : weight));
            expect([...(weights.get(name) ?? data)].map((w) => w + 0)).toEqual(
              [...pruned].map((w) => w + 0),
            );
          });
          expect(copyLayers(layers)).toEqual(before);
        },
      ),
      { numRuns: 300 },
    );
  });
});

function matrix(name: string, rows: number, columns: number, data: readonly number[]): LayerRecord {
  return { name, kind: "linear", shape: [rows, columns], data: Float32Array.from(data) };
}

test("ties go to the lowest index, and the count is exact", () => {
  const layers = [matrix("a", 2, 4, [1, 1, 1, 1, 1, 1, 1, 1]), matrix("b", 1, 4, [1, 1, 1, 1])];
  const { masks, statistics } = pruneOnce(layers, {
    pattern: "1x1",
    targetSparsity: 0.75,
    excludeHead: false,
  });
  expect([...(masks.get("a") ?? [])]).toEqual([0, 0, 0, 0, 0, 0, 0, 0]);
  expect([...(masks.get("b") ?? [])]).toEqual([0, 1, 1, 1]);
  expect(statistics.pruners[0]?.blocks).toEqual({ zeros: 9, total: 12, ratio: 0.75 });
});

test("inc prunes every tie of the last block, strict does not", () => {
  const layers = [matrix("a", 1, 8, [1, 2, 2, 2, 2, 3, 4, 5])];
  const options = { pattern: "1x1", targetSparsity: 0.25, excludeHead: false } as const;
  const zeros = (profile: "inc" | "strict"): number =>
    pruneOnce(layers, { ...options, profile }).statistics.prunedLayers.zeros;
  expect(zeros("strict")).toBe(2);
  expect(zeros("inc")).toBe(5);
});

test("1:4 is counted under strict, and not by INC's rule", () => {
  const layers = [matrix("a", 1, 8, [1, 2, 3, 4, 5, 6, 7, 8])];
  const { statistics } = pruneOnce(layers, {
    pattern: "1:4",
    targetSparsity: 0.25,
    excludeHead: false,
  });
  expect(statistics.prunedLayers.zeros).toBe(2);
  expect(statistics.pruners[0]?.blocks.ratio).toBe(1);
  expect(statistics.inc.blockwiseOverLinearConv).toBe(0);
});

test("says what it left alone and why", () => {
  const layers = [
    matrix("fc", 4, 4, new Array(16).fill(1)),
    matrix("odd", 3, 4, new Array(12).fill(1)),
    matrix("pooler", 4, 4, new Array(16).fill(1)),
    matrix("head", 4, 4, new Array(16).fill(1)),
  ];
  const { skipped, masks, profile } = pruneOnce(layers, {
    pattern: "4x1",
    targetSparsity: 0.5,
    excludedOpNames: ["pool"],
  });
  expect(profile).toBe("strict");
  expect([...masks.keys()]).toEqual(["fc"]);
  expect(skipped).toEqual([
    { name: "pooler", reason: "excluded by pool" },
    { name: "head", reason: "matches the classifier head head" },
    { name: "odd", reason: "4x1 does not divide [3, 4]" },
  ]);
});

describe("bounds", () => {
  const layers = [
    matrix("low", 1, 8, [1, 1, 1, 1, 1, 1, 1, 1]),
    matrix("high", 1, 8, [9, 9, 9, 9, 9, 9, 9, 9]),
  ];
  const zeros = (options: object): readonly number[] => {
    const { masks } = pruneOnce(layers, {
      pattern: "1x1",
      targetSparsity: 0.5,
      excludeHead: false,
      ...options,
    });
    return [...masks.values()].map((mask) => mask.filter((bit) => bit === 0).length);
  };

  test("move the rest of the budget to other layers", () => {
    expect(zeros({})).toEqual([8, 0]);
    expect(zeros({ maxSparsityRatioPerOp: 0.75 })).toEqual([6, 2]);
    expect(zeros({ minSparsityRatioPerOp: 0.375 })).toEqual([5, 3]);
  });

  test("are kept as the reference keeps them", () => {
    fc.assert(
      fc.property(
        models(exactValues),
        fc.double({ min: 0, max: 0.99, noNaN: true }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (layers, targetSparsity, one, other) => {
          const least = Math.min(one, other);
          const most = Math.max(one, other);
          const blocks = layers.map(({ data }) => data.length);
          const total = blocks.reduce((sum, count) => sum + count, 0);
          const room = blocks.reduce((sum, count) => sum + Math.floor(count * most + 1e-9), 0);
          fc.pre(room >= Math.floor(total * targetSparsity + 1e-9));
          const { masks } = pruneOnce(layers, {
            pattern: "1x1",
            targetSparsity,
            excludeHead: false,
            minSparsityRatioPerOp: least,
            maxSparsityRatioPerOp: most,
          });
          const scores = layers.map(({ data, shape }) => {
            const weight = weightMatrix(data, shape);
            return { scores: elementScores("magnitude", weight, weight), settled: null };
          });
          const expected = exactMasks(scores, targetSparsity, { least, most });
          layers.forEach(({ name, shape }, i) => {
            const mask = inWeightOrder(expected[i] as MaskMatrix, shape);
            expect([...(masks.get(name) ?? [])]).toEqual([...mask]);
          });
        },
      ),
      { numRuns: 200 },
    );
  });

  test("that cannot hold the budget are refused", () => {
    expect(() => zeros({ targetSparsity: 0.6, maxSparsityRatioPerOp: 0.5 })).toThrow(
      /expected room for 9 blocks, got 8 with 0.5/,
    );
  });
});

describe("refuses", () => {
  const layer = matrix("a", 4, 4, new Array(16).fill(1));
  const head = matrix("head", 4, 4, new Array(16).fill(1));
  const options = { pattern: "4x1", targetSparsity: 0.5 } as const;

  test("a pattern that divides no layer", () => {
    const error = thrown(() => pruneOnce([matrix("a", 3, 3, new Array(9).fill(1)), head], options));
    expect(error).toBeInstanceOf(PruningError);
    expect((error as PruningError).code).toBe("indivisible-shape");
    expect(String(error)).toMatch(/4x1, which divides none of 1/);
  });

  test("models of nothing but a head", () => {
    expect(() => pruneOnce([head], options)).toThrow(/besides the classifier head/);
    expect(() => pruneOnce([], options)).toThrow(PruningError);
  });

  test.each([
    [{ targetSparsity: 1.5 }, /targetSparsity: expected a finite number from 0 to 1, got 1.5/],
    [{ targetSparsity: 1 }, /less than 1/],
    [{ targetSparsity: -0.1 }, /targetSparsity/],
    [{ targetSparsity: Number.NaN }, /targetSparsity/],
    [{ pattern: "4:2" }, /pattern: expected a pattern such as/],
    [{ pattern: { kind: "group", prune: 4, of: 2 } }, /pattern: expected a pattern such as/],
    [{ pattern: { kind: "block", height: 0, width: 1 } }, /pattern: expected a pattern such as/],
    [{ pattern: 4 }, /pattern: expected a string or a pattern, got 4/],
    [{ pattern: "2:4", targetSparsity: 0.6 }, /from 0 to 0.5, got 0.6/],
    [{ scope: "layer" }, /scope: expected one of global, local/],
    [{ criterion: "random" }, /criterion: expected one of magnitude/],
    [{ opNames: ["("] }, /opNames\[0\]: expected a regular expression/],
    [{ opNames: "a" }, /opNames: expected an array of strings, got "a"/],
    [{ pruningOpTypes: [1] }, /pruningOpTypes: expected an array of strings/],
    [
      { criterion: "snip" },
      /a: expected a gradient of 16 elements for the snip criterion, got none/,
    ],
  ])("%j", (wrong, message) => {
    expect(() => pruneOnce([layer, head], { ...options, ...wrong } as never)).toThrow(message);
  });

  test("NaN and infinite weights, with the layers untouched", () => {
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY]) {
      const wrong = matrix("a", 4, 4, [bad, ...new Array(15).fill(1)]);
      const before = wrong.data.slice();
      expect(() => pruneOnce([wrong, head], options)).toThrow(/finite/);
      expect([...wrong.data]).toEqual([...before]);
    }
  });

  test.each(["strict", "inc"] as const)("NaN anywhere in an N:M group (%s)", (profile) => {
    for (let at = 0; at < 4; at++) {
      const wrong = matrix("a", 4, 4, [1, 2, 3, 4, ...new Array(12).fill(1)]);
      wrong.data[at] = Number.NaN;
      expect(() =>
        pruneOnce([wrong, head], { pattern: "2:4", targetSparsity: 0.5, profile }),
      ).toThrow(/a: expected finite scores, got NaN at position/);
    }
  });

  test("malformed records", () => {
    const broken = { ...layer, data: new Float32Array(3) };
    expect(() => pruneOnce([broken, head], options)).toThrow(/layers\[0\].data: expected 16/);
    expect(() => pruneOnce([layer, layer], options)).toThrow(/a name used once/);
  });
});

test("sparsity 0 changes nothing; empty layers are fine", () => {
  const empty: LayerRecord = {
    name: "e",
    kind: "linear",
    shape: [0, 4],
    data: new Float32Array(0),
  };
  const layers = [matrix("a", 2, 2, [1, -1, 0, 2]), empty];
  const { weights } = pruneOnce(layers, { pattern: "1x1", targetSparsity: 0, excludeHead: false });
  expect(weights.size).toBe(0);
});

function thrown(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    return error;
  }
  return undefined;
}

test("under inc only the head itself is left alone", () => {
  const layers = ["pre_head", "body", "head"].map((name) =>
    matrix(
      name,
      4,
      4,
      Array.from({ length: 16 }, (_, i) => i + 1),
    ),
  );
  const options = { pattern: "2:4", targetSparsity: 0.5, profile: "inc" } as const;
  const { skipped, masks } = pruneOnce(layers, options);
  expect(skipped.map(({ name }) => name)).toEqual(["head"]);
  expect([...masks.keys()]).toEqual(["pre_head", "body"]);
});
