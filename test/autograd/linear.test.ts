import { expect, test } from "vitest";
import { backward } from "../../src/autograd/backward.ts";
import { linear } from "../../src/autograd/linear.ts";
import { meanSquaredError } from "../../src/autograd/losses.ts";
import { createTape, input, releaseTape } from "../../src/autograd/tape.ts";
import { createBackend } from "../../src/kernels/backend.ts";
import { createBlockSparseWeight, keptBlocks } from "../../src/tensor/block-sparse-weight.ts";
import { createParameter } from "../../src/tensor/parameter.ts";
import { randomFloats } from "../kernels/subjects.ts";

/** More than eight shards, whose sums are held at a time, and a last one that is not full. */
const TOKENS = 8 * 256 + 300;

test.each(["scalar", "simd"] as const)(
  "a long batch's sparse gradient is the dense one (%s)",
  (variant) => {
    const backend = createBackend({ variant });
    const [outputs, inputs] = [8, 6];
    const mask = Uint8Array.from({ length: outputs * inputs }, (_, i) =>
      (i % inputs) % 2 ? 0 : 1,
    );
    const values = randomFloats(1, outputs * inputs).map((value, i) => value * (mask[i] ?? 0));
    const gradients = [false, true].map((sparse) => {
      const weight = createParameter(backend, "weight", [outputs, inputs], values);
      const kept = createBlockSparseWeight(
        backend,
        keptBlocks([outputs, inputs], [mask]),
        weight.value,
      );
      const products = { weight: kept, forward: true, inputGradient: true, weightGradient: true };
      const blockSparse = new Map(sparse ? [[weight, products] as const] : []);
      const tape = createTape(backend, { training: true, blockSparse });
      const x = input(tape, [TOKENS, inputs], randomFloats(2, TOKENS * inputs));
      const target = input(tape, [TOKENS, outputs], randomFloats(3, TOKENS * outputs));
      backward(tape, meanSquaredError(tape, linear(tape, x, weight), target));
      const gradient = weight.gradient.data.slice();
      releaseTape(tape);
      return gradient;
    });
    const [dense = new Float32Array(), sparse = new Float32Array()] = gradients;
    const largest = Math.max(...dense.map(Math.abs));
    expect(largest).toBeGreaterThan(0.01);
    for (const [i, value] of dense.entries())
      expect(Math.abs((sparse[i] ?? NaN) - (mask[i] ? value : 0))).toBeLessThan(1e-5 * largest);
  },
);
