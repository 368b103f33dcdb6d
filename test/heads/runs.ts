/**
 * Random runs of pruning heads. Weights and gradients are small multiples of a power of two and sizes are powers of two, so
 * that sums and means are exact in any order and ties are many.
 */
import fc from "fast-check";
import { nextUint32, openStream } from "../../src/core/random.ts";
import type { AttentionLayer } from "../../src/heads/state.ts";
import type { Profile, PrunerConfig } from "../../src/prune/config.ts";
import type { LayerRecord } from "../../src/prune/layer.ts";
import { parsePruningConfigOrThrow } from "../../src/prune/parse.ts";

export interface HeadRun {
  readonly profile: Profile;
  readonly config: PrunerConfig;
  readonly minHeads: number;
  readonly attentions: readonly AttentionLayer[];
  readonly layers: readonly LayerRecord[];
  /** For each step the gradients of the layers, in their order. */
  readonly gradients: readonly (readonly Float32Array[])[];
}

const shapes = fc.record({
  heads: fc.constantFrom(1, 2, 4, 8),
  width: fc.constantFrom(1, 2),
  hidden: fc.constantFrom(2, 4),
});

const keys = fc.record({
  pattern: fc.constant("mha"),
  pruning_type: fc.constantFrom("magnitude", "gradient", "snip", "snip_momentum"),
  target_sparsity: fc.constantFrom(0, 0.25, 0.3, 0.5, 0.75, 0.9),
  pruning_scope: fc.constantFrom("global" as const, "local" as const),
  criterion_reduce_type: fc.constantFrom("mean" as const, "sum" as const),
  sparsity_decay_type: fc.constantFrom("exp" as const, "linear" as const, "cube" as const),
  start_step: fc.integer({ min: 0, max: 2 }),
  end_step: fc.integer({ min: 3, max: 5 }),
  pruning_frequency: fc.integer({ min: 1, max: 2 }),
  min_sparsity_ratio_per_op: fc.constantFrom(0, 0.25),
  max_sparsity_ratio_per_op: fc.constantFrom(0.5, 0.98, 0.98),
  low_memory_usage: fc.boolean(),
});

function attention(index: number, heads: number): AttentionLayer {
  const name = `layer.${index}`;
  const projections = ["query", "key", "value"].map((one) => `${name}.${one}`);
  return { name, heads, projections, output: `${name}.output` };
}

/** Returns a run with values from a seed: multiples of 1/16, of which some are zero. */
export const headRuns: fc.Arbitrary<HeadRun> = fc
  .record({
    profile: fc.constantFrom<Profile>("inc", "strict"),
    keys,
    minHeads: fc.constantFrom(0, 1, 2),
    layers: fc.array(shapes, { minLength: 1, maxLength: 3 }),
    seed: fc.nat(),
    levels: fc.constantFrom(1, 4, 16),
  })
  .map(({ profile, keys: stated, minHeads, layers, seed, levels }) => {
    const stream = openStream(seed, 0);
    const values = (count: number): Float32Array =>
      Float32Array.from({ length: count }, () => {
        const level = nextUint32(stream) % (2 * levels + 1);
        return (level - levels) / 16;
      });
    const attentions = layers.map(({ heads }, i) => attention(i, heads));
    const records = attentions.flatMap(({ projections, output, heads }, i): LayerRecord[] => {
      const { width = 1, hidden = 2 } = layers[i] ?? {};
      const size = heads * width;
      const own = projections.map((name): LayerRecord => {
        const shape = [size, hidden];
        return { name, kind: "linear", shape, data: values(size * hidden) };
      });
      const shape = [hidden, size];
      return [...own, { name: output, kind: "linear", shape, data: values(hidden * size) }];
    });
    const input = { ...stated, criterion_type: stated.pruning_type as "magnitude" };
    const { pruners } = parsePruningConfigOrThrow(input, { profile });
    return {
      profile,
      config: pruners[0] as PrunerConfig,
      minHeads: profile === "inc" ? 0 : minHeads,
      attentions,
      layers: records,
      gradients: Array.from({ length: 7 }, () => records.map(({ data }) => values(data.length))),
    };
  });
