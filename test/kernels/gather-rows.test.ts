import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { dot } from "./definitions.ts";
import { EPSILON, execute, expectClose, randomFloats, VARIANTS } from "./subjects.ts";

const lookups = fc.record({
  seed: fc.nat(),
  width: fc.integer({ min: 1, max: 19 }),
  ids: fc.array(fc.nat(5), { maxLength: 12 }).map((ids) => Int32Array.from(ids)),
});

describe.each(VARIANTS)("embedding rows (%s)", (_name, backend) => {
  it("copies or adds the rows with the given ids", () => {
    fc.assert(
      fc.property(lookups, ({ seed, width, ids }) => {
        const table = randomFloats(seed, 6 * width);
        const out = randomFloats(seed + 1, ids.length * width);
        const rows = Float32Array.from(out, (_, i) => {
          return table[ids[Math.floor(i / width)] * width + (i % width)];
        });
        const copied = execute(backend, { table, ids, out }, (k, a) =>
          k.gatherRows(a.table, a.ids, a.out, width, false),
        );
        expect(copied.out).toEqual(rows);
        const added = execute(backend, { table, ids, out }, (k, a) =>
          k.gatherRows(a.table, a.ids, a.out, width, true),
        );
        expect(added.out).toEqual(rows.map((value, i) => out[i] + value));
      }),
    );
  });

  it("adds gradients to rows in order, repeated ids included", () => {
    fc.assert(
      fc.property(lookups, ({ seed, width, ids }) => {
        const dy = randomFloats(seed, ids.length * width);
        const expected = randomFloats(seed + 1, 6 * width);
        const dTable = expected.slice();
        dy.forEach((value, i) => {
          expected[ids[Math.floor(i / width)] * width + (i % width)] += value;
        });
        const actual = execute(backend, { dy, ids, dTable }, (k, a) =>
          k.scatterAddRows(a.dy, a.ids, a.dTable, width),
        );
        expect(actual.dTable).toEqual(expected);
      }),
    );
  });

  it("refuses an id that is no row of the table, before it writes anything", () => {
    const table = new Float32Array(6);
    const out = new Float32Array(4);
    for (const bad of [-1, 3]) {
      const ids = Int32Array.of(0, bad);
      const message = `ids[1]: expected an integer from 0 to 2, got ${bad}`;
      const results = execute(backend, { table, ids, out }, (k, a) => {
        a.table.fill(1);
        expect(() => k.gatherRows(a.table, a.ids, a.out, 2, false)).toThrow(message);
        expect(() => k.scatterAddRows(a.out, a.ids, a.table, 2)).toThrow(message);
      });
      expect(results.out).toEqual(out);
      expect(results.table).toEqual(table.fill(1));
    }
  });

  it("scatters as the adjoint of gathering: <gather(T), dy> = <T, scatter(dy)>", () => {
    fc.assert(
      fc.property(lookups, ({ seed, width, ids }) => {
        const table = randomFloats(seed, 6 * width);
        const dy = randomFloats(seed + 1, ids.length * width);
        const { out } = execute(backend, { table, ids, out: dy }, (k, a) =>
          k.gatherRows(a.table, a.ids, a.out, width, false),
        );
        const { dTable } = execute(backend, { dy, ids, dTable: table.map(() => 0) }, (k, a) =>
          k.scatterAddRows(a.dy, a.ids, a.dTable, width),
        );
        // Terms up to 4, of which those of one id (at most 12) are added in float32.
        const bound = 12 * EPSILON * 4 * (dy.length + 1);
        expectClose([dot(table, dTable)], [dot(out, dy)], bound);
      }),
    );
  });
});
