import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Decision } from "../../src/prune/budget.ts";
import { groupScoresInto, memberIndex } from "../../src/prune/group.ts";
import { scrambleMaskInto, writeBlockMaskInto } from "../../src/prune/mask.ts";
import { blockCount, forEachElement, layOut, type Pattern } from "../../src/prune/pattern.ts";
import { runsOf } from "../reference/runs.ts";
import { exactValues, patterns } from "./models.ts";

const shapes = fc.constantFrom<readonly number[]>([4, 8], [8, 4], [4, 4, 3], [4, 8, 1, 2]);
const decisions = fc.record({
  threshold: fc.integer({ min: -24, max: 24 }).map((value) => value / 16),
  ties: fc.constantFrom(0, 1, 2, 5, Number.POSITIVE_INFINITY),
});

/** Which blocks a decision prunes, in order. */
function taken(scores: Float32Array, { threshold, ties }: Decision): boolean[] {
  let left = ties;
  return Array.from(scores, (score) => score < threshold || (score === threshold && left-- > 0));
}

test("a block's elements are all kept or all pruned, as the decision says", () => {
  const cases = fc
    .tuple(
      patterns.filter((one) => one.kind === "block"),
      shapes,
    )
    .map(([pattern, shape]) => layOut(pattern, { shape }))
    .filter(({ divides }) => divides)
    .chain((layout) => fc.tuple(fc.constant(layout), exactValues(blockCount(layout))));
  fc.assert(
    fc.property(cases, decisions, ([layout, scores], decision) => {
      const mask = new Uint8Array(layout.rows * layout.columns).fill(7);
      writeBlockMaskInto(layout, scores, decision, mask);
      const pruned = taken(scores, decision);
      forEachElement(layout, (index, block) => {
        expect(mask[index]).toBe(pruned[block] ? 0 : 1);
      });
    }),
    { numRuns: runsOf(200) },
  );
});

describe("N:M", () => {
  const pattern = { kind: "group", prune: 2, of: 4 } as const satisfies Pattern;

  test("a pruned group loses its lowest scores, at most as many as told; settled groups stay", () => {
    const cases = shapes
      .map((shape) => layOut(pattern, { shape }))
      .filter(({ divides }) => divides)
      .chain((layout) => {
        const groups = blockCount(layout);
        return fc.tuple(
          fc.constant(layout),
          exactValues(groups),
          exactValues(4 * groups),
          fc.array(fc.boolean(), { minLength: groups, maxLength: groups }),
        );
      });
    fc.assert(
      fc.property(cases, decisions, fc.constantFrom(2, 4), (given, decision, most) => {
        const [layout, groupScores, scores, settledGroups] = given;
        const settled = Uint8Array.from(settledGroups, Number);
        const mask = new Uint8Array(scores.length).fill(7);
        const groupMask = new Uint8Array(scores.length);
        groupScoresInto(
          pattern,
          layout,
          "mean",
          false,
          most === 4,
          scores,
          groupScores.slice(),
          groupMask,
          new Float32Array(4),
        );
        writeBlockMaskInto(layout, groupScores, decision, mask, undefined, groupMask, settled);
        const pruned = taken(groupScores, decision);
        for (let group = 0; group < groupScores.length; group++) {
          const [row, column] = [
            Math.floor(group / layout.blockColumns),
            group % layout.blockColumns,
          ];
          const members = [0, 1, 2, 3].map((member) => memberIndex(layout, row, column, member));
          const got = members.map((at) => mask[at]);
          if (settled[group] === 1) expect(got).toEqual([7, 7, 7, 7]);
          else if (!pruned[group]) expect(got).toEqual([1, 1, 1, 1]);
          else {
            const order = [...members].sort(
              (a, b) => scores[a] - scores[b] || members.indexOf(a) - members.indexOf(b),
            );
            const limit = scores[order[1]];
            const lost =
              most === 2 ? order.slice(0, 2) : members.filter((at) => scores[at] <= limit);
            expect(got).toEqual(members.map((at) => (lost.includes(at) ? 0 : 1)));
          }
        }
      }),
      { numRuns: runsOf(200) },
    );
  });
});

describe("scrambling", () => {
  test("leaves linear layers alone and permutes the rows of convolutions", () => {
    const row = new Uint8Array(8);
    const linear = Uint8Array.of(0, 1, 1, 0);
    scrambleMaskInto(
      layOut({ kind: "block", height: 1, width: 1 }, { shape: [2, 2] }),
      linear,
      row,
    );
    expect([...linear]).toEqual([0, 1, 1, 0]);
    // [out 1, in 2, k 3]: matrix order has positions first, so column 1 is channel 1 of position 0.
    const mask = Uint8Array.of(0, 1, 2, 3, 4, 5);
    scrambleMaskInto(
      layOut({ kind: "block", height: 1, width: 1 }, { shape: [1, 2, 3] }),
      mask,
      row,
    );
    expect([...mask]).toEqual([0, 2, 4, 1, 3, 5]);
  });
});
