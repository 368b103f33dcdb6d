import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { adjustRatio, planBudget, thresholdForRatio } from "../../src/prune/budget.ts";
import { PruningError } from "../../src/prune/layer.ts";
import { createSelectionScratch } from "../../src/prune/threshold.ts";
import { adjustedShare } from "../../src/reference/adjust.ts";
import { countOf } from "../../src/reference/count.ts";
import { incMasks } from "../../src/reference/inc-budget.ts";
import { layoutOf } from "../../src/reference/layout.ts";
import { elements, type MaskMatrix, weightMatrix } from "../../src/reference/matrix.ts";
import { Refusal } from "../../src/reference/refusal.ts";
import { runsOf } from "../reference/runs.ts";
import { exactValues } from "./models.ts";

const scratch = createSelectionScratch();
const share = fc.double({ min: 0, max: 1, noNaN: true });
const SINGLE = { kind: "block", height: 1, width: 1 } as const;

test("a share is adjusted as in the reference", () => {
  const counts = fc.array(
    fc
      .integer({ min: 1, max: 20 })
      .chain((total) =>
        fc.record({ pruned: fc.integer({ min: 0, max: total }), total: fc.constant(total) }),
      ),
    { minLength: 1, maxLength: 4 },
  );
  fc.assert(
    fc.property(
      counts,
      fc.nat(),
      fc.nat(),
      share,
      share,
      share,
      (current, at, pick, a, b, final) => {
        const index = at % current.length;
        const { total } = current[index];
        const proposal = { pruned: pick % (total + 1), total };
        const [min, max] = [Math.min(a, b), Math.max(a, b)];
        const got = adjustRatio(current, index, proposal, { min, max, final });
        const wanted = adjustedShare(current, index, proposal, { least: min, most: max, final });
        expect(got).toEqual({ adjust: wanted.adjusted, ratio: wanted.share });
      },
    ),
    { numRuns: runsOf(300) },
  );
});

describe("one layer's threshold", () => {
  test("takes all ties, and nothing for less than one block", () => {
    const scores = Float32Array.of(3, 1, 1, 2);
    expect(thresholdForRatio(scores, 0.25, scratch)).toEqual({ threshold: 1, ties: Infinity });
    expect(thresholdForRatio(scores, 0.24, scratch).threshold).toBe(Number.NEGATIVE_INFINITY);
  });
});

test("a budget is divided as in the reference: rounds, bounds, frozen layers, refusals", () => {
  const layers = fc.array(
    fc.integer({ min: 1, max: 9 }).chain((count) =>
      fc.record({
        scores: exactValues(count),
        mask: fc.array(fc.boolean(), { minLength: count, maxLength: count }),
        frozen: fc.boolean(),
      }),
    ),
    { minLength: 1, maxLength: 4 },
  );
  fc.assert(
    fc.property(layers, share, share, share, share, (all, ratio, a, b, final) => {
      const [min, max] = [Math.min(a, b), Math.max(a, b)];
      const contenders = all.map(({ scores, mask, frozen }) => {
        const shape = [1, scores.length];
        const count = (one: MaskMatrix) => countOf(SINGLE, layoutOf(SINGLE, shape), one, "inc");
        return {
          scores: weightMatrix(scores, shape),
          expand: (blocks: MaskMatrix) => blocks,
          count,
          mask: weightMatrix(Uint8Array.from(mask, Number), shape),
          frozen,
        };
      });
      const candidates = all.map(({ scores, frozen }, i) => ({
        scores,
        counted: null,
        current: contenders[i].count(contenders[i].mask),
        frozen,
      }));
      const plan = () => planBudget(candidates, ratio, { min, max, final }, true, scratch);
      let expected: ReturnType<typeof incMasks>;
      try {
        expected = incMasks(contenders, ratio, { least: min, most: max, final }, true);
      } catch (error) {
        expect(error).toBeInstanceOf(Refusal);
        expect(plan).toThrow(PruningError);
        return;
      }
      const got = plan()?.map(({ decision, frozen }, i) => ({
        frozen,
        mask:
          decision === null
            ? elements(contenders[i].mask)
            : Array.from(all[i].scores, (score) => (score <= decision.threshold ? 0 : 1)),
      }));
      expect(got ?? null).toEqual(
        expected?.map(({ frozen, mask }) => ({ frozen, mask: elements(mask) })) ?? null,
      );
    }),
    { numRuns: runsOf(300) },
  );
});
