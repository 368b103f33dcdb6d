/** Random models, gradients and configurations for properties. */
import fc from "fast-check";
import type { PruningConfig } from "../../src/prune/config.ts";
import type { LayerKind, LayerRecord } from "../../src/prune/layer.ts";
import { elementCount } from "../../src/prune/layer.ts";
import { parsePruningConfigOrThrow } from "../../src/prune/parse.ts";
import { formatPattern, type Pattern } from "../../src/prune/pattern.ts";

/**
 * Scores that add up exactly in any order, with many ties and zeros of both signs: small multiples of
 * 1/16.
 */
export function exactValues(count: number): fc.Arbitrary<Float32Array> {
  return fc
    .array(fc.integer({ min: -24, max: 24 }), { minLength: count, maxLength: count })
    .map((values) => Float32Array.from(values, (value) => value / 16));
}

/** Any finite weights. */
export function anyValues(count: number): fc.Arbitrary<Float32Array> {
  return fc
    .array(fc.float({ noNaN: true, noDefaultInfinity: true, min: -1e10, max: 1e10 }), {
      minLength: count,
      maxLength: count,
    })
    .map((values) => Float32Array.from(values));
}

/** A pattern, in all forms. */
export const patterns: fc.Arbitrary<Pattern> = fc.oneof(
  fc.constantFrom<Pattern>(
    { kind: "block", height: 1, width: 1 },
    { kind: "block", height: 4, width: 1 },
    { kind: "block", height: 1, width: 4 },
    { kind: "block", height: 2, width: 2 },
    { kind: "block", height: 1, width: "channel" },
    { kind: "block", height: 2, width: "channel" },
    { kind: "block", height: "channel", width: 1 },
  ),
  fc.constantFrom<Pattern>(
    { kind: "group", prune: 2, of: 4 },
    { kind: "group", prune: 1, of: 2 },
    { kind: "group", prune: 1, of: 4 },
    { kind: "group", prune: 3, of: 4 },
  ),
);

const kinds: fc.Arbitrary<[LayerKind, number[]]> = fc.oneof(
  fc
    .tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 }))
    .map(([rows, columns]): [LayerKind, number[]] => ["linear", [rows * 4, columns * 4]]),
  fc.constant<[LayerKind, number[]]>(["conv1d", [4, 4, 3]]),
  fc.constant<[LayerKind, number[]]>(["conv2d", [4, 8, 1, 2]]),
);

/** One to four layers that every pattern above divides, with gradients. */
export function models(
  values: (count: number) => fc.Arbitrary<Float32Array>,
): fc.Arbitrary<LayerRecord[]> {
  return fc.array(kinds, { minLength: 1, maxLength: 4 }).chain((layers) =>
    fc.tuple(
      ...layers.map(([kind, shape], i) =>
        fc.tuple(values(elementCount(shape)), values(elementCount(shape))).map(
          ([data, gradient]): LayerRecord => ({
            name: `layer${i}`,
            kind,
            shape,
            data,
            gradient,
          }),
        ),
      ),
    ),
  );
}

/** The largest share a pattern can prune. */
export function mostOf(pattern: Pattern): number {
  return pattern.kind === "group" ? pattern.prune / pattern.of : 0.99;
}

/** Copies of records that share no data. */
export function copyLayers(layers: readonly LayerRecord[]): LayerRecord[] {
  return layers.map((layer) => ({
    ...layer,
    data: layer.data.slice(),
    gradient: layer.gradient?.slice() ?? null,
  }));
}

/** A configuration in INC's keys. */
export function configOf(
  pattern: Pattern,
  fields: Readonly<Record<string, unknown>>,
): Readonly<Record<string, unknown>> {
  return { pattern: formatPattern(pattern), ...fields };
}

/** A record named a, with weights that are all different. */
export function sineRecord(shape: readonly number[], more: Partial<LayerRecord> = {}): LayerRecord {
  const data = Float32Array.from({ length: elementCount(shape) }, (_, i) => Math.sin(i + 1));
  return { name: "a", kind: "linear", shape, data, ...more };
}

/** Half of the 4x1 blocks at once, by magnitude. */
export const HALF_OF_4X1: PruningConfig = parsePruningConfigOrThrow({
  pattern: "4x1",
  pruning_type: "magnitude",
  target_sparsity: 0.5,
});
