import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { philoxInto } from "../../src/core/random.ts";
import type { Backend } from "../../src/kernels/backend.ts";
import type { DropoutKey } from "../../src/kernels/table.ts";
import { execute, randomFloats, VARIANTS } from "./subjects.ts";

interface Call {
  readonly x: Float32Array;
  readonly offset?: number;
  readonly rows: number;
  readonly columns: number;
  readonly firstPosition: number;
  readonly positionStride: number;
  readonly rate: number;
  readonly key: DropoutKey;
  readonly example: number;
}

function run(backend: Backend, call: Call, inPlace = false): Float32Array {
  const { x, offset = 0, rows, columns, firstPosition, positionStride, rate, key, example } = call;
  const { y, x: after } = execute(backend, { x, y: x }, (k, a) =>
    k.dropout(
      a.x,
      inPlace ? a.x : a.y,
      offset,
      rows,
      columns,
      firstPosition,
      positionStride,
      rate,
      key,
      example,
    ),
  );
  return inPlace ? after : y;
}

/** The draw of one position, straight from its definition in the table of operations. */
function drawAt(position: number, key: DropoutKey, example: number): number {
  const group = Math.floor(position / 32);
  const e = position % 32;
  const words = new Uint32Array(4);
  const counter = 4 * group + (e & 3);
  philoxInto(counter, example, key.operation, key.step, key.seedLow, key.seedHigh, words);
  const word = words[(e >> 2) & 3];
  return e >> 4 === 0 ? word & 0xffff : word >>> 16;
}

function expectedOf({ x, rows, columns, ...call }: Call): Float32Array {
  const factor = Math.fround(1 / (1 - call.rate));
  const threshold = Math.round(call.rate * 65536);
  return x.map((value, i) => {
    const position =
      call.firstPosition + Math.floor(i / columns) * call.positionStride + (i % columns);
    if (i >= rows * columns) return value;
    return drawAt(position, call.key, call.example) >= threshold ? value * factor : 0;
  });
}

const words = fc.integer({ min: 0, max: 0xffffffff });
const keys = fc.record({ seedLow: words, seedHigh: words, step: words, operation: words });
const calls: fc.Arbitrary<Call> = fc
  .record({
    seed: fc.nat(),
    rows: fc.nat(4),
    columns: fc.integer({ min: 1, max: 100 }),
    firstGroup: fc.nat(1 << 20),
    strideGroups: fc.nat(9),
    rate: fc.constantFrom(0, 0.1, 0.25, 0.5, 0.999),
    key: keys,
    example: words,
  })
  .map(({ seed, rows, columns, firstGroup, strideGroups, ...rest }) => ({
    x: randomFloats(seed, rows * columns),
    rows,
    columns,
    firstPosition: 32 * firstGroup,
    positionStride: 32 * strideGroups,
    ...rest,
  }));
const KEY: DropoutKey = { seedLow: 42, seedHigh: 0, step: 3, operation: 1024 };

describe.each(VARIANTS)("dropout (%s)", (_name, backend) => {
  it("draws bit for bit what the definition says, in place as well", () => {
    fc.assert(
      fc.property(calls, (call) => {
        const expected = expectedOf(call);
        expect(run(backend, call)).toEqual(expected);
        expect(run(backend, call, true)).toEqual(expected);
      }),
    );
  });

  it("keeps a share of 1 - rate", () => {
    const count = 65536;
    const x = new Float32Array(count).fill(1);
    const shape = { rows: 1, columns: count, firstPosition: 0, positionStride: 0, example: 0 };
    for (const rate of [0.1, 0.5, 0.9]) {
      const y = run(backend, { x, ...shape, rate, key: KEY });
      const kept = y.reduce((sum, value) => sum + (value === 0 ? 0 : 1), 0);
      const deviation = Math.sqrt(count * rate * (1 - rate));
      expect(Math.abs(kept - count * (1 - rate))).toBeLessThan(5 * deviation);
    }
  });

  it("does not depend on padding: the same positions draw the same in longer rows", () => {
    const common = { rows: 6, firstPosition: 64, positionStride: 128, rate: 0.5, example: 5 };
    const short = run(backend, {
      x: new Float32Array(6 * 37).fill(1),
      columns: 37,
      key: KEY,
      ...common,
    });
    const long = run(backend, {
      x: new Float32Array(6 * 90).fill(1),
      columns: 90,
      key: KEY,
      ...common,
    });
    for (let r = 0; r < 6; r++) {
      expect(long.slice(r * 90, r * 90 + 37)).toEqual(short.slice(r * 37, (r + 1) * 37));
    }
  });

  it("draws anew for another seed, step, operation, example or position", () => {
    const x = new Float32Array(64).fill(1);
    const call = { x, rows: 1, columns: 64, firstPosition: 0, positionStride: 0, rate: 0.5 };
    const others = [
      { key: KEY, example: 1 },
      { key: { ...KEY, seedLow: 43 }, example: 0 },
      { key: { ...KEY, seedHigh: 1 }, example: 0 },
      { key: { ...KEY, step: 4 }, example: 0 },
      { key: { ...KEY, operation: 1025 }, example: 0 },
      { key: KEY, example: 0, firstPosition: 64 },
    ].map((other) => run(backend, { ...call, ...other }).join());
    const all = new Set([run(backend, { ...call, key: KEY, example: 0 }).join(), ...others]);
    expect(all.size).toBe(7);
  });

  it("touches only the rows from the offset on", () => {
    const x = randomFloats(1, 50, 1, 2);
    const common = { rows: 2, columns: 13, firstPosition: 0, positionStride: 32, rate: 0.3 };
    const y = run(backend, { x, offset: 9, key: KEY, example: 0, ...common });
    const alone = run(backend, { x: x.slice(9, 35), key: KEY, example: 0, ...common });
    expect(y.slice(9, 35)).toEqual(alone);
    expect(y.slice(0, 9)).toEqual(x.slice(0, 9));
    expect(y.slice(35)).toEqual(x.slice(35));
  });

  it("is the identity at rate 0 and gives 0 where it drops NaN", () => {
    const x = Float32Array.of(1, -0, Number.NaN, Infinity, 3);
    const common = { rows: 1, columns: 5, firstPosition: 0, positionStride: 0, key: KEY };
    expect(run(backend, { x, rate: 0, example: 0, ...common })).toEqual(x);
    const all = new Float32Array(320).fill(Number.NaN);
    const y = run(backend, { x: all, rate: 0.5, example: 0, ...common, columns: 320 });
    expect(new Set(y)).toEqual(new Set([0, Number.NaN]));
  });
});
