/** Criteria of block masks: their gradients, scores, masks read off the weights, and rearranged masks. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  applyMaskInto,
  initialisePruning,
  type LayerRecord,
  onAfterOptimizerStep,
  onBeforeOptimizerStep,
  onStepBegin,
  type Profile,
  PruningError,
  type PruningState,
  parsePattern,
  parsePruningConfigOrThrow,
} from "../../src/index.ts";
import { blockMaskGradients } from "../../src/prune/block-mask.ts";
import { countBlocks, keptLimit } from "../../src/prune/count.ts";
import { exactCount } from "../../src/prune/exact.ts";
import { columnOffset, layOut, type Pattern } from "../../src/prune/pattern.ts";
import { exactValues, models } from "./models.ts";

function pattern(text: string): Pattern {
  const parsed = parsePattern(text);
  if (parsed === undefined) throw new Error(text);
  return parsed;
}

function linear(name: string, shape: readonly [number, number], values: number[]): LayerRecord {
  return { name, kind: "linear", shape, data: Float32Array.from(values) };
}

type Fields = Readonly<Record<string, unknown>>;

function start(fields: Fields, layers: readonly LayerRecord[], profile: Profile): PruningState {
  const config = parsePruningConfigOrThrow({ pruning_type: "block_mask", ...fields });
  return initialisePruning(config, layers, { profile, excludeHead: false });
}

/** Steps with given gradients and no update; the states right after each step has begun, and the last one. */
function run(
  state: PruningState,
  layers: readonly LayerRecord[],
  gradients: readonly (readonly Float32Array[])[],
): { begun: PruningState[]; last: PruningState; weights: Float32Array[] } {
  const begun: PruningState[] = [];
  let current = state;
  let records = [...layers];
  const take = (result: ReturnType<typeof onStepBegin>): void => {
    current = result.state;
    records = records.map((layer) => ({
      ...layer,
      data: result.weights.get(layer.name) ?? layer.data,
    }));
  };
  gradients.forEach((step, index) => {
    take(onStepBegin(current, index, records));
    begun.push(current);
    records = records.map((layer, i) => ({ ...layer, gradient: step[i] ?? null }));
    take(onBeforeOptimizerStep(current, records));
    take(onAfterOptimizerStep(current, records));
  });
  return { begun, last: current, weights: records.map(({ data }) => data) };
}

const masksOf = (state: PruningState): string[] =>
  state.pruners.flatMap(({ layers }) => layers.map(({ mask }) => mask.join("")));
const scoresOf = (state: PruningState): (number[] | null)[] =>
  state.pruners.flatMap(({ layers }) => layers.map(({ scores }) => scores && [...scores]));

describe("gradients of block masks", () => {
  test("are the sum of weight x gradient over the block", () => {
    fc.assert(
      fc.property(
        models(exactValues),
        fc.constantFrom("1x1", "4x1", "1x4", "2x2", "1xchannel", "channelx1"),
        (layers, text) => {
          for (const { shape, data, gradient } of layers) {
            const layout = layOut(pattern(text), { shape });
            const expected = new Array(layout.blockRows * layout.blockColumns).fill(0);
            for (let row = 0; row < layout.rows; row++)
              for (let column = 0; column < layout.columns; column++) {
                const at = row * layout.columns + columnOffset(layout, column);
                const block =
                  Math.floor(row / layout.blockHeight) * layout.blockColumns +
                  Math.floor(column / layout.blockWidth);
                expected[block] += (data[at] ?? 0) * (gradient?.[at] ?? 0);
              }
            const got = blockMaskGradients(layout, data, gradient ?? data);
            expect([...got].map((value) => value + 0)).toEqual(expected.map((value) => value + 0));
          }
        },
      ),
      { numRuns: 100 },
    );
  });

  test("are none where the pattern does not divide", () => {
    const layout = layOut(pattern("4x1"), { shape: [6, 2] });
    expect(blockMaskGradients(layout, new Float32Array(12), new Float32Array(12)).length).toBe(0);
  });
});

describe("block_mask", () => {
  const layer = linear("a", [2, 2], [1, 2, 3, 4]);
  const gradients = [Float32Array.of(1, 0, 1, -1)];
  const fields = {
    pattern: "2x1",
    target_sparsity: 0.5,
    start_step: 1,
    end_step: 3,
    sparsity_decay_type: "linear",
  };

  test("scores by a decaying sum of magnitudes, from the start step to the end step", () => {
    const steps = [gradients, gradients, gradients, gradients, gradients];
    const { begun, last } = run(start(fields, [layer], "inc"), [layer], steps);
    expect(scoresOf(begun[1] as PruningState)).toEqual([[0, 0]]);
    expect(scoresOf(begun[2] as PruningState)).toEqual([[4, 4]]);
    const decayed = Math.fround(Math.fround(4 * Math.fround(0.9)) + 4);
    expect(scoresOf(begun[3] as PruningState)).toEqual([[decayed, decayed]]);
    // Both tie and are pruned at step 3, where their gradients end, and nothing is scored after it.
    const ended = Math.fround(decayed * Math.fround(0.9));
    expect(scoresOf(last)).toEqual([[ended, ended]]);
  });

  test("begins in inc with the weight's zero blocks masked, cancelling ones too; in strict with all kept", () => {
    const zeros = linear("a", [2, 3], [1, 0, 5, -1, 0, 5]);
    expect(masksOf(start({ ...fields, pattern: "2x1" }, [zeros], "inc"))).toEqual(["001001"]);
    expect(masksOf(start({ ...fields, pattern: "2x1" }, [zeros], "strict"))).toEqual(["111111"]);
    const { weights } = run(start(fields, [zeros], "inc"), [zeros], [[new Float32Array(6)]]);
    expect(weights[0]?.join()).toBe("0,0,5,0,0,5");
  });

  test("leaves convolutions and indivisible layers alone in inc; strict prunes the former and refuses the latter", () => {
    const layers: LayerRecord[] = [
      { name: "conv", kind: "conv1d", shape: [2, 2, 2], data: new Float32Array(8).fill(1) },
      linear("odd", [3, 2], [1, 2, 3, 4, 5, 6]),
      linear("even", [2, 2], [1, 2, 3, 4]),
    ];
    const inc = start(fields, layers, "inc");
    expect(scoresOf(inc).map((scores) => scores?.length ?? 0)).toEqual([0, 0, 2]);
    expect(inc.pruners[0]?.layers.map(({ layout }) => layout.divides)).toEqual([
      false,
      false,
      true,
    ]);
    expect(() => start(fields, layers, "strict")).toThrow(/^odd: expected a shape that/);
    const divided = layers.filter(({ name }) => name !== "odd");
    expect(start(fields, divided, "strict").pruners[0]?.layers.map(({ name }) => name)).toEqual([
      "conv",
      "even",
    ]);
  });

  test("is refused where there are no block masks", () => {
    const refused = (more: Fields): string => {
      try {
        start({ ...fields, end_step: 20, ...more }, [layer], "inc");
      } catch (error) {
        if (error instanceof PruningError) return error.message;
        throw error;
      }
      return "";
    };
    expect(refused({ pattern: "2:4" })).toMatch(/block_mask: expected a block pattern, got 2:4/);
    expect(refused({ pruning_type: "block_mask_progressive" })).toMatch(
      /block_mask: expected masks/,
    );
    expect(refused({ pruning_type: "retrain_free" })).toMatch(/whole channels, got 2x1/);
    expect(refused({ pattern: "mha" })).toMatch(/pattern: expected blocks.*got "mha"/);
    expect(refused({})).toBe("");
  });

  test("asks for gradients from the start step to the end step only", () => {
    let state = start({ ...fields, end_step: 1 }, [layer], "inc");
    const step = (index: number): void => {
      state = onStepBegin(state, index, [layer]).state;
      state = onBeforeOptimizerStep(state, [layer]).state;
      state = onAfterOptimizerStep(state, [layer]).state;
    };
    step(0);
    expect(() => step(1)).toThrow(/a: expected a gradient of 4 elements for the block_mask/);
  });
});

describe("retrain_free", () => {
  const fields = {
    pruning_type: "retrain_free",
    pattern: "channelx1",
    target_sparsity: 0.5,
    start_step: 0,
    end_step: 4,
    pruning_frequency: 2,
    sparsity_decay_type: "linear",
  };
  const layer = linear("a", [2, 4], [1, 2, 3, 4, 5, 6, 7, 8]);
  const gradients = (step: number): Float32Array[] => [
    Float32Array.from({ length: 8 }, (_, i) => Math.sin(i * 7 + step * 3)),
  ];
  const steps = Array.from({ length: 7 }, (_, step) => gradients(step));

  test.each(["inc", "strict"] as const)(
    "leaves weights alone up to the end step (%s)",
    (profile) => {
      const before = run(start(fields, [layer], profile), [layer], steps.slice(0, 4));
      expect(before.weights[0]).toEqual(layer.data);
      expect(masksOf(before.last)[0]?.match(/0/g)?.length).toBe(2);
      const after = run(start(fields, [layer], profile), [layer], steps);
      const masked = layer.data.slice();
      applyMaskInto(after.last.pruners[0]?.layers[0]?.mask as Uint8Array, masked);
      expect(after.weights[0]).toEqual(masked);
      expect(masked.filter((weight) => weight === 0).length).toBe(4);
      expect(after.last.pruners[0]?.layers[0]?.collected.length).toBe(5);
    },
  );

  test("scores by the sum of squared mask gradients", () => {
    const { begun } = run(start(fields, [layer], "inc"), [layer], steps.slice(0, 3));
    const layout = layOut(pattern("channelx1"), layer);
    const squares = [0, 1].map((step) =>
      blockMaskGradients(layout, layer.data, gradients(step)[0] as Float32Array).map((g) => g * g),
    );
    const sums = squares[0]?.map((first, i) => first + (squares[1]?.[i] ?? 0));
    expect(scoresOf(begun[2] as PruningState)).toEqual([[...(sums ?? [])]]);
  });

  test("what INC breaks on is refused in inc and done in strict: rows, and a single gradient", () => {
    const rows = { ...fields, pattern: "1xchannel" };
    const twoRows = linear("a", [4, 2], [1, 2, 3, 4, 5, 6, 7, 8]);
    const often = { ...fields, pruning_frequency: 1 };
    const wide = linear("a", [1, 8], [1, 2, 3, 4, 5, 6, 7, 8]);
    for (const [given, one] of [
      [rows, twoRows],
      [often, wide],
    ] as const) {
      expect(() => run(start(given, [one], "inc"), [one], steps)).toThrow(PruningError);
      expect(masksOf(run(start(given, [one], "strict"), [one], steps).last)[0]).toMatch(/^(?=.*0)/);
    }
  });

  test("in strict counts are exact and pruned blocks stay pruned, rearranged or not", () => {
    const shapes = fc.array(
      fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 6 })),
      {
        minLength: 1,
        maxLength: 3,
      },
    );
    fc.assert(
      fc.property(
        shapes,
        fc.constantFrom("retrain_free", "block_mask"),
        fc.constantFrom("channelx1", "1xchannel"),
        fc.constantFrom("global", "local"),
        fc.double({ min: 0.1, max: 0.9, noNaN: true }),
        fc.integer({ min: 0, max: 1000 }),
        (sizes, type, text, scope, target, seed) => {
          const layers = sizes.map(([rows, columns], i) =>
            linear(
              `l${i}`,
              [rows, columns],
              Array.from({ length: rows * columns }, (_, j) => Math.cos(j + i + seed)),
            ),
          );
          const given = { ...fields, pruning_type: type, pattern: text, pruning_scope: scope };
          let state: PruningState;
          try {
            state = start(
              { ...given, target_sparsity: target, pruning_frequency: 1 },
              layers,
              "strict",
            );
          } catch (error) {
            if (error instanceof PruningError) return;
            throw error;
          }
          const noise = Array.from({ length: 6 }, (_, step) =>
            layers.map(({ data }) => data.map((_, j) => Math.sin(j * 13 + step * 5 + seed))),
          );
          let previous = masksOf(state);
          for (const begun of run(state, layers, noise).begun) {
            masksOf(begun).forEach((mask, i) => {
              for (let at = 0; at < mask.length; at++)
                if (previous[i]?.[at] === "0") expect(mask[at]).toBe("0");
            });
            previous = masksOf(begun);
            const pruner = begun.pruners[0];
            if (!pruner?.lastEvent) continue;
            const counts = pruner.layers.map(({ layout, mask }) =>
              countBlocks(layout, mask, keptLimit(pruner.config.pattern)),
            );
            const ratio = pruner.lastEvent.targetRatio;
            if (scope === "local")
              for (const { pruned, total } of counts) expect(pruned).toBe(exactCount(total, ratio));
            else {
              const sum = (key: "pruned" | "total") =>
                counts.reduce((n, count) => n + count[key], 0);
              expect(sum("pruned")).toBe(exactCount(sum("total"), ratio));
            }
          }
        },
      ),
      { numRuns: 150 },
    );
  });
});
