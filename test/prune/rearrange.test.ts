import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { rearrangeInto } from "../../src/prune/rearrange.ts";
import { exactValues } from "./models.ts";

/** Plain double arithmetic, over all that may be left out. */
function rearranged(
  collected: readonly Float32Array[],
  count: number,
  settled: number[],
): number[] {
  const of = (block: number): number[] => collected.map((step) => step[block] ?? 0);
  const length = (vector: readonly number[]): number => vector.reduce((sum, x) => sum + x * x, 0);
  const blocks = [...(collected[0] ?? [])].map((_, block) => block);
  const open = blocks
    .filter((block) => !settled.includes(block))
    .sort((a, b) => length(of(a)) - length(of(b)) || a - b);
  let set = open.slice(0, count - settled.length);
  for (const block of open.slice(count - settled.length)) {
    const wider = [...set, block];
    const without = wider.map((left) => {
      const rest = [...settled, ...wider.filter((other) => other !== left)];
      return length(collected.map((_, t) => rest.reduce((sum, b) => sum + (of(b)[t] ?? 0), 0)));
    });
    set = wider.filter((_, i) => i !== without.indexOf(Math.min(...without)));
  }
  return [...settled, ...set].sort((a, b) => a - b);
}

describe("rearranging", () => {
  test("keeps the number of pruned blocks and those that are settled, and equals the plain search", () => {
    const cases = fc
      .tuple(fc.integer({ min: 1, max: 7 }), fc.integer({ min: 1, max: 4 }))
      .chain(([blocks, steps]) =>
        fc.record({
          collected: fc.array(exactValues(blocks), { minLength: steps, maxLength: steps }),
          pruned: fc.array(fc.boolean(), { minLength: blocks, maxLength: blocks }),
          lock: fc.boolean(),
        }),
      );
    fc.assert(
      fc.property(cases, ({ collected, pruned, lock }) => {
        const flags = Uint8Array.from(pruned, Number);
        const settled = lock ? flags.map((flag, i) => (i % 2 === 0 ? flag : 0)) : null;
        const locked = [...(settled ?? [])].flatMap((flag, block) => (flag === 1 ? [block] : []));
        const count = flags.reduce((sum, flag) => sum + flag, 0);
        const out = flags.slice();
        rearrangeInto(collected, out, settled, false);
        const chosen = [...out].flatMap((flag, block) => (flag === 1 ? [block] : []));
        expect(chosen).toEqual(count === 0 ? [] : rearranged(collected, count, locked));
      }),
      { numRuns: 400 },
    );
  });

  test("swaps blocks whose gradients cancel in for shorter ones that do not", () => {
    // Blocks 2 and 3 have long gradients which add up to nothing.
    const collected = [Float32Array.of(1, 1, 4, -4), Float32Array.of(1, 1, 4, -4)];
    const pruned = Uint8Array.of(1, 1, 0, 0);
    rearrangeInto(collected, pruned, null, false);
    expect([...pruned]).toEqual(
      [0, 1, 1, 0].map((_, i) => (rearranged(collected, 2, []).includes(i) ? 1 : 0)),
    );
  });
});
