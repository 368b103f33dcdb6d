import { relu } from "../../src/autograd/activation.ts";
import { linear } from "../../src/autograd/linear.ts";
import { input, type Tape } from "../../src/autograd/tape.ts";
import { nextNormal, openStream, STREAM } from "../../src/core/random.ts";
import type { Backend } from "../../src/kernels/backend.ts";
import { createParameter } from "../../src/tensor/parameter.ts";
import type { FineTuneOptions } from "../../src/train/loop.ts";
import { type TrainingSettingsOptions, trainingSettings } from "../../src/train/settings.ts";
import type { TrainableModel } from "../../src/train/trainable-model.ts";

/** A row: numbers, the class being whether the first is larger than the second. */
export type Row = readonly number[];

export interface RowBatch {
  readonly features: Float32Array;
  readonly labels: Int32Array;
}

const FEATURES = 4;
const HIDDEN = 16;

function normals(seed: number, count: number): Float32Array {
  const stream = openStream(seed, STREAM.generate);
  return Float32Array.from({ length: count }, () => nextNormal(stream));
}

export function makeRows(seed: number, count: number): readonly Row[] {
  const values = normals(seed, count * FEATURES);
  return Array.from({ length: count }, (_, row) => [
    ...values.subarray(row * FEATURES, (row + 1) * FEATURES),
  ]);
}

export function collate(rows: readonly Row[]): RowBatch {
  return {
    features: Float32Array.from(rows.flat()),
    labels: Int32Array.from(rows, ([a = 0, b = 0]) => (a > b ? 1 : 0)),
  };
}

/** linear, ReLU, linear; its hidden weight [16, 4] is what pruning takes. */
export function createPerceptron(backend: Backend, seed: number): TrainableModel<RowBatch> {
  const make = (name: string, shape: readonly number[], values?: Float32Array) =>
    createParameter(backend, name, shape, values);
  const hidden = make("hidden.weight", [HIDDEN, FEATURES], normals(seed, HIDDEN * FEATURES));
  const hiddenBias = make("hidden.bias", [HIDDEN]);
  const output = make("output.weight", [2, HIDDEN], normals(seed + 1, 2 * HIDDEN));
  const outputBias = make("output.bias", [2]);
  const list = [hidden, hiddenBias, output, outputBias];
  return {
    parameters: new Map(list.map((parameter) => [parameter.name, parameter])),
    forward(tape: Tape, { features, labels }: RowBatch) {
      const x = input(tape, [labels.length, FEATURES], features);
      const state = relu(tape, linear(tape, x, hidden, hiddenBias));
      return { logits: linear(tape, state, output, outputBias), hiddenStates: [state] };
    },
  };
}

/** 7 steps an epoch, the last of 4 rows. */
export function perceptronOptions(
  backend: Backend,
  settings: TrainingSettingsOptions = {},
): FineTuneOptions<Row, RowBatch> {
  return {
    backend,
    model: createPerceptron(backend, 1),
    trainingRows: makeRows(10, 100),
    evaluationRows: makeRows(11, 50),
    collate,
    rowLength: ([first = 0]) => Math.ceil(10 + 3 * first),
    epochs: 4,
    batchSize: 16,
    settings: trainingSettings({ optimizer: { learningRate: 0.01 }, ...settings }),
  };
}

/** A configuration in INC's keys that prunes the perceptron's hidden weight within those 28 steps. */
export const PRUNING: Readonly<Record<string, unknown>> = Object.freeze({
  pattern: "4x1",
  target_sparsity: 0.75,
  start_step: 3,
  end_step: 22,
  pruning_frequency: 4,
});
