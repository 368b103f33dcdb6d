import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  nextBelow,
  nextNormal,
  nextUint32,
  nextUnit,
  openStream,
  permutation,
  philoxInto,
  seedKey,
} from "../../src/core/random.ts";

type Words = readonly [number, number, number, number];

function philox(counter: Words, key: readonly [number, number]): number[] {
  const out = new Uint32Array(4);
  philoxInto(...counter, ...key, out);
  return Array.from(out);
}

const ONES = 0xffffffff;
const seeds = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
const words = fc.integer({ min: 0, max: ONES });

describe("Philox4x32-10", () => {
  // The known-answer vectors that Random123 publishes (kat_vectors).
  it.each<[string, Words, readonly [number, number], Words]>([
    ["zeros", [0, 0, 0, 0], [0, 0], [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]],
    [
      "ones",
      [ONES, ONES, ONES, ONES],
      [ONES, ONES],
      [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
    ],
    [
      "digits of pi",
      [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
      [0xa4093822, 0x299f31d0],
      [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
    ],
  ])("gives the published answer for %s", (_name, counter, key, expected) => {
    expect(philox(counter, key)).toEqual([...expected]);
  });

  it("is a bijection of the counter: flipping a bit changes the block", () => {
    fc.assert(
      fc.property(words, words, fc.nat(31), (counter, key, bit) => {
        const flipped = (counter ^ (1 << bit)) >>> 0;
        expect(philox([flipped, 0, 0, 0], [key, 0])).not.toEqual(
          philox([counter, 0, 0, 0], [key, 0]),
        );
      }),
    );
  });

  it("agrees with 64-bit integer arithmetic", () => {
    fc.assert(
      fc.property(fc.tuple(words, words, words, words), fc.tuple(words, words), (counter, key) => {
        let [x0, x1, x2, x3] = counter.map(BigInt) as [bigint, bigint, bigint, bigint];
        let [k0, k1] = key.map(BigInt) as [bigint, bigint];
        const mask = 0xffffffffn;
        for (let round = 0; round < 10; round++) {
          const p0 = 0xd2511f53n * x0;
          const p1 = 0xcd9e8d57n * x2;
          [x0, x1, x2, x3] = [(p1 >> 32n) ^ x1 ^ k0, p1 & mask, (p0 >> 32n) ^ x3 ^ k1, p0 & mask];
          k0 = (k0 + 0x9e3779b9n) & mask;
          k1 = (k1 + 0xbb67ae85n) & mask;
        }
        expect(philox(counter, key)).toEqual([x0, x1, x2, x3].map(Number));
      }),
    );
  });
});

describe("seedKey", () => {
  it("splits a seed below 2^53 without loss", () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const [low, high] = seedKey(seed);
        expect(high * 0x100000000 + low).toBe(seed);
      }),
    );
  });
});

describe("a stream", () => {
  it("is the same whenever it is opened, and differs between streams and substreams", () => {
    fc.assert(
      fc.property(seeds, fc.nat(2000), fc.nat(2000), (seed, stream, substream) => {
        const draw = (s: number, sub: number): number[] => {
          const opened = openStream(seed, s, sub);
          return Array.from({ length: 9 }, () => nextUint32(opened));
        };
        expect(draw(stream, substream)).toEqual(draw(stream, substream));
        expect(draw(stream, substream)).not.toEqual(draw(stream + 1, substream));
        expect(draw(stream, substream)).not.toEqual(draw(stream, substream + 1));
      }),
    );
  });

  it("is the sequence of the blocks with counter (block, 0, stream, substream)", () => {
    const stream = openStream(0x1_2345_6789, 3, 7);
    const drawn = Array.from({ length: 8 }, () => nextUint32(stream));
    expect(drawn).toEqual([
      ...philox([0, 0, 3, 7], [0x23456789, 1]),
      ...philox([1, 0, 3, 7], [0x23456789, 1]),
    ]);
    expect(stream.drawn).toBe(8);
  });
});

describe("distributions", () => {
  // Bounds of five standard deviations: a wrong distribution fails, an unlucky seed does not exist
  // (the draws are fixed).
  const COUNT = 200_000;

  it("draws bits that are one half of the time set", () => {
    const stream = openStream(11, 1);
    const set = new Array<number>(32).fill(0);
    for (let i = 0; i < COUNT; i++) {
      const word = nextUint32(stream);
      for (let bit = 0; bit < 32; bit++) set[bit] += (word >>> bit) & 1;
    }
    const deviation = 0.5 * Math.sqrt(COUNT);
    for (const count of set) expect(Math.abs(count - COUNT / 2)).toBeLessThan(5 * deviation);
  });

  it("draws units in [0, 1) with the mean and variance of the uniform distribution", () => {
    const stream = openStream(12, 1);
    let inside = true;
    let sum = 0;
    let squares = 0;
    for (let i = 0; i < COUNT; i++) {
      const unit = nextUnit(stream);
      inside &&= unit >= 0 && unit < 1;
      sum += unit;
      squares += (unit - 0.5) ** 2;
    }
    expect(inside).toBe(true);
    expect(Math.abs(sum / COUNT - 1 / 2)).toBeLessThan(5 * Math.sqrt(1 / 12 / COUNT));
    expect(Math.abs(squares / COUNT - 1 / 12)).toBeLessThan(5 * Math.sqrt(1 / 180 / COUNT));
  });

  it("draws normal numbers with the moments 0, 1, 0, 3", () => {
    const stream = openStream(13, 2);
    const moments = [0, 0, 0, 0];
    for (let i = 0; i < COUNT; i++) {
      const x = nextNormal(stream);
      for (let p = 0; p < 4; p++) moments[p] += x ** (p + 1) / COUNT;
    }
    // Variances of x, x^2, x^3, x^4: 1, 2, 15, 96.
    const expected = [0, 1, 0, 3];
    const variances = [1, 2, 15, 96];
    for (let p = 0; p < 4; p++) {
      const bound = 5 * Math.sqrt(variances[p] / COUNT);
      expect(Math.abs(moments[p] - expected[p])).toBeLessThan(bound);
    }
  });

  it.each([1, 2, 3, 7, 10, 1000])("draws below %i every integer equally often", (bound) => {
    const stream = openStream(14, 1, bound);
    const counts = new Array<number>(bound).fill(0);
    for (let i = 0; i < COUNT; i++) counts[nextBelow(stream, bound)]++;
    const mean = COUNT / bound;
    let chiSquare = 0;
    for (const count of counts) chiSquare += (count - mean) ** 2 / mean;
    // Chi-square with bound - 1 degrees of freedom: that mean, twice that variance.
    expect(Math.abs(chiSquare - (bound - 1))).toBeLessThanOrEqual(6 * Math.sqrt(2 * (bound - 1)));
  });

  it("stays below any bound up to 2^32", () => {
    fc.assert(
      fc.property(seeds, fc.integer({ min: 1, max: 0x100000000 }), (seed, bound) => {
        const stream = openStream(seed, 1);
        for (let i = 0; i < 5; i++) {
          const drawn = nextBelow(stream, bound);
          expect(Number.isInteger(drawn) && drawn >= 0 && drawn < bound).toBe(true);
        }
      }),
    );
  });
});

describe("permutation", () => {
  it("holds every index once, and repeats for the same stream", () => {
    fc.assert(
      fc.property(seeds, fc.nat(300), (seed, count) => {
        const order = permutation(openStream(seed, 1), count);
        expect(Array.from(order).sort((a, b) => a - b)).toEqual(
          Array.from({ length: count }, (_, i) => i),
        );
        expect(permutation(openStream(seed, 1), count)).toEqual(order);
      }),
    );
  });

  it("takes each of the six orders of three equally often", () => {
    const counts = new Map<string, number>();
    const trials = 12_000;
    for (let substream = 0; substream < trials; substream++) {
      const key = permutation(openStream(5, 1, substream), 3).join("");
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
    expect(counts.size).toBe(6);
    const deviation = Math.sqrt(trials * (1 / 6) * (5 / 6));
    for (const count of counts.values()) {
      expect(Math.abs(count - trials / 6)).toBeLessThan(5 * deviation);
    }
  });
});
