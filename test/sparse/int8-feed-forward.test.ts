import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { nextBelow, nextUnit, openStream } from "../../src/core/random.ts";
import { type Int8Matrix, quantizeRows, unpackInt8 } from "../../src/sparse/int8.ts";
import { compactInt8FeedForward } from "../../src/sparse/int8-feed-forward.ts";

type Layer = Parameters<typeof compactInt8FeedForward>[0];

const blocks = fc.constantFrom(
  null,
  [4, 1],
  [2, 3],
  [1, 1],
  [3, 2],
  [16, 1],
  [1, 4],
) as fc.Arbitrary<readonly [number, number] | null>;

const layers = fc
  .record({
    hidden: fc.integer({ min: 1, max: 30 }),
    width: fc.integer({ min: 1, max: 6 }),
    seed: fc.nat(),
    zeros: fc.constantFrom(0, 0.5, 0.9, 1),
    first: blocks,
    second: blocks,
  })
  .map(({ hidden, width, seed, zeros, first, second }): Layer => {
    const stream = openStream(seed, 1);
    const isZero = Uint8Array.from({ length: hidden }, () => Number(nextUnit(stream) < zeros));
    const isUnread = Uint8Array.from({ length: hidden }, () => Number(nextUnit(stream) < zeros));
    const matrix = (
      shape: readonly [number, number],
      block: readonly [number, number] | null,
      isLeftOut: (row: number, column: number) => boolean,
    ): Int8Matrix => {
      const data = Float32Array.from({ length: shape[0] * shape[1] }, (_, i) =>
        isLeftOut(Math.floor(i / shape[1]), i % shape[1]) ? 0 : nextBelow(stream, 9) - 4,
      );
      return quantizeRows(data, shape, { block }).matrix;
    };
    const vector = (length: number) => Float32Array.from({ length }, () => nextUnit(stream) - 0.5);
    return {
      expand: matrix([hidden, width], first, (row) => isZero[row] === 1),
      expandBias: vector(hidden),
      contract: matrix([width, hidden], second, (_, column) => isUnread[column] === 1),
      contractBias: vector(width),
    };
  });

const square = (values: Float32Array): Float32Array => values.map((value) => value * value);

function outputs({ expand, expandBias, contract, contractBias }: Layer, x: Float32Array): number[] {
  const [units, width] = expand.shape;
  const [w1, w2] = [unpackInt8(expand), unpackInt8(contract)];
  const hidden = Array.from({ length: units }, (_, unit) => {
    let sum = expandBias[unit] ?? NaN;
    for (let i = 0; i < width; i++) sum += (w1[unit * width + i] ?? NaN) * (x[i] ?? NaN);
    return sum * sum;
  });
  return Array.from(contractBias, (bias, row) =>
    hidden.reduce((sum, value, unit) => sum + value * (w2[row * units + unit] ?? NaN), bias),
  );
}

/** The number of units in groups with a live unit. */
function keptUnits({ expand, contract }: Layer): number {
  const [units, width] = expand.shape;
  const [w1, w2] = [unpackInt8(expand), unpackInt8(contract)];
  const heights = [expand.block?.[0] ?? 1, contract.block?.[1] ?? 1];
  const groups = new Map<number, number[]>();
  const size = Array.from({ length: 200 }, (_, i) => i + 1).find((some) =>
    heights.every((height) => some % height === 0),
  );
  for (let unit = 0; unit < units; unit++) {
    const group = Math.floor(unit / (size ?? NaN));
    groups.set(group, [...(groups.get(group) ?? []), unit]);
  }
  const isLive = (unit: number): boolean =>
    w1.subarray(unit * width, (unit + 1) * width).some((value) => value !== 0) &&
    Array.from({ length: width }).some((_, row) => w2[row * units + unit] !== 0);
  const live = [...groups.values()].filter((group) => group.some(isLive));
  return live.length === 0 ? (groups.get(0) ?? []).length : live.flat().length;
}

describe("units of a feed-forward sub-layer in eight bits", () => {
  it("are removed by whole blocks, without an effect on the outputs", () => {
    fc.assert(
      fc.property(layers, fc.nat(), (layer, seed) => {
        const before = structuredClone(layer);
        const small = compactInt8FeedForward(layer, square);
        expect(layer).toEqual(before);
        const [kept, width] = small.expand.shape;
        expect(kept).toBe(keptUnits(layer));
        expect(small.contract.shape).toEqual([width, kept]);
        expect(small.expandBias.length).toBe(kept);
        expect(small.expand.scales.length).toBe(kept);
        if (kept === layer.expand.shape[0]) expect(small).toBe(layer);
        const stream = openStream(seed, 2);
        const x = Float32Array.from({ length: width }, () => nextUnit(stream) - 0.5);
        const expected = outputs(layer, x);
        outputs(small, x).forEach((value, i) => {
          expect(value).toBeCloseTo(expected[i] ?? NaN, 4);
        });
      }),
      { numRuns: 500 },
    );
  });
});
