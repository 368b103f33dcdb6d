/**
 * Compares compiled kernels with scalar loops in the running JavaScript engine, because experimental engine flags may
 * break kernels. Both compute one training step of a small BERT, with dense weights in its first layer and compressed
 * weights in its second.
 */
import { backward } from "../autograd/backward.ts";
import { crossEntropy } from "../autograd/label-losses.ts";
import type { BlockSparseProducts } from "../autograd/records.ts";
import { createTape, releaseTape, scalarOf } from "../autograd/tape.ts";
import { nextUnit, openStream } from "../core/random.ts";
import { type Backend, createBackend } from "../kernels/backend.ts";
import { type ModelConfig, parseModelConfigOrThrow } from "../model/config.ts";
import { forward } from "../model/forward.ts";
import { initialiseParameters } from "../model/parameters.ts";
import {
  createBlockSparseWeight,
  keptBlocks,
  releaseBlockSparseWeight,
} from "../tensor/block-sparse-weight.ts";
import { type Parameter, type Parameters, releaseParameters } from "../tensor/parameter.ts";
import { largestMagnitude } from "./difference.ts";

export interface SelfTest {
  readonly passed: boolean;
  /** The largest difference in the loss or in a gradient, relative to the largest entry of the same tensor. */
  readonly worst: number;
  /** The name of the parameter whose gradient differs most, or `loss`. */
  readonly at: string;
}

/**
 * The maximum relative difference that passes. Float32 rounding errors in sums with up to 128 terms stay much smaller,
 * even through the forward and backward passes of two layers.
 */
const TOLERANCE = 1e-4;
const SEED = 20;
const BATCH = 3;
const POSITIONS = 37;
const VOCABULARY = 100;
const KEPT = 0.3;

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

/** Keeps only random 4x1 blocks of the second layer's weights, and compresses these weights. */
function compressSecondLayer(
  backend: Backend,
  parameters: Parameters,
): ReadonlyMap<Parameter, BlockSparseProducts> {
  const stream = openStream(SEED, 1);
  const products = { forward: true, inputGradient: true, weightGradient: true };
  const compressed = new Map<Parameter, BlockSparseProducts>();
  for (const parameter of parameters.values()) {
    const { name, value } = parameter;
    const [outputs = 0, inputs = 0] = value.shape;
    if (!/layer\.1\./.test(name) || value.shape.length !== 2) continue;
    const bits = Uint8Array.from({ length: (outputs / 4) * inputs }, () =>
      nextUnit(stream) < KEPT ? 1 : 0,
    );
    const mask = Uint8Array.from({ length: outputs * inputs }, (_, i) => {
      const blockRow = Math.floor(i / (4 * inputs));
      return bits[blockRow * inputs + (i % inputs)] ?? 0;
    });
    value.data.set(value.data.map((weight, i) => (mask[i] === 1 ? weight : 0)));
    const weight = createBlockSparseWeight(backend, keptBlocks(value.shape, [mask]), value);
    compressed.set(parameter, { weight, ...products });
  }
  return compressed;
}

function gradientsOf(backend: Backend): ReadonlyMap<string, Float32Array> {
  const config = testConfig();
  const parameters = initialiseParameters(backend, config, SEED);
  // Larger weights and non-zero biases make every kernel affect the result.
  const biases = openStream(SEED, 2);
  for (const { name, value } of parameters.values()) {
    if (value.shape.length === 2) backend.kernels.scale(value.data, 10, value.data);
    else if (/bias$/.test(name)) value.data.set(value.data.map(() => nextUnit(biases) - 0.5));
  }
  const ids = openStream(SEED, 0);
  const tokens = BATCH * POSITIONS;
  const batch = {
    batch: BATCH,
    positions: POSITIONS,
    inputIds: Int32Array.from({ length: tokens }, () => Math.floor(nextUnit(ids) * VOCABULARY)),
    tokenTypeIds: new Int32Array(tokens),
    attentionMask: Uint8Array.from({ length: tokens }, (_, i) => (i % POSITIONS < 30 ? 1 : 0)),
  };
  const blockSparse = compressSecondLayer(backend, parameters);
  const tape = createTape(backend, { training: true, seed: SEED, step: 1, blockSparse });
  try {
    const { logits } = forward(tape, config, parameters, batch);
    const loss = crossEntropy(tape, logits, Int32Array.of(0, 1, 1));
    const gradients = new Map([["loss", Float32Array.of(scalarOf(loss))]]);
    backward(tape, loss);
    for (const { name, gradient } of parameters.values())
      gradients.set(name, gradient.data.slice());
    return gradients;
  } finally {
    releaseTape(tape);
    for (const { weight } of blockSparse.values()) releaseBlockSparseWeight(weight);
    releaseParameters(parameters);
  }
}

/** Returns max |a - b| relative to the largest magnitude in b; infinity if a difference is not finite. */
function distance(a: Float32Array, b: Float32Array): number {
  const difference = a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i])), 0);
  if (!Number.isFinite(difference)) return Number.POSITIVE_INFINITY;
  return difference / (largestMagnitude(b) || 1);
}

/** Compares a training step on a backend with the same training step on scalar loops. */
export function runSelfTest(backend: Backend): SelfTest {
  const expected = gradientsOf(createBackend({ variant: "scalar" }));
  const got = gradientsOf(backend);
  let [worst, at] = [0, "loss"];
  for (const [name, values] of expected) {
    // A key bias shifts all attention scores of a query equally, so its gradient is only rounding noise.
    if (/key\.bias$/.test(name)) continue;
    const difference = distance(got.get(name) ?? new Float32Array(0), values);
    if (difference > worst) [worst, at] = [difference, name];
  }
  return { passed: worst <= TOLERANCE, worst, at };
}
