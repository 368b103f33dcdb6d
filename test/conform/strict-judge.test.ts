import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { judgeStrictMasks } from "../../src/conform/strict-judge.ts";
import { findTiedBlocks, findTiedElements } from "../../src/conform/strict-ties.ts";
import {
  prunedElements,
  readStrictCase,
  type StrictLayer,
  type StrictVector,
  unitsOf,
} from "../../src/conform/strict-vector.ts";
import type { Pattern } from "../../src/prune/pattern.ts";
import { NAMES, readCase } from "./strict-cases.ts";

/** Masks in which two units of a layer have changed places. */
function exchange(vector: StrictVector, name: string, index: number): Map<string, Uint8Array> {
  const masks = new Map(vector.layers.map((layer) => [layer.name, layer.mask.slice()]));
  const layer = vector.layers.find((one) => one.name === name) as StrictLayer;
  const mask = masks.get(name) as Uint8Array;
  const units = unitsOf(vector, layer);
  const isPruned = (unit: (typeof units)[number]): boolean =>
    prunedElements(layer.mask, unit).length > 0;
  const one = units[index] as (typeof units)[number];
  const other = units.find(
    (unit) => unit.score === one.score && isPruned(unit) !== isPruned(one),
  ) as (typeof units)[number];
  for (const [i, place] of one.places.entries()) {
    const partner = other.places[i] as number;
    mask[place] = layer.mask[partner] as number;
    mask[partner] = layer.mask[place] as number;
  }
  return masks;
}

describe("the judge", () => {
  const tied = readStrictCase(readCase("ties-4x1-global"));

  test("calls masks with ties broken otherwise acceptable, saying where", () => {
    const [name, [index]] = [...tied.tiedBlocks][0] as [string, number[]];
    const judgement = judgeStrictMasks(tied, exchange(tied, name, index as number));
    expect(judgement.status).toBe("acceptable");
    expect(judgement.note).toMatch(/ties/);
    expect(judgement.difference).toMatchObject({ layer: name, quantity: "mask" });
  });

  test.each(NAMES)("%s: an altered element fails", (name) => {
    const vector = readStrictCase(readCase(name));
    const masks = new Map(vector.layers.map((layer) => [layer.name, layer.mask.slice()]));
    expect(judgeStrictMasks(vector, masks)).toEqual({ status: "passed" });
    const [first] = masks.values();
    if (first === undefined) throw new Error("expected a layer");
    first[5] = 1 - (first[5] as number);
    expect(judgeStrictMasks(vector, masks)).toMatchObject({
      status: "failed",
      difference: { index: 5 },
    });
  });

  test("names the rule that is broken", () => {
    const note = (masks: Map<string, ArrayLike<number>>): string | undefined =>
      judgeStrictMasks(tied, masks).note;
    const [fc1, fc2] = tied.layers as [StrictLayer, StrictLayer];
    const right = (): Map<string, ArrayLike<number>> =>
      new Map(tied.layers.map((layer) => [layer.name, layer.mask.slice()]));
    expect(note(new Map([["fc1", fc1.mask]]))).toBe("fc2: expected a mask, got none");
    expect(note(right().set("fc2", [1]))).toBe("fc2: expected 128 elements, got 1");
    expect(note(right().set("fc1", fc1.mask.with(3, 2)))).toBe("fc1: expected 0 or 1 at 3, got 2");
    expect(note(right().set("fc1", fc1.mask.with(0, 1 - (fc1.mask[0] as number))))).toMatch(
      /^fc1, block 0: expected 0 or 4 pruned elements, got [13]$/,
    );
    expect(note(right().set("fc2", new Uint8Array(fc2.mask.length).fill(1)))).toMatch(
      /^fc1, fc2: expected 28 pruned blocks, got \d+$/,
    );
  });
});

/** All ways to choose `count` of `items`. */
function choices<T>(items: readonly T[], count: number): T[][] {
  if (count === 0) return [[]];
  return items.flatMap((item, i) =>
    choices(items.slice(i + 1), count - 1).map((rest) => [item, ...rest]),
  );
}

/** The masks with the lowest sum of scores among all that obey the bounds, and the first of them. */
function enumerate(scores: readonly (readonly number[])[], vector: StrictVector): Set<string> {
  const blocks = scores.flatMap((row, layer) =>
    row.map((score, index) => ({ layer, index, score })),
  );
  const fitting = choices(blocks, vector.budgets[0]?.pruned ?? 0).filter((chosen) =>
    vector.layers.every(({ fewest, most }, layer) => {
      const count = chosen.filter((block) => block.layer === layer).length;
      return count >= fewest && count <= most;
    }),
  );
  const sum = (chosen: readonly { readonly score: number }[]): number =>
    chosen.reduce((total, { score }) => total + score, 0);
  const least = Math.min(...fitting.map(sum));
  return new Set(
    fitting
      .filter((chosen) => sum(chosen) === least)
      .map((chosen) =>
        scores
          .map((row, layer) =>
            row.map((_, i) =>
              chosen.some((block) => block.layer === layer && block.index === i) ? 0 : 1,
            ),
          )
          .join("|"),
      ),
  );
}

const PATTERN: Pattern = { kind: "block", height: 1, width: 1 };

test("of all masks of two small layers, the judge takes exactly the lightest", () => {
  const row = fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 3, maxLength: 3 });
  const bounds = fc.record({
    fewest: fc.integer({ min: 0, max: 1 }),
    most: fc.integer({ min: 1, max: 3 }),
  });
  fc.assert(
    fc.property(row, row, bounds, bounds, fc.nat(6), (a, b, boundsA, boundsB, wanted) => {
      const scores = [a, b];
      const least = boundsA.fewest + boundsB.fewest;
      const pruned = Math.min(Math.max(wanted, least), boundsA.most + boundsB.most);
      const layers = [boundsA, boundsB].map(
        (limits, i): StrictLayer => ({
          name: `l${i}`,
          shape: [1, 3],
          scores: Float32Array.from(scores[i] as number[]),
          mask: new Uint8Array(3),
          ...limits,
        }),
      );
      const open: StrictVector = {
        pattern: PATTERN,
        layers,
        budgets: [{ layers: ["l0", "l1"], pruned }],
      };
      const right = enumerate(scores, open);
      const canonical = ([...right][0] as string)
        .split("|")
        .map((text) => text.split(",").map(Number));
      const vector: StrictVector = {
        ...open,
        layers: layers.map((layer, i) => ({
          ...layer,
          mask: Uint8Array.from(canonical[i] as number[]),
        })),
      };
      const judged = new Set<string>();
      for (let bits = 0; bits < 64; bits++) {
        const masks = [0, 1].map((layer) => [0, 1, 2].map((i) => (bits >> (3 * layer + i)) & 1));
        const { status } = judgeStrictMasks(
          vector,
          new Map(masks.map((mask, i) => [`l${i}`, mask] as const)),
        );
        if (status !== "failed") judged.add(masks.join("|"));
      }
      expect(judged).toEqual(right);
      const varying = new Set<string>();
      for (const text of right)
        text.split("|").forEach((mask, layer) => {
          mask.split(",").forEach((value, i) => {
            if (Number(value) !== canonical[layer]?.[i]) varying.add(`${layer}:${i}`);
          });
        });
      const tied = [...findTiedBlocks(vector)].flatMap(([name, list]) =>
        list.map((i) => `${name.slice(1)}:${i}`),
      );
      expect(new Set(tied)).toEqual(varying);
    }),
  );
});

test("ties within the groups of N:M", () => {
  const vector: StrictVector = {
    pattern: { kind: "group", prune: 2, of: 4 },
    layers: [
      {
        name: "fc",
        shape: [1, 8],
        scores: Float32Array.of(1, 2, 2, 3, 5, 6, 7, 7),
        fewest: 0,
        most: 2,
        mask: Uint8Array.of(0, 0, 1, 1, 1, 1, 1, 1),
      },
    ],
    budgets: [{ layers: ["fc"], pruned: 1 }],
  };
  expect(findTiedBlocks(vector).size).toBe(0);
  expect([...findTiedElements(vector, new Map())]).toEqual([["fc", [1, 2]]]);
  const judge = (...mask: number[]) => judgeStrictMasks(vector, new Map([["fc", mask]]));
  expect(judge(0, 1, 0, 1, 1, 1, 1, 1).status).toBe("acceptable");
  expect(judge(1, 0, 0, 1, 1, 1, 1, 1).note).toBe(
    "fc, block 0: expected to lose scores 1, 2, got 2, 2",
  );
  expect(judge(0, 1, 1, 1, 1, 1, 1, 1).note).toBe(
    "fc, block 0: expected 0 or 2 pruned elements, got 1",
  );
  expect(judge(1, 1, 1, 1, 0, 0, 1, 1).note).toMatch(
    /pruned score 1 of 1, in ascending order: expected/,
  );
});
