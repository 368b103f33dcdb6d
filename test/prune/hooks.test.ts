import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Profile } from "../../src/prune/config.ts";
import { countBlocks, countZeros, keptLimit } from "../../src/prune/count.ts";
import { exactCount } from "../../src/prune/exact.ts";
import {
  copyPruningState,
  createPruningScratch,
  onAfterOptimizerStep,
  onAfterOptimizerStepInto,
  onBeforeOptimizerStep,
  onBeforeOptimizerStepInto,
  onStepBegin,
  onStepBeginInto,
} from "../../src/prune/hooks.ts";
import { initialisePruning } from "../../src/prune/initialise.ts";
import { type LayerRecord, PruningError } from "../../src/prune/layer.ts";
import { parsePruningConfigOrThrow } from "../../src/prune/parse.ts";
import type { PruningState } from "../../src/prune/state.ts";
import { runsOf } from "../reference/runs.ts";
import {
  anyValues,
  configOf,
  copyLayers,
  exactValues,
  HALF_OF_4X1,
  models,
  patterns,
  sineRecord,
} from "./models.ts";

/** Settings of a run; targets are shares of what the pattern can prune. */
const settings = fc.record({
  pruning_type: fc.constantFrom(
    "magnitude",
    "gradient",
    "snip",
    "snip_momentum",
    "snip_momentum_progressive",
    "magnitude_progressive",
  ),
  pruning_scope: fc.constantFrom("global", "local"),
  sparsity_decay_type: fc.constantFrom("exp", "cos", "linear", "cube"),
  start_step: fc.integer({ min: 0, max: 3 }),
  length: fc.integer({ min: 1, max: 12 }),
  pruning_frequency: fc.integer({ min: 1, max: 6 }),
  share: fc.constantFrom(0, 0.3, 0.5, 0.8, 0.97),
  criterion_reduce_type: fc.constantFrom("mean", "sum", "max"),
});

type Settings = typeof settings extends fc.Arbitrary<infer T> ? T : never;

function stateOf(
  pattern: Parameters<typeof configOf>[0],
  { length, share, ...fields }: Settings,
  layers: readonly LayerRecord[],
  profile: Profile,
): PruningState {
  const most = pattern.kind === "group" ? pattern.prune / pattern.of : 0.98;
  const config = parsePruningConfigOrThrow(
    configOf(pattern, {
      ...fields,
      end_step: fields.start_step + length,
      target_sparsity: share * most,
    }),
  );
  return initialisePruning(config, layers, { profile, excludeHead: false });
}

/** Gradient descent with gradients that depend on step and position. */
function descend(layers: readonly LayerRecord[], step: number): void {
  for (const { data, gradient } of layers)
    for (let i = 0; i < data.length; i++)
      data[i] = (data[i] as number) - 0.125 * (gradient?.[(i + step) % data.length] as number);
}

/** Whether a run is refused for what it asks for, which properties pass over. */
function allowed(run: () => void): boolean {
  try {
    run();
    return true;
  } catch (error) {
    if (error instanceof PruningError) return false;
    throw error;
  }
}

describe.each(["inc", "strict"] as const)("%s", (profile) => {
  test("pure and in-place forms agree at every hook, and the pure ones leave their input alone", () => {
    fc.assert(
      fc.property(models(anyValues), patterns, settings, (layers, pattern, chosen) => {
        let state: PruningState | undefined;
        fc.pre(
          allowed(() => {
            state = stateOf(pattern, chosen, layers, profile);
          }),
        );
        if (state === undefined) return;
        const inPlace = copyLayers(layers);
        let mutable = copyPruningState(state);
        const scratch = createPruningScratch(mutable);
        const own = copyLayers(layers);
        for (let step = 0; step < 8; step++) {
          const frozen = JSON.stringify(state);
          const weights = own.map(({ data }) => data.join());
          const before: PruningState = state;
          const begun = (): PruningState => onStepBegin(before, step, own).state;
          if (!allowed(() => begun())) {
            expect(own.map(({ data }) => data.join())).toEqual(weights);
            expect(() => onStepBeginInto(mutable, step, inPlace, scratch)).toThrow(PruningError);
            expect(inPlace.map(({ data }) => data.join())).toEqual(weights);
            return;
          }
          const results = [onStepBegin(state, step, own)];
          expect(JSON.stringify(state)).toBe(frozen);
          expect(own.map(({ data }) => data.join())).toEqual(weights);
          for (const layer of own)
            layer.data.set(results[0]?.weights.get(layer.name) ?? layer.data);
          state = results[0]?.state as PruningState;
          mutable = onStepBeginInto(mutable, step, inPlace, scratch);
          expect(mutable).toEqual(state);

          state = onBeforeOptimizerStep(state, own).state;
          mutable = onBeforeOptimizerStepInto(mutable, inPlace, scratch);
          descend(own, step);
          descend(inPlace, step);
          const after = onAfterOptimizerStep(state, own);
          for (const layer of own) layer.data.set(after.weights.get(layer.name) ?? layer.data);
          state = after.state;
          mutable = onAfterOptimizerStepInto(mutable, inPlace, scratch);
          expect(mutable).toEqual(state);
          expect(inPlace.map(({ data }) => data.map(plusZero).join())).toEqual(
            own.map(({ data }) => data.map(plusZero).join()),
          );
        }
      }),
      { numRuns: 120 },
    );
  });

  test("a saved state goes on as if never saved", () => {
    fc.assert(
      fc.property(models(anyValues), patterns, settings, (layers, pattern, chosen) => {
        const run = (resumed: boolean): PruningState | undefined => {
          const own = copyLayers(layers);
          let state: PruningState | undefined;
          allowed(() => {
            state = stateOf(pattern, chosen, own, profile);
            for (let step = 0; step < 6; step++) {
              if (resumed && step === 3) state = structuredClone(state);
              const scratch = createPruningScratch(state);
              state = onStepBeginInto(state, step, own, scratch);
              state = onBeforeOptimizerStepInto(state, own, scratch);
              descend(own, step);
              state = onAfterOptimizerStepInto(state, own, scratch);
            }
          });
          return state;
        };
        expect(run(true)).toEqual(run(false));
      }),
      { numRuns: 60 },
    );
  });
});

function plusZero(value: number): number {
  return value + 0;
}

describe("strict", () => {
  test("exact counts at every prune step, zeros that never come back, N of M", () => {
    fc.assert(
      fc.property(models(exactValues), patterns, settings, (layers, pattern, chosen) => {
        const own = copyLayers(layers);
        fc.pre(allowed(() => stateOf(pattern, chosen, own, "strict")));
        let state = stateOf(pattern, chosen, own, "strict");
        const scratch = createPruningScratch(state);
        let previous = state.pruners[0]?.layers.map(({ mask }) => mask.slice()) ?? [];
        let applied = previous;
        for (let step = 0; step < 18; step++) {
          state = onStepBeginInto(state, step, own, scratch);
          const pruner = state.pruners[0] as PruningState["pruners"][number];
          pruner.layers.forEach(({ mask, progressiveMask }, i) => {
            const now = progressiveMask ?? mask;
            mask.forEach((bit, at) => {
              if (previous[i]?.[at] === 0) expect(bit).toBe(0);
              if (applied[i]?.[at] === 0) expect(now[at]).toBe(0);
              if (now[at] === 0) expect(own[i]?.data[at]).toBe(0);
            });
          });
          previous = pruner.layers.map(({ mask }) => mask.slice());
          applied = pruner.layers.map(({ mask, progressiveMask }) =>
            (progressiveMask ?? mask).slice(),
          );
          const event = pruner.lastEvent;
          if (event?.step === step) expectExact(pruner, event.targetRatio);
          state = onBeforeOptimizerStepInto(state, own, scratch);
          descend(own, step);
          state = onAfterOptimizerStepInto(state, own, scratch);
        }
        const last = state.pruners[0] as PruningState["pruners"][number];
        if (last.interpolating && chosen.start_step + chosen.length < 17)
          for (const { mask, progressiveMask } of last.layers)
            expect(progressiveMask).toEqual(mask);
      }),
      { numRuns: runsOf(250) },
    );
  }, 3_600_000);

  test("refuses a schedule whose only prune step comes before the first gradient", () => {
    const layer: LayerRecord = {
      name: "a",
      kind: "linear",
      shape: [4, 4],
      data: new Float32Array(16).fill(1),
    };
    const start = (profile: Profile): PruningState =>
      initialisePruning(
        parsePruningConfigOrThrow({ pruning_frequency: 5, end_step: 3, pattern: "4x1" }),
        [layer],
        { profile, excludeHead: false },
      );
    expect(() => start("strict")).toThrow(/start_step: expected a prune step after step 0/);
    expect(start("inc").pruners[0]?.totalPruneSteps).toBe(1);
  });

  test("in local scope the order of layers changes nothing", () => {
    fc.assert(
      fc.property(models(exactValues), patterns, settings, (layers, pattern, chosen) => {
        const masks = (own: LayerRecord[]): Map<string, string> => {
          let state = stateOf(pattern, { ...chosen, pruning_scope: "local" }, own, "strict");
          const scratch = createPruningScratch(state);
          for (let step = 0; step < 8; step++) {
            state = onStepBeginInto(state, step, own, scratch);
            state = onBeforeOptimizerStepInto(state, own, scratch);
            descend(own, step);
            state = onAfterOptimizerStepInto(state, own, scratch);
          }
          return new Map(
            state.pruners.flatMap((pruner) =>
              pruner.layers.map(
                ({ name, mask, progressiveMask }) =>
                  [name, `${mask.join("")} ${progressiveMask?.join("")}`] as const,
              ),
            ),
          );
        };
        fc.pre(allowed(() => stateOf(pattern, chosen, layers, "strict")));
        const forward = masks(copyLayers(layers));
        const backward = masks(copyLayers([...layers].reverse()));
        expect(new Map([...backward].sort())).toEqual(new Map([...forward].sort()));
      }),
      { numRuns: runsOf(120) },
    );
  }, 3_600_000);
});

/** The mask counts a strict prune step promises. */
function expectExact(pruner: PruningState["pruners"][number], ratio: number): void {
  const { pattern, pruningScope } = pruner.config;
  const share = pattern.kind === "group" ? (ratio * pattern.of) / pattern.prune : ratio;
  const counts = pruner.layers.map(({ layout, mask }) =>
    countBlocks(layout, mask, keptLimit(pattern)),
  );
  const total = counts.reduce((sum, count) => sum + count.total, 0);
  const pruned = counts.reduce((sum, count) => sum + count.pruned, 0);
  if (pruningScope === "global") expect(pruned).toBe(exactCount(total, share));
  else for (const count of counts) expect(count.pruned).toBe(exactCount(count.total, share));
  const size = (i: number): number => {
    const layout = pruner.layers[i]?.layout;
    if (pattern.kind === "group" || !layout) return pattern.kind === "group" ? pattern.prune : 1;
    return layout.blockHeight * layout.blockWidth;
  };
  pruner.layers.forEach(({ mask }, i) => {
    expect(countZeros(mask)).toBe((counts[i]?.pruned ?? 0) * size(i));
  });
}

describe("the reducer", () => {
  const layers: LayerRecord[] = [
    { name: "a", kind: "linear", shape: [4, 4], data: new Float32Array(16).fill(1) },
    { name: "head", kind: "linear", shape: [2, 4], data: new Float32Array(8).fill(1) },
  ];
  const config = parsePruningConfigOrThrow({
    pattern: "4x1",
    target_sparsity: 0.5,
    end_step: 4,
  });

  test("asks for the step it expects", () => {
    const state = initialisePruning(config, layers);
    expect(() => onStepBegin(state, 3, layers)).toThrow(/step: expected 0/);
    expect(() => onStepBegin(state, -1, layers)).toThrow(RangeError);
    expect(() => onStepBegin(state, "0" as never, layers)).toThrow(TypeError);
  });

  test("begins a step once, however often it is begun", () => {
    const once = onStepBegin(initialisePruning(config, layers), 0, layers).state;
    expect(onStepBegin(once, 0, layers).state).toEqual(once);
  });

  test("misses layers, lengths and gradients by name", () => {
    const state = initialisePruning(config, layers);
    expect(() => onStepBegin(state, 0, layers.slice(1))).toThrow(/expected one named a/);
    const short = [{ ...layers[0], data: new Float32Array(3) } as LayerRecord, ...layers.slice(1)];
    expect(() => onStepBegin(state, 0, short)).toThrow(/a: expected 16 elements, got 3/);
    expect(() => onBeforeOptimizerStep(state, layers)).toThrow(/a: expected a gradient/);
  });

  test("finds layers wherever they stand", () => {
    const state = initialisePruning(config, layers);
    expect(onStepBegin(state, 0, [...layers].reverse()).state.pruners[0]?.handledStep).toBe(0);
  });

  test("refuses scores that are no numbers before it touches a weight", () => {
    const scratchState = initialisePruning(
      parsePruningConfigOrThrow({
        pattern: "1x1",
        target_sparsity: 0.5,
        pruning_type: "magnitude",
      }),
      layers,
    );
    const broken = copyLayers(layers);
    (broken[0] as LayerRecord).data[3] = Number.NaN;
    const before = (broken[0] as LayerRecord).data.join();
    expect(() =>
      onStepBeginInto(scratchState, 0, broken, createPruningScratch(scratchState)),
    ).toThrow(/finite numbers, got NaN/);
    expect((broken[0] as LayerRecord).data.join()).toBe(before);
  });
});

const OPTIONS = { profile: "strict", excludeHead: false } as const;

describe("the public edge", () => {
  const layer = sineRecord([4, 4]);
  const state = initialisePruning(HALF_OF_4X1, [layer], OPTIONS);

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
      sineRecord([4, 4, 3, 3], { name: "conv", kind: "conv2d" }),
      { ...sineRecord([4, 4]), gradient: new Float32Array(16).fill(1) },
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

describe("exact schedules", () => {
  test("the last prune step meets the target however the decay rounds", () => {
    const config = parsePruningConfigOrThrow({
      pattern: "1x1",
      pruning_type: "magnitude",
      target_sparsity: 0.5,
      end_step: 100,
      pruning_frequency: 10,
    });
    const layers = [sineRecord([1000, 1000])];
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
    expect(initialisePruning(long, [sineRecord([4, 4])], OPTIONS).pruners.length).toBe(1);
  });
});

test("layers without data are refused by name", () => {
  const layers = ["a", "b"].map((name) => sineRecord([8, 4], { name }));
  const state = initialisePruning(HALF_OF_4X1, layers, OPTIONS);
  for (const data of [undefined, null, [1, 2]]) {
    const broken = layers.map((layer, i) =>
      i === 1 ? { ...layer, data } : layer,
    ) as readonly LayerRecord[];
    const message = /^layers b: data: expected a Float32Array/;
    expect(() => onStepBegin(state, 0, broken)).toThrow(message);
    expect(() => onAfterOptimizerStep(state, broken)).toThrow(message);
  }
});
