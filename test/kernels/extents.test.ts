import { describe, expect, it } from "vitest";
import type { Kernels } from "../../src/kernels/table.ts";
import { VARIANTS } from "./subjects.ts";

const KEY = { seedLow: 0, seedHigh: 0, step: 0, operation: 0 };
const ADAMW = {
  learningRate: 1,
  beta1: 0.9,
  beta2: 0.9,
  epsilon: 1,
  weightDecay: 0,
  c1: 1,
  c2: 1,
};

type Call = (kernels: Kernels, short: Float32Array, long: Float32Array) => void;

/** Calls with one array, named first, that is shorter than the others say. */
const CALLS: readonly (readonly [string, string, Call])[] = [
  ["a", "add", (k, s, l) => k.add(s, l, l)],
  ["b", "multiply", (k, s, l) => k.multiply(l, s, l)],
  ["x", "scale", (k, s, l) => k.scale(s, 2, l)],
  ["x", "addScaled", (k, s, l) => k.addScaled(s, 2, l)],
  ["y", "addBias", (k, s, l) => k.addBias(s, l, 2, 4)],
  ["out", "addColumnSums", (k, s, l) => k.addColumnSums(l, s, 1, 8)],
  ["b", "sumSquaredDifference", (k, s, l) => k.sumSquaredDifference(l, s)],
  ["b", "addScaledDifference", (k, s, l) => k.addScaledDifference(l, s, 1, l)],
  ["x", "geluForward", (k, s, l) => k.geluForward(s, l)],
  ["dy", "geluBackward", (k, s, l) => k.geluBackward(l, s, l)],
  ["x", "geluNewForward", (k, s, l) => k.geluNewForward(s, l)],
  ["dy", "geluNewBackward", (k, s, l) => k.geluNewBackward(l, s, l)],
  ["x", "siluForward", (k, s, l) => k.siluForward(s, l)],
  ["dy", "siluBackward", (k, s, l) => k.siluBackward(l, s, l)],
  ["x", "tanhForward", (k, s, l) => k.tanhForward(s, l)],
  ["y", "tanhBackward", (k, s, l) => k.tanhBackward(s, l, l)],
  ["x", "reluForward", (k, s, l) => k.reluForward(s, l)],
  ["y", "reluBackward", (k, s, l) => k.reluBackward(s, l, l)],
  [
    "probabilities",
    "attentionSoftmaxForward",
    (k, s, l) => k.attentionSoftmaxForward(l, l, 1, s, 2, 0, 3, 2),
  ],
  [
    "dScores",
    "attentionSoftmaxBackward",
    (k, s, l) => k.attentionSoftmaxBackward(l, l, 1, s, 2, 2, 3),
  ],
  ["residual", "layerNormForward", (k, s, l) => k.layerNormForward(l, s, l, l, 1, l, l, l, 2, 4)],
  ["dBeta", "layerNormBackward", (k, s, l) => k.layerNormBackward(l, l, l, l, l, l, s, 1, 8)],
  ["y", "dropout", (k, s, l) => k.dropout(l, s, 2, 2, 3, 0, 32, 0.5, KEY, 0)],
  ["out", "gatherRows", (k, s, l) => k.gatherRows(l, new Int32Array(2), s, 4, false)],
  ["dy", "scatterAddRows", (k, s, l) => k.scatterAddRows(s, new Int32Array(2), l, 4)],
  ["x", "gatherColumns", (k, s, l) => k.gatherColumns(s, new Int32Array(1), l, 2, 4)],
  ["y", "scatterColumns", (k, s, l) => k.scatterColumns(l, new Int32Array(1), s, 2, 4)],
  ["m", "adamwTorch", (k, s, l) => k.adamwTorch(l, l, s, l, ADAMW)],
  ["g", "adamwTransformers", (k, s, l) => k.adamwTransformers(l, s, l, l, ADAMW)],
];

const WASM = VARIANTS.filter(([name]) => name !== "scalar");

describe.each(WASM)("arrays that are too short (%s)", (_name, { kernels, memory }) => {
  const region = memory.allocate(8);

  it.each(CALLS)("are refused: %s of %s", (name, _operation, call) => {
    const long = memory.float32(region).fill(1);
    const expected = new RegExp(`^${name}: expected at least 8 elements, got 7`);
    expect(() => call(kernels, long.subarray(0, 7), long)).toThrow(expected);
    expect(long).toEqual(new Float32Array(8).fill(1));
  });

  it("are refused as well when they are not the memory's", () => {
    const long = memory.float32(region);
    expect(() => kernels.add(new Float32Array(8), long, long)).toThrow(RangeError);
  });
});
