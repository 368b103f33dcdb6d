// Prunes on the core alone: once, and over steps with made-up gradients.
import { digest } from "./digest.mjs";

/** Numbers that look random and are the same everywhere. */
function numbers(count, seed) {
  let state = seed;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 0x100000000 - 0.5;
  });
}

function createLayers() {
  return [
    { name: "first", kind: "linear", shape: [16, 12], data: numbers(192, 1) },
    { name: "second", kind: "linear", shape: [24, 16], data: numbers(384, 2) },
    { name: "classifier", kind: "linear", shape: [4, 24], data: numbers(96, 3) },
  ];
}

/** Prunes 2 of every 4 weights at once. */
function pruneAtOnce({ pruneOnce }) {
  const { weights, masks, statistics } = pruneOnce(createLayers(), {
    pattern: "2:4",
    targetSparsity: 0.5,
  });
  if (statistics.prunedLayers.ratio !== 0.5) throw new Error("expected half of the weights gone");
  return digest(...weights.values(), ...masks.values());
}

/** Prunes 4x1 blocks over ten steps; the optimizer is plain gradient descent. */
function pruneOverSteps(espalier) {
  const config = espalier.getOrThrow(
    espalier.parsePruningConfig({
      pruning_type: "snip_momentum",
      pattern: "4x1",
      target_sparsity: 0.75,
      start_step: 1,
      end_step: 8,
      pruning_frequency: 2,
    }),
  );
  let layers = createLayers();
  let state = espalier.initialisePruning(config, layers, { profile: "strict" });
  const take = (result) => {
    state = result.state;
    layers = layers.map((layer) => ({
      ...layer,
      data: result.weights.get(layer.name) ?? layer.data,
    }));
  };
  for (let step = 0; step < 10; step++) {
    take(espalier.onStepBegin(state, step, layers));
    layers = layers.map((layer, index) => ({
      ...layer,
      gradient: numbers(layer.data.length, 100 * step + index),
    }));
    take(espalier.onBeforeOptimizerStep(state, layers));
    layers = layers.map((layer) => ({
      ...layer,
      data: layer.data.map((value, i) => value - 0.01 * layer.gradient[i]),
    }));
    take(espalier.onAfterOptimizerStep(state, layers));
  }
  const { blocks } = espalier.sparsityStatistics(state, layers).pruners[0];
  if (blocks.ratio !== 0.75) throw new Error("expected three quarters of the blocks gone");
  return { blocks, digest: digest(...layers.map(({ data }) => data)) };
}

export function prune(espalier) {
  const overSteps = pruneOverSteps(espalier);
  return { ...overSteps, atOnce: pruneAtOnce(espalier) };
}
