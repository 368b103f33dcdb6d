import { describe, expect, it } from "vitest";
import { backward } from "../../src/autograd/backward.ts";
import { crossEntropy } from "../../src/autograd/label-losses.ts";
import { createTape, releaseTape } from "../../src/autograd/tape.ts";
import { STREAM } from "../../src/core/random.ts";
import { type Backend, createBackend } from "../../src/kernels/backend.ts";
import type { Kernels } from "../../src/kernels/table.ts";
import { type ModelConfig, parseModelConfigOrThrow } from "../../src/model/config.ts";
import { forward } from "../../src/model/forward.ts";
import { initialiseParameters } from "../../src/model/parameters.ts";
import { randomBatch, SMALL_BERT, SMALL_DISTILBERT } from "./small-models.ts";

/** One call of the dropout kernel: rows of one example or of one of its heads. */
interface DropoutCall {
  /** Counted from the pass's first. */
  readonly operation: number;
  readonly example: number;
  readonly rows: number;
  readonly columns: number;
  readonly rate: number;
  readonly firstPosition: number;
  readonly positionStride: number;
  readonly step: number;
}

/** A backend whose dropout kernel notes its calls in `calls`. */
function watchedBackend(calls: DropoutCall[]): Backend {
  const { kernels, memory } = createBackend({ variant: "scalar" });
  const dropout: Kernels["dropout"] = (...call) => {
    const [, , , rows, columns, firstPosition, positionStride, rate, key, example] = call;
    const operation = key.operation - STREAM.dropout;
    const { step } = key;
    calls.push({ operation, example, rows, columns, rate, firstPosition, positionStride, step });
    kernels.dropout(...call);
  };
  return { kernels: { ...kernels, dropout }, memory };
}

/** The dropout calls of a training pass, forward and backward, over 3 sequences of 7 positions. */
function dropoutCalls(config: ModelConfig): {
  readonly ahead: readonly DropoutCall[];
  readonly back: readonly DropoutCall[];
} {
  const calls: DropoutCall[] = [];
  const backend = watchedBackend(calls);
  const parameters = initialiseParameters(backend, config, 1);
  const batch = randomBatch([7, 5, 6], 7, 1);
  const tape = createTape(backend, { training: true, seed: 2, step: 11 });
  const loss = crossEntropy(tape, forward(tape, config, parameters, batch).logits, batch.labels);
  const ahead = calls.splice(0);
  backward(tape, loss);
  releaseTape(tape);
  return { ahead, back: calls };
}

/** The random numbers that calls use, each as text. */
function numbersOf(calls: readonly DropoutCall[]): readonly string[] {
  return calls.flatMap(({ operation, example, rows, columns, firstPosition, positionStride }) =>
    Array.from({ length: rows * columns }, (_, i) => {
      const position = firstPosition + Math.floor(i / columns) * positionStride + (i % columns);
      return `${operation} ${example} ${position}`;
    }),
  );
}

/** Each operation once, as `rate [rows per example and head, columns]`. */
function places(calls: readonly DropoutCall[]): readonly string[] {
  const byOperation = new Map(
    calls.map(({ operation, rate, rows, columns }) => [operation, `${rate} [${rows}, ${columns}]`]),
  );
  return [...byOperation].sort(([a], [b]) => a - b).map(([, place]) => place);
}

const BERT = parseModelConfigOrThrow({
  ...SMALL_BERT.source,
  hidden_dropout_prob: 0.1,
  attention_probs_dropout_prob: 0.2,
  classifier_dropout: 0.3,
});
const DISTILBERT = parseModelConfigOrThrow({
  ...SMALL_DISTILBERT.source,
  dropout: 0.1,
  attention_dropout: 0.2,
  seq_classif_dropout: 0.3,
});

const HIDDEN = "0.1 [7, 8]";
const PROBABILITIES = "0.2 [7, 7]";
const CLASSIFIER = "0.3 [1, 8]";

describe.each([
  // Embeddings; probabilities, attention output and feed-forward output of both layers; classifier.
  ["BERT", BERT, [HIDDEN, ...twice(PROBABILITIES, HIDDEN, HIDDEN), CLASSIFIER]],
  // The same but for the attention output.
  ["DistilBERT", DISTILBERT, [HIDDEN, ...twice(PROBABILITIES, HIDDEN), CLASSIFIER]],
] as const)("dropout of %s", (_, config, expected) => {
  const { ahead, back } = dropoutCalls(config);

  it("acts wherever transformers' does, with its rate", () => {
    expect(places(ahead)).toEqual(expected);
    expect(new Set(ahead.map(({ example }) => example))).toEqual(new Set([0, 1, 2]));
    expect(new Set(ahead.map(({ step }) => step))).toEqual(new Set([11]));
  });

  it("uses no random number twice", () => {
    const numbers = numbersOf(ahead);
    expect(new Set(numbers).size).toBe(numbers.length);
  });

  it("drops in the backward pass what it dropped in the forward pass", () => {
    expect([...numbersOf(back)].sort()).toEqual([...numbersOf(ahead)].sort());
    expect(places(back)).toEqual(places(ahead));
  });
});

function twice(...places: readonly string[]): readonly string[] {
  return [...places, ...places];
}
