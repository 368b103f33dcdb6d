import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { gelu, geluNew, relu, silu, tanh } from "../../src/autograd/activation.ts";
import { add, multiply, scale } from "../../src/autograd/arithmetic.ts";
import {
  attentionContext,
  attentionProbabilities,
  HIDDEN_KEY,
} from "../../src/autograd/attention.ts";
import { BACKWARD_RULES } from "../../src/autograd/backward.ts";
import { dropout } from "../../src/autograd/dropout.ts";
import { embeddingSum, selectRows } from "../../src/autograd/embedding.ts";
import { binaryCrossEntropy, crossEntropy } from "../../src/autograd/label-losses.ts";
import { layerNorm } from "../../src/autograd/layer-norm.ts";
import { linear } from "../../src/autograd/linear.ts";
import { kullbackLeibler, meanSquaredError, softCrossEntropy } from "../../src/autograd/losses.ts";
import type { OperationName, Variable } from "../../src/autograd/records.ts";
import { packedSequences, type Sequences } from "../../src/autograd/sequences.ts";
import { input } from "../../src/autograd/tape.ts";
import { checkGradients, type Subject } from "./finite-differences.ts";

/** Sizes that subjects build their shapes from, and a seed for values. */
interface Sizes {
  readonly batch: number;
  readonly positions: number;
  readonly heads: number;
  readonly width: number;
  readonly seed: number;
}

/** Values of layer norm that differ by so little that differences of second order were 1.5e-7 off. */
const STEEP: Sizes = { batch: 2, positions: 1, heads: 1, width: 1, seed: 14177 };

const extent = fc.integer({ min: 1, max: 4 });
const sizes: fc.Arbitrary<Sizes> = fc.record({
  batch: extent,
  positions: extent,
  heads: fc.integer({ min: 1, max: 2 }),
  width: fc.integer({ min: 1, max: 5 }),
  seed: fc.nat(1_000_000),
});

/** Random numbers in [0, limit), the same for the same sizes. */
function ids(count: number, limit: number, seed: number): Int32Array {
  return Int32Array.from({ length: count }, (_, i) => (seed + i * 7 + ((i * i) % 5)) % limit);
}

/** Pseudo-random key mask with at least one visible key in most rows. */
function keyBiasValues(count: number, seed: number): Float32Array {
  return Float32Array.from({ length: count }, (_, i) => ((seed + i) % 3 === 2 ? HIDDEN_KEY : 0));
}

/** Sequences of 1 to 4 rows, and how many rows they have together. */
function ragged({ batch, seed }: Sizes): { readonly sequences: Sequences; readonly rows: number } {
  const sequences = packedSequences(Array.from({ length: batch }, (_, b) => 1 + ((seed + b) % 4)));
  return { sequences, rows: sequences.offsets[batch] };
}

const awayFromZero = (value: number): number => value + Math.sign(value) * 0.01;

/** For every operation the functions whose gradients go through its rule. */
const SUBJECTS: Readonly<Record<OperationName, readonly ((sizes: Sizes) => Subject)[]>> = {
  linear: [
    ({ batch, positions, width }) => ({
      inputs: { x: [batch, positions, width] },
      parameters: { weight: [3, width], bias: [3] },
      compute: (tape, o) => linear(tape, o.input("x"), o.parameter("weight"), o.parameter("bias")),
    }),
    ({ batch, width }) => ({
      inputs: { x: [batch, width] },
      parameters: { weight: [2, width] },
      compute: (tape, o) => linear(tape, o.input("x"), o.parameter("weight")),
    }),
    // The same weight twice: its gradient accumulates.
    ({ batch, width }) => ({
      inputs: { x: [batch, width] },
      parameters: { weight: [width, width], bias: [width] },
      compute: (tape, o) => {
        const [weight, bias] = [o.parameter("weight"), o.parameter("bias")];
        return linear(tape, linear(tape, o.input("x"), weight, bias), weight, bias);
      },
    }),
  ],
  gelu: [
    ({ batch, width }) => ({
      inputs: { x: [batch, width] },
      compute: (tape, o) => gelu(tape, o.input("x")),
    }),
  ],
  geluNew: [
    ({ batch, width }) => ({
      inputs: { x: [batch, width] },
      compute: (tape, o) => geluNew(tape, o.input("x")),
    }),
  ],
  silu: [
    ({ batch, width }) => ({
      inputs: { x: [batch, width] },
      compute: (tape, o) => silu(tape, o.input("x")),
    }),
  ],
  tanh: [
    ({ batch, width }) => ({
      inputs: { x: [batch, width] },
      compute: (tape, o) => tanh(tape, o.input("x")),
    }),
  ],
  relu: [
    ({ batch, width }) => ({
      inputs: { x: [batch, width] },
      adjust: awayFromZero,
      compute: (tape, o) => relu(tape, o.input("x")),
    }),
  ],
  dropout: [
    ({ batch, positions, width }) => ({
      inputs: { x: [batch, positions, width] },
      compute: (tape, o) => dropout(tape, o.input("x"), 0.4),
    }),
    (size) => {
      const { sequences, rows } = ragged(size);
      return {
        inputs: { x: [rows, size.width] },
        compute: (tape, o) => dropout(tape, o.input("x"), 0.4, sequences),
      };
    },
    ({ batch }) => ({
      inputs: { x: [batch] },
      compute: (tape, o) => dropout(tape, o.input("x"), 0.4),
    }),
  ],
  layerNorm: [
    ({ batch, width }) => ({
      inputs: { x: [batch, width + 2] },
      parameters: { gamma: [width + 2], beta: [width + 2] },
      compute: (tape, o) =>
        layerNorm(tape, o.input("x"), o.parameter("gamma"), o.parameter("beta"), { epsilon: 1e-3 }),
    }),
    ({ batch, positions, width }) => ({
      inputs: { x: [batch, positions, width + 2], residual: [batch, positions, width + 2] },
      parameters: { gamma: [width + 2], beta: [width + 2] },
      compute: (tape, o) =>
        layerNorm(tape, o.input("x"), o.parameter("gamma"), o.parameter("beta"), {
          epsilon: 1e-3,
          residual: o.input("residual"),
          dropout: 0.3,
        }),
    }),
    (size) => {
      const { sequences, rows } = ragged(size);
      const columns = size.width + 2;
      return {
        inputs: { x: [rows, columns] },
        parameters: { gamma: [columns], beta: [columns] },
        compute: (tape, o) =>
          layerNorm(tape, o.input("x"), o.parameter("gamma"), o.parameter("beta"), {
            epsilon: 1e-3,
            dropout: 0.3,
            sequences,
          }),
      };
    },
    // x is its own residual: two contributions to one gradient.
    ({ batch, width }) => ({
      inputs: { x: [batch, width + 2] },
      parameters: { gamma: [width + 2], beta: [width + 2] },
      compute: (tape, o) =>
        layerNorm(tape, o.input("x"), o.parameter("gamma"), o.parameter("beta"), {
          epsilon: 1e-3,
          residual: o.input("x"),
        }),
    }),
  ],
  attentionProbabilities: [0, 0.3]
    .map(
      (rate) =>
        ({ batch, positions, heads, width, seed }: Sizes): Subject => ({
          inputs: {
            query: [batch, positions, heads * width],
            key: [batch, positions, heads * width],
          },
          compute: (tape, o) =>
            attentionProbabilities(tape, o.input("query"), o.input("key"), {
              heads,
              keyBias: input(tape, [batch, positions], keyBiasValues(batch * positions, seed)),
              dropout: rate,
              maxPositions: 9,
            }),
        }),
    )
    .concat((size: Sizes): Subject => {
      const { sequences, rows } = ragged(size);
      const { heads, width, seed } = size;
      return {
        inputs: { query: [rows, heads * width], key: [rows, heads * width] },
        compute: (tape, o) =>
          attentionProbabilities(tape, o.input("query"), o.input("key"), {
            heads,
            keyBias: input(tape, [rows], keyBiasValues(rows, seed)),
            dropout: 0.3,
            maxPositions: 9,
            sequences,
          }),
      };
    }),
  attentionContext: [
    ({ batch, positions, heads, width }) => ({
      inputs: {
        probabilities: [batch, heads, positions, positions],
        values: [batch, positions, heads * width],
      },
      compute: (tape, o) => attentionContext(tape, o.input("probabilities"), o.input("values")),
    }),
    (size) => {
      const { sequences, rows } = ragged(size);
      const { batch, heads, width } = size;
      return {
        inputs: {
          probabilities: [heads * sequences.squares[batch]],
          values: [rows, heads * width],
        },
        compute: (tape, o) =>
          attentionContext(tape, o.input("probabilities"), o.input("values"), { sequences }),
      };
    },
    // First tokens alone attend.
    (size) => {
      const { sequences, rows } = ragged(size);
      const { batch, heads, width } = size;
      return {
        inputs: { query: [batch, heads * width], x: [rows, heads * width] },
        compute: (tape, o) => {
          const x = o.input("x");
          const keyBias = input(tape, [rows], new Float32Array(rows));
          const options = { heads, keyBias, sequences, queries: "first", dropout: 0.3 } as const;
          const shares = attentionProbabilities(tape, o.input("query"), x, options);
          return attentionContext(tape, shares, x, options);
        },
      };
    },
    ({ batch, positions, heads, width }) => ({
      inputs: { query: [batch, heads * width], x: [batch, positions, heads * width] },
      compute: (tape, o) => {
        const x = o.input("x");
        const keyBias = input(tape, [batch, positions], new Float32Array(batch * positions));
        const options = { heads, keyBias, queries: "first" } as const;
        const shares = attentionProbabilities(tape, o.input("query"), x, options);
        return attentionContext(tape, shares, x, options);
      },
    }),
    // Self-attention on one variable: query, key and values contribute to one gradient.
    ({ batch, positions, heads, width }) => ({
      inputs: { x: [batch, positions, heads * width] },
      compute: (tape, o) => {
        const x = o.input("x");
        const keyBias = input(tape, [batch, positions], new Float32Array(batch * positions));
        return attentionContext(tape, attentionProbabilities(tape, x, x, { heads, keyBias }), x);
      },
    }),
  ],
  embeddingSum: [
    ({ batch, positions, width, seed }) => ({
      parameters: { words: [5, width], types: [2, width] },
      compute: (tape, o) =>
        embeddingSum(
          tape,
          [batch, positions],
          [
            { table: o.parameter("words"), ids: ids(batch * positions, 5, seed) },
            { table: o.parameter("types"), ids: ids(batch * positions, 2, seed) },
          ],
        ),
    }),
  ],
  selectRows: [
    ({ batch, width, seed }) => ({
      inputs: { x: [batch + 1, width] },
      compute: (tape, o) => selectRows(tape, o.input("x"), ids(5, batch + 1, seed)),
    }),
    ({ batch, positions, width }) => ({
      inputs: { x: [batch, positions, width] },
      compute: (tape, o) => {
        const first = Int32Array.from({ length: batch }, (_, example) => example * positions);
        const rows = (): Variable => selectRows(tape, o.input("x"), first);
        return add(tape, rows(), rows());
      },
    }),
  ],
  add: [
    ({ batch, width }) => ({
      inputs: { a: [batch, width], b: [batch, width] },
      compute: (tape, o) => add(tape, add(tape, o.input("a"), o.input("b")), o.input("a")),
    }),
  ],
  multiply: [
    ({ batch, width }) => ({
      inputs: { a: [batch, width], b: [batch, width] },
      compute: (tape, o) => multiply(tape, o.input("a"), o.input("b")),
    }),
    ({ batch, width }) => ({
      inputs: { a: [batch, width] },
      compute: (tape, o) => multiply(tape, o.input("a"), o.input("a")),
    }),
  ],
  scale: [
    ({ batch, width }) => ({
      inputs: { x: [batch, width] },
      // A gradient shared by a sum and changed in place by one side only.
      compute: (tape, o) => add(tape, scale(tape, o.input("x"), -2.5), o.input("x")),
    }),
  ],
  crossEntropy: [
    ({ batch, width, seed }) => ({
      inputs: { logits: [batch, width + 1] },
      compute: (tape, o) => crossEntropy(tape, o.input("logits"), ids(batch, width + 1, seed)),
    }),
    ...[{ labelSmoothing: 0.3 }, { weighted: true }, { labelSmoothing: 1, weighted: true }].map(
      ({ weighted = false, ...options }) =>
        ({ batch, width, seed }: Sizes): Subject => ({
          inputs: { logits: [batch, width + 1] },
          compute: (tape, o) =>
            crossEntropy(tape, o.input("logits"), ids(batch, width + 1, seed), {
              ...options,
              classWeights: weighted ? Array.from(ids(width + 1, 5, seed), (id) => id + 0.5) : null,
            }),
        }),
    ),
  ],
  binaryCrossEntropy: [
    ({ batch, width, seed }) => ({
      inputs: { logits: [batch, width] },
      compute: (tape, o) => {
        const targets = Float32Array.from(ids(batch * width, 5, seed), (id) => id / 4);
        return scale(tape, binaryCrossEntropy(tape, o.input("logits"), targets), 3);
      },
    }),
  ],
  meanSquaredError: [
    ({ batch, width }) => ({
      inputs: { a: [batch, width], b: [batch, width] },
      compute: (tape, o) => scale(tape, meanSquaredError(tape, o.input("a"), o.input("b")), 3),
    }),
  ],
  softTargets: [
    ({ batch, width, seed }) => ({
      inputs: { student: [batch, width + 1] },
      compute: (tape, o) => {
        const count = batch * (width + 1);
        const teacher = Float32Array.from(ids(count, 7, seed), (id) => id / 3);
        const logits = input(tape, [batch, width + 1], teacher);
        const kl = kullbackLeibler(tape, o.input("student"), logits, { temperature: 2 });
        const options = { temperature: 0.7, reduction: "mean" } as const;
        return add(tape, kl, softCrossEntropy(tape, o.input("student"), logits, options));
      },
    }),
  ],
};

describe("backward rules against finite differences", () => {
  it("covers every rule", () => {
    expect(Object.keys(SUBJECTS).sort()).toEqual(Object.keys(BACKWARD_RULES).sort());
  });

  for (const [operation, subjects] of Object.entries(SUBJECTS)) {
    for (const [index, subject] of subjects.entries()) {
      it(`${operation} (${index})`, () => {
        fc.assert(
          fc.property(sizes, (size) => checkGradients(subject(size), size.seed)),
          { numRuns: 25, examples: [[STEEP]] },
        );
      });
    }
  }
});
