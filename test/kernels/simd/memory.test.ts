import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  createPlainMemory,
  createWasmMemory,
  type Memory,
  type Region,
} from "../../../src/kernels/simd/memory.ts";

const HEAP_BASE = 200;

const MEMORIES: readonly (readonly [string, (maximumPages?: number) => Memory])[] = [
  ["plain", () => createPlainMemory()],
  [
    "WASM",
    (maximum = 1024) =>
      createWasmMemory(new WebAssembly.Memory({ initial: 1, maximum }), HEAP_BASE),
  ],
];

/** Allocates a number of elements, or frees the region with this index among those in use. */
type Command = { readonly allocate: number } | { readonly free: number };

const commands: fc.Arbitrary<Command[]> = fc.array(
  fc.oneof(
    fc.record({ allocate: fc.oneof(fc.nat(100), fc.nat(60_000)) }),
    fc.record({ free: fc.nat(20) }),
  ),
  { maxLength: 60 },
);

function overlap(a: Region, b: Region): boolean {
  const end = (region: Region) => region.byteOffset + region.length * 4;
  return a.byteOffset < end(b) && b.byteOffset < end(a);
}

describe.each(MEMORIES)("%s memory", (name, create) => {
  it("hands out zeroed, aligned regions that keep their values and never overlap", () => {
    fc.assert(
      fc.property(commands, (list) => {
        const memory = create();
        const inUse: { region: Region; mark: number }[] = [];
        list.forEach((command, index) => {
          if ("free" in command) {
            const [taken] = inUse.splice(command.free, 1);
            if (taken !== undefined) memory.free(taken.region);
            return;
          }
          const region = memory.allocate(command.allocate);
          expect(region.byteOffset % 64).toBe(0);
          expect(memory.float32(region).every((value) => Object.is(value, 0))).toBe(true);
          expect(inUse.some((other) => overlap(region, other.region))).toBe(false);
          memory.int32(region).fill(index + 1);
          inUse.push({ region, mark: index + 1 });
        });
        for (const { region, mark } of inUse)
          expect(memory.int32(region).every((value) => value === mark)).toBe(true);
      }),
    );
  });

  it("grows nothing when the same allocations come again", () => {
    fc.assert(
      fc.property(commands, (list) => {
        const memory = create();
        const run = () => {
          const inUse: Region[] = [];
          for (const command of list) {
            if ("allocate" in command) inUse.push(memory.allocate(command.allocate));
            else for (const region of inUse.splice(command.free, 1)) memory.free(region);
          }
          for (const region of inUse) memory.free(region);
        };
        run();
        const { used, reserved } = memory.usage();
        expect(used).toBe(0);
        run();
        expect(memory.usage()).toEqual({ used: 0, reserved });
      }),
      {
        // The room at the end competed with a hole for the last allocation, and left none for it.
        examples: [
          [
            [
              { allocate: 5569 },
              { allocate: 0 },
              { free: 0 },
              { allocate: 0 },
              { free: 0 },
              { allocate: 10769 },
            ],
          ],
        ],
      },
    );
  });

  it("joins freed neighbours into one block, in any order", () => {
    for (const order of [
      [0, 1, 2],
      [2, 1, 0],
      [0, 2, 1],
      [1, 0, 2],
    ]) {
      const memory = create();
      const regions = [1024, 2048, 3072].map((length) => memory.allocate(length));
      const fence = memory.allocate(1);
      for (const index of order) memory.free(regions[index]);
      expect(memory.allocate(6144).byteOffset).toBe(regions[0].byteOffset);
      expect(memory.allocate(1).byteOffset).toBeGreaterThan(fence.byteOffset);
    }
  });

  it("takes the smallest block that is large enough", () => {
    const memory = create();
    const [large, , small] = [1600, 16, 160, 16].map((length) => memory.allocate(length));
    memory.free(large);
    memory.free(small);
    expect(memory.allocate(100).byteOffset).toBe(small.byteOffset);
    expect(memory.allocate(100).byteOffset).toBe(large.byteOffset);
  });

  it("reserves what was there, and allocates zeros", () => {
    const memory = create();
    const region = memory.allocate(16);
    memory.float32(region).fill(7);
    memory.free(region);
    const again = memory.reserve(16);
    expect(again.byteOffset).toBe(region.byteOffset);
    expect(memory.float32(again)[15]).toBe(7);
    memory.free(again);
    expect(memory.float32(memory.allocate(16)).every((value) => value === 0)).toBe(true);
    expect(() => memory.reserve(-1)).toThrow(RangeError);
  });

  it("states what is in use and what is reserved", () => {
    const memory = create();
    const region = memory.allocate(17);
    expect(memory.usage().used).toBe(128);
    expect(memory.usage().reserved).toBeGreaterThanOrEqual(region.byteOffset + 128);
    memory.free(region);
    expect(memory.usage().used).toBe(0);
  });

  it("detaches views when it grows, and keeps the values", () => {
    const memory = create();
    const region = memory.allocate(3);
    const stale = memory.float32(region);
    stale.set([1, 2, 3]);
    memory.allocate(100_000);
    expect(stale.length).toBe(0);
    expect(Array.from(memory.float32(region))).toEqual([1, 2, 3]);
  });

  it("allows empty regions, each at a place of its own", () => {
    const memory = create();
    const [first, second] = [memory.allocate(0), memory.allocate(0)];
    expect(memory.float32(first).length).toBe(0);
    expect(first.byteOffset).not.toBe(second.byteOffset);
    memory.free(first);
    memory.free(second);
    expect(memory.usage().used).toBe(0);
  });

  it("refuses to free twice, or what is not its own", () => {
    const memory = create();
    const region = memory.allocate(4);
    memory.free(region);
    expect(() => memory.free(region)).toThrow(RangeError);
    const next = memory.allocate(4);
    expect(next.byteOffset).toBe(region.byteOffset);
    expect(() => memory.free(region)).toThrow(/^region: expected a region in use here/);
    expect(() => memory.free(create().allocate(4))).toThrow(RangeError);
    memory.free(next);
  });

  it("hands a recycled region out again where it was, with its view", () => {
    const memory = create();
    const [region] = [memory.allocate(4), memory.allocate(4)];
    const view = memory.float32(region);
    memory.recycle(region);
    expect(() => memory.recycle(region)).toThrow(/^region: expected a region in use here/);
    expect(memory.allocate(4)).toBe(region);
    expect(memory.float32(region)).toBe(view);
    memory.recycle(region);
    expect(memory.allocate(3)).not.toBe(region);
  });

  it("refuses more than 4 GiB in all before it counts anything", () => {
    const memory = create(65536);
    const held = memory.allocate(1000);
    const before = memory.usage();
    for (const take of [memory.reserve, memory.allocate]) {
      expect(() => take.call(memory, 2 ** 30)).toThrow(/^memory: expected at most 4294967296 /);
      expect(memory.usage()).toEqual(before);
    }
    memory.free(memory.allocate(16));
    expect(memory.usage().used).toBe(before.used);
    memory.free(held);
    expect(memory.usage().used).toBe(0);
  });

  it("refuses lengths that are no counts", () => {
    const memory = create();
    expect(() => memory.allocate(-1)).toThrow(RangeError);
    expect(() => memory.allocate(1.5)).toThrow(RangeError);
    expect(() => memory.allocate(Number.NaN)).toThrow(RangeError);
    expect(() => memory.allocate("4" as unknown as number)).toThrow(TypeError);
    expect(memory.usage().used, name).toBe(0);
  });
});

describe("WASM memory", () => {
  it("leaves what lies below its base alone", () => {
    const linear = new WebAssembly.Memory({ initial: 1 });
    const below = new Uint8Array(linear.buffer, 0, HEAP_BASE).fill(7);
    const memory = createWasmMemory(linear, HEAP_BASE);
    expect(memory.allocate(10).byteOffset).toBeGreaterThanOrEqual(HEAP_BASE);
    expect(below.every((byte) => byte === 7)).toBe(true);
  });

  it("grows to its last page, and says when it cannot", () => {
    const linear = new WebAssembly.Memory({ initial: 1, maximum: 4 });
    const memory = createWasmMemory(linear, 0);
    const region = memory.allocate(30_000);
    const rest = memory.allocate(4 * 16_384 - 30_000);
    expect(linear.buffer.byteLength).toBe(4 * 65_536);
    expect(() => memory.allocate(1)).toThrow(/^memory: expected room for/);
    memory.free(region);
    expect(memory.allocate(30_000).byteOffset).toBe(0);
    expect(rest.byteOffset).toBe(120_000);
  });
});
