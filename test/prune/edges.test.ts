/** What comes in at the public edge: shapes, types, profiles, large counts. */
import { describe, expect, test } from "vitest";
import {
  applyMaskInto,
  copyPruningState,
  createPruningScratch,
  initialisePruning,
  type LayerRecord,
  onAfterOptimizerStepInto,
  onBeforeOptimizerStep,
  onBeforeOptimizerStepInto,
  onStepBegin,
  onStepBeginInto,
  parsePruningConfig,
  parsePruningConfigOrThrow,
  pruneOnce,
} from "../../src/index.ts";
import { exactCount } from "../../src/prune/exact.ts";

function record(shape: readonly number[], more: Partial<LayerRecord> = {}): LayerRecord {
  const length = shape.reduce((product, extent) => product * extent, 1);
  const data = Float32Array.from({ length }, (_, i) => Math.sin(i + 1));
  return { name: "a", kind: "linear", shape, data, ...more };
}

const CONFIG = parsePruningConfigOrThrow({
  pattern: "4x1",
  pruning_type: "magnitude",
  target_sparsity: 0.5,
});
const OPTIONS = { profile: "strict", excludeHead: false } as const;

describe("shapes", () => {
  test.each([
    ["linear", [16]],
    ["linear", [4, 4, 1]],
    ["linear", []],
    ["conv1d", [4, 4]],
    ["conv2d", [16]],
    ["embedding", [4]],
  ] as const)("%s of shape %j is refused", (kind, shape) => {
    const layer = record(shape, { kind });
    const once = { pattern: "4x1", targetSparsity: 0.25, excludeHead: false } as const;
    expect(() => pruneOnce([layer], once)).toThrow(/layers\[0\]\.shape: expected \[.*\] for /);
  });

  test("modules of other kinds have any shape or none", () => {
    const layers = [record([4, 4]), { ...record([]), name: "b", kind: "other" } as const];
    expect(initialisePruning(CONFIG, layers, OPTIONS).pruners[0]?.layers.length).toBe(1);
  });
});

describe("the hooks", () => {
  const layer = record([4, 4]);
  const state = initialisePruning(CONFIG, [layer], OPTIONS);

  test("refuse what is no Float32Array by name", () => {
    for (const data of [new Float64Array(16), new Array(16).fill(1)]) {
      const wrong = [{ ...layer, data: data as unknown as Float32Array }];
      expect(() => onStepBegin(state, 0, wrong)).toThrow(/a: data: expected a Float32Array/);
    }
    expect(() => onStepBegin(state, 0, undefined as never)).toThrow(/layers: expected an array/);
    const snip = parsePruningConfigOrThrow({ pattern: "4x1", target_sparsity: 0.5, end_step: 4 });
    const begun = onStepBegin(initialisePruning(snip, [layer], OPTIONS), 0, [layer]).state;
    const gradient = new Float64Array(16) as unknown as Float32Array;
    expect(() => onBeforeOptimizerStep(begun, [{ ...layer, gradient }])).toThrow(
      /a: gradient: expected a Float32Array/,
    );
  });

  test("leave a state alone whose masks are Node's buffers", () => {
    const given = copyPruningState(state);
    const [pruner] = given.pruners;
    const [first] = pruner?.layers ?? [];
    if (pruner === undefined || first === undefined) throw new Error();
    const mask = Buffer.from(first.mask);
    const saved = { ...given, pruners: [{ ...pruner, layers: [{ ...first, mask }] }] };
    const after = onStepBegin(saved, 0, [layer]).state;
    expect(after.pruners[0]?.layers[0]?.mask.includes(0)).toBe(true);
    expect(mask.includes(0)).toBe(false);
  });

  test("under block masks ask no gradient of layers that have none", () => {
    const layers = [
      record([4, 4, 3, 3], { name: "conv", kind: "conv2d" }),
      { ...record([4, 4]), gradient: new Float32Array(16).fill(1) },
    ];
    const config = parsePruningConfigOrThrow({
      pattern: "4x1",
      pruning_type: "block_mask",
      end_step: 4,
    });
    const begun = initialisePruning(config, layers, { profile: "inc", excludeHead: false });
    expect(onBeforeOptimizerStep(begun, layers).state.pruners[0]?.layers.length).toBe(2);
  });
});

describe("names", () => {
  test("a profile that is none is refused everywhere", () => {
    const options = { profile: "Strict" as never };
    const wanted = /profile: expected one of inc, strict, got "Strict"/;
    expect(() => initialisePruning(CONFIG, [record([4, 4])], options)).toThrow(wanted);
    expect(() => parsePruningConfig({}, options)).toThrow(wanted);
    const once = { pattern: "4x1", targetSparsity: 0.5, ...options };
    expect(() => pruneOnce([record([4, 4])], once)).toThrow(wanted);
  });

  test("a configuration that is not parsed, or still an Either, is refused with advice", () => {
    for (const config of [{ pattern: "4x1" }, parsePruningConfig({})])
      expect(() => initialisePruning(config as never, [record([4, 4])])).toThrow(
        /config: expected one from parsePruningConfig/,
      );
  });
});

describe("exact counts", () => {
  test("a product that rounding has left below a whole number counts as that number", () => {
    expect(exactCount(1e8, 0.29)).toBe(29_000_000);
    expect(exactCount(4e7, 0.57)).toBe(22_800_000);
    expect(exactCount(10, 0.6999999999999998)).toBe(7);
    expect(exactCount(10, 0.699)).toBe(6);
    // Against whole numbers: blocks x n / 1000.
    for (let i = 0; i < 20_000; i++) {
      const blocks = Math.floor(((i * 2654435761) % 2 ** 32) / 5);
      const parts = (i * 7919) % 1000;
      const exact = Number((BigInt(blocks) * BigInt(parts)) / 1000n);
      expect(exactCount(blocks, parts / 1000)).toBe(exact);
    }
  });

  test("the last prune step meets the target however the decay rounds", () => {
    const config = parsePruningConfigOrThrow({
      pattern: "1x1",
      pruning_type: "magnitude",
      target_sparsity: 0.5,
      end_step: 100,
      pruning_frequency: 10,
    });
    const layers = [record([1000, 1000])];
    let state = initialisePruning(config, layers, OPTIONS);
    const scratch = createPruningScratch(state);
    for (let step = 0; step <= 100; step++) {
      state = onStepBeginInto(state, step, layers, scratch);
      state = onBeforeOptimizerStepInto(state, layers, scratch);
      state = onAfterOptimizerStepInto(state, layers, scratch);
    }
    expect(state.pruners[0]?.lastEvent?.prunedBlocks).toBe(500_000);
  });

  test("schedules of any length are planned at once", () => {
    const long = parsePruningConfigOrThrow({ pattern: "4x1", end_step: 5e9 });
    expect(initialisePruning(long, [record([4, 4])], OPTIONS).pruners.length).toBe(1);
  });
});

describe("applyMaskInto", () => {
  test("any entry but 0 keeps its element, bits and all", () => {
    const values = Float32Array.of(1.7, 2, -0, 4);
    applyMaskInto(Uint8Array.of(255, 0, 255, 1), values);
    expect([...values].map((value) => (Object.is(value, -0) ? "-0" : value))).toEqual([
      Math.fround(1.7),
      0,
      "-0",
      4,
    ]);
  });

  test("other arrays and lengths are refused", () => {
    const mask = Uint8Array.of(1, 0);
    expect(() => applyMaskInto(mask, new Float64Array(2) as never)).toThrow(TypeError);
    expect(() => applyMaskInto(mask, new Float32Array(3))).toThrow(RangeError);
  });

  test("an array whose buffer has grown is masked to its end", () => {
    // Both are recent: the buffer's option, and arrays that follow it.
    const Growing = ArrayBuffer as unknown as new (
      length: number,
      options: { maxByteLength: number },
    ) => ArrayBuffer & { resize(length: number): void };
    const buffer = new Growing(16, { maxByteLength: 64 });
    const data = new Float32Array(buffer);
    const layer = (): LayerRecord => ({ name: "a", kind: "linear", shape: [1, data.length], data });
    for (const length of [4, 8]) {
      buffer.resize(4 * length);
      data.set(Float32Array.from({ length }, (_, i) => i + 1));
      const config = parsePruningConfigOrThrow({
        pattern: "1x1",
        pruning_type: "magnitude",
        target_sparsity: 0.75,
      });
      const state = initialisePruning(config, [layer()], OPTIONS);
      onStepBeginInto(state, 0, [layer()], createPruningScratch(state));
      expect(data.filter((value) => value === 0).length).toBe(0.75 * length);
    }
  });
});
