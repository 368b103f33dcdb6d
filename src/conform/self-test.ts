/**
 * Whether this engine computes with compiled kernels what scalar loops compute: one training step of a small BERT
 * on both. Flags of an engine are experiments; whoever turns one on should look first.
 */
import { backward } from "../autograd/backward.ts";
import { crossEntropy } from "../autograd/losses.ts";
import { createTape, releaseTape, scalarOf } from "../autograd/tape.ts";
import { nextUnit, openStream } from "../core/random.ts";
import { type Backend, createBackend } from "../kernels/backend.ts";
import type { TokenBatch } from "../model/batch.ts";
import { type ModelConfig, parseModelConfigOrThrow } from "../model/config.ts";
import { forward } from "../model/forward.ts";
import { initialiseParameters } from "../model/parameters.ts";
import { releaseParameters } from "../tensor/parameter.ts";

/** What the kernels of a backend gave beside scalar loops. */
export interface SelfTest {
  readonly passed: boolean;
  /** The largest difference of a gradient, relative to that gradient's largest entry, or of the loss. */
  readonly worst: number;
  /** Where that was. */
  readonly at: string;
}

/** Rounding of float32 sums of up to 128 terms through two layers and back stays well below. */
const TOLERANCE = 1e-4;
const SEED = 20;
const BATCH = 3;
const POSITIONS = 37;
const VOCABULARY = 100;

function testConfig(): ModelConfig {
  return parseModelConfigOrThrow({
    model_type: "bert",
    vocab_size: VOCABULARY,
    hidden_size: 72,
    num_hidden_layers: 2,
    num_attention_heads: 4,
    intermediate_size: 128,
    max_position_embeddings: POSITIONS,
  });
}

function testBatch(): TokenBatch & { readonly labels: Int32Array } {
  const stream = openStream(SEED, 0);
  const tokens = BATCH * POSITIONS;
  return {
    batch: BATCH,
    positions: POSITIONS,
    inputIds: Int32Array.from({ length: tokens }, () => Math.floor(nextUnit(stream) * VOCABULARY)),
    tokenTypeIds: new Int32Array(tokens),
    attentionMask: Uint8Array.from({ length: tokens }, (_, i) => (i % POSITIONS < 30 ? 1 : 0)),
    labels: Int32Array.of(0, 1, 1),
  };
}

/** The loss and every parameter's gradient. */
function gradientsOf(backend: Backend): ReadonlyMap<string, Float32Array> {
  const config = testConfig();
  const parameters = initialiseParameters(backend, config, SEED);
  // Initial weights are small; larger ones make every path matter.
  for (const { value } of parameters.values())
    if (value.shape.length === 2) backend.kernels.scale(value.data, 10, value.data);
  const batch = testBatch();
  const tape = createTape(backend, { training: true, seed: SEED, step: 1 });
  try {
    const { logits } = forward(tape, config, parameters, batch);
    const loss = crossEntropy(tape, logits, batch.labels);
    const gradients = new Map([["loss", Float32Array.of(scalarOf(loss))]]);
    backward(tape, loss);
    for (const { name, gradient } of parameters.values())
      gradients.set(name, gradient.data.slice());
    return gradients;
  } finally {
    releaseTape(tape);
    releaseParameters(parameters);
  }
}

/** |a - b| relative to b's largest entry; infinite where one is no number. */
function distance(a: Float32Array, b: Float32Array): number {
  const largest = b.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const difference = a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i])), 0);
  if (!Number.isFinite(difference + largest)) return Number.POSITIVE_INFINITY;
  return largest === 0 ? difference : difference / largest;
}

/**
 * Compares a training step on a backend with the same on scalar loops.
 *
 * @example
 * ```ts
 * import { createBackend } from "espalier/nn";
 * import { runSelfTest } from "espalier/node";
 *
 * const { passed, worst, at } = runSelfTest(createBackend());
 * if (!passed) throw new Error(`${at} differs by ${worst}`);
 * ```
 */
export function runSelfTest(backend: Backend): SelfTest {
  const expected = gradientsOf(createBackend({ variant: "scalar" }));
  const got = gradientsOf(backend);
  let [worst, at] = [0, "loss"];
  for (const [name, values] of expected) {
    // Biases of keys move all scores of a row alike: their gradient is rounding alone.
    if (/key\.bias$/.test(name)) continue;
    const difference = distance(got.get(name) ?? new Float32Array(0), values);
    if (difference > worst) [worst, at] = [difference, name];
  }
  return { passed: worst <= TOLERANCE, worst, at };
}
