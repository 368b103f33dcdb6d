import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { availableVariants, type Backend, createBackend } from "../../src/kernels/backend.ts";
import type { Profile } from "../../src/prune/config.ts";
import {
  createPruningScratch,
  onAfterOptimizerStepInto,
  onBeforeOptimizerStepInto,
  onStepBeginInto,
  type PruningScratch,
} from "../../src/prune/hooks.ts";
import { initialisePruning } from "../../src/prune/initialise.ts";
import { type LayerRecord, PruningError } from "../../src/prune/layer.ts";
import { parsePruningConfigOrThrow } from "../../src/prune/parse.ts";
import type { PruningState } from "../../src/prune/state.ts";
import { createPruningKernels } from "../../src/train/pruning.ts";
import { randomFloats } from "../kernels/subjects.ts";
import { arraysMadeBy } from "../prune/allocation.ts";
import { anyValues, configOf, exactValues, models, mostOf, patterns } from "../prune/models.ts";

type Fields = Readonly<Record<string, unknown>>;

/** Layers with copies of the data, in the backend's memory where there is one. */
function copied(layers: readonly LayerRecord[], backend: Backend | undefined): LayerRecord[] {
  if (backend === undefined) return layers.map((layer) => ({ ...layer, data: layer.data.slice() }));
  const regions = layers.map(({ data }) => [
    backend.memory.allocate(data.length),
    backend.memory.allocate(data.length),
  ]);
  return layers.map((layer, i) => {
    const [data, gradient] = regions[i].map((region) => backend.memory.float32(region));
    data.set(layer.data);
    gradient.set(layer.gradient ?? layer.data);
    return { ...layer, data, gradient };
  });
}

function start(config: Fields, layers: readonly LayerRecord[], profile: Profile): PruningState {
  return initialisePruning(parsePruningConfigOrThrow(config), layers, {
    profile,
    excludeHead: false,
  });
}

/** One step of descent with the gradients at hand, between the hooks. */
function runStep(
  state: PruningState,
  step: number,
  layers: readonly LayerRecord[],
  scratch: PruningScratch,
): PruningState {
  let next = onStepBeginInto(state, step, layers, scratch);
  next = onBeforeOptimizerStepInto(next, layers, scratch);
  for (const { data, gradient } of layers)
    for (let i = 0; i < data.length; i++) data[i] -= 0.125 * (gradient?.[i] ?? 0);
  return onAfterOptimizerStepInto(next, layers, scratch);
}

/** States and weights after some steps, or the refusal. */
function outcome(
  config: Fields,
  records: readonly LayerRecord[],
  profile: Profile,
  backend: Backend | undefined,
): unknown {
  const kernels = backend && createPruningKernels(backend);
  const layers = copied(records, backend);
  try {
    let state = start(config, layers, profile);
    const scratch = createPruningScratch(state, kernels);
    for (let step = 0; step < 7; step++) state = runStep(state, step, layers, scratch);
    return { state, weights: layers.map(({ data }) => data.join()) };
  } catch (error) {
    if (error instanceof PruningError) return error.message;
    throw error;
  }
}

const settings = fc.record({
  pruning_type: fc.constantFrom("magnitude", "gradient", "snip", "snip_momentum"),
  pruning_scope: fc.constantFrom("global", "local"),
  start_step: fc.integer({ min: 0, max: 2 }),
  end_step: fc.integer({ min: 3, max: 6 }),
  pruning_frequency: fc.integer({ min: 1, max: 2 }),
  share: fc.constantFrom(0.2, 0.5, 0.8),
  criterion_reduce_type: fc.constantFrom("mean", "sum", "max"),
});

const variants = availableVariants().filter((variant) => variant !== "scalar");

describe.each(variants)("%s", (variant) => {
  const backend = createBackend({ variant });

  test.each(["inc", "strict"] as const)("prunes as plain loops do: %s", (profile) => {
    fc.assert(
      fc.property(
        fc.oneof(models(anyValues), models(exactValues)),
        patterns,
        settings,
        (layers, pattern, { share, ...fields }) => {
          const target = { target_sparsity: share * mostOf(pattern) };
          const config = configOf(pattern, { ...fields, ...target });
          expect(outcome(config, layers, profile, backend)).toEqual(
            outcome(config, layers, profile, undefined),
          );
        },
      ),
      { numRuns: 60 },
    );
  });

  test("refuses scores that are no numbers with the same words", () => {
    const data = Float32Array.of(1, 2, 3, Number.NaN, 5, 6, 7, 8);
    const layers: LayerRecord[] = [
      { name: "a", kind: "linear", shape: [4, 2], data, gradient: data },
    ];
    const config = { pattern: "4x1", target_sparsity: 0.5, end_step: 4, pruning_frequency: 1 };
    for (const profile of ["inc", "strict"] as const)
      expect(outcome(config, layers, profile, backend)).toBe(
        outcome(config, layers, profile, undefined),
      );
  });
});

const RUNS: readonly Fields[] = [
  { pattern: "4x1" },
  { pattern: "4x1", pruning_scope: "local" },
  { pattern: "1x1", pruning_type: "magnitude" },
  { pattern: "2:4", target_sparsity: 0.4 },
  { pattern: "1xchannel" },
  { pattern: "channelx1" },
  { pattern: "4x1", pruning_type: "snip_momentum_progressive" },
  { pattern: "4x1", criterion_reduce_type: "max" },
];

describe.each([undefined, ...variants])("with kernels: %s", (variant) => {
  test.each(["inc", "strict"] as const)(
    "steps make no arrays after the first prune step: %s",
    (profile) => {
      for (const fields of RUNS) {
        const backend = variant && createBackend({ variant });
        const kernels = backend && createPruningKernels(backend);
        const records = [16, 8].map((rows, i): LayerRecord => {
          const [data, gradient] = [randomFloats(i, rows * 12), randomFloats(i + 9, rows * 12)];
          return { name: `layer${i}`, kind: "linear", shape: [rows, 12], data, gradient };
        });
        const layers = copied(records, backend);
        const config = { target_sparsity: 0.8, start_step: 1, end_step: 40, pruning_frequency: 8 };
        let state = start({ ...config, ...fields }, layers, profile);
        const scratch = createPruningScratch(state, kernels);
        for (let step = 0; step < 10; step++) state = runStep(state, step, layers, scratch);
        const made = arraysMadeBy(() => {
          for (let step = 10; step < 30; step++) state = runStep(state, step, layers, scratch);
        });
        expect({ fields, made }).toEqual({ fields, made: [] });
      }
    },
  );
});
