import { expect, test } from "vitest";
import { createBackend } from "../../src/kernels/backend.ts";
import { parseModelConfigOrThrow } from "../../src/model/config.ts";
import { initialiseParameters } from "../../src/model/parameters.ts";
import { releaseParameters } from "../../src/tensor/parameter.ts";
import { evaluate } from "../../src/train/evaluation.ts";
import type { TrainingEvent } from "../../src/train/events.ts";
import { padExamples, type TokenisedExample } from "../../src/train/examples.ts";
import { batchLabels } from "../../src/train/labels.ts";
import { fineTune } from "../../src/train/loop.ts";
import { trainingSettings } from "../../src/train/settings.ts";
import { type LabelledBatch, sequenceClassifier } from "../../src/train/trainable-model.ts";

const backend = createBackend({ variant: "scalar" });

function example(label: unknown): TokenisedExample {
  return { inputIds: [2, 5, 3], tokenTypeIds: [0, 0, 0], label: label as number };
}

const LABELS = [0, 1, 1, 0, 1, 0];

/** Fine-tunes a small model of so many labels for one epoch. */
async function train(
  labels: number,
  trained: readonly unknown[],
  evaluated: readonly unknown[] = LABELS,
  change: (batch: ReturnType<typeof padExamples>) => LabelledBatch = (batch) => batch,
): Promise<readonly TrainingEvent[]> {
  const config = parseModelConfigOrThrow({
    ...{ model_type: "bert", vocab_size: 10, hidden_size: 4, num_hidden_layers: 1 },
    ...{ num_attention_heads: 1, intermediate_size: 4, num_labels: labels },
  });
  const parameters = initialiseParameters(backend, config, 1);
  const run = fineTune({
    backend,
    model: sequenceClassifier(config, parameters),
    trainingRows: trained.map(example),
    evaluationRows: evaluated.map(example),
    epochs: 1,
    batchSize: 2,
    collate: (rows) => change(padExamples(rows)) as ReturnType<typeof padExamples>,
    settings: trainingSettings(),
  });
  const events: TrainingEvent[] = [];
  try {
    for await (const event of run) events.push(event);
  } finally {
    run.release();
    releaseParameters(parameters);
  }
  return events;
}

const withLabel = (row: number, label: unknown) =>
  LABELS.map((own, i) => (i === row ? label : own));

const WRONG: readonly (readonly [unknown, string])[] = [
  ["1", 'got "1"'],
  [undefined, "got none"],
  [null, "got null"],
  [Number.NaN, "got NaN"],
  [Number.POSITIVE_INFINITY, "got Infinity"],
  [0.5, "got 0.5"],
  [2, "got 2"],
  [-1, "got -1"],
];

test.each(WRONG)("the label %s of a classifier is refused with its row", async (label, got) => {
  const used = backend.memory.usage().used;
  const row = /^trainingRows\[4\]\.label: expected a class/;
  await expect(train(2, withLabel(4, label))).rejects.toThrow(row);
  await expect(train(2, withLabel(4, label))).rejects.toThrow(got);
  await expect(train(2, LABELS, withLabel(3, label))).rejects.toThrow(
    /^evaluationRows\[3\]\.label: expected a class/,
  );
  expect(backend.memory.usage().used).toBe(used);
});

test("padExamples refuses labels that no model has, and fractions if they are classes", () => {
  const pad = (label: unknown, regression?: boolean) => () =>
    padExamples([example(0), example(label)], 0, regression);
  for (const [label] of WRONG.slice(0, 5))
    for (const regression of [undefined, true, false])
      expect(pad(label, regression)).toThrow(/^examples\[1\]\.label: expected a class/);
  expect(pad("1")).toThrow(TypeError);
  expect(pad(Number.NaN)).toThrow(RangeError);
  expect(pad(0.5, false)).toThrow(/^examples\[1\]\.label: expected a class from 0 to .+, got 0.5$/);
  expect(pad(0.5)().labels).toEqual(Float32Array.of(0, 0.5));
  expect(pad(3)().labels).toEqual(Int32Array.of(0, 3));
  expect(pad(3, true)().labels).toEqual(Float32Array.of(0, 3));
});

test("a model with one label learns values, whether they are integers or not", async () => {
  const integers = await train(1, LABELS);
  const floats = await train(1, LABELS, LABELS, ({ labels, ...batch }) => ({
    ...batch,
    labels: Float32Array.from(labels),
  }));
  expect(integers).toEqual(floats);
  const epoch = (await train(1, withLabel(2, 2.5), withLabel(1, -1.5))).at(-2);
  expect(epoch).toMatchObject({ type: "epoch", evaluation: { accuracy: null } });
  await expect(train(1, withLabel(4, "2.5"))).rejects.toThrow(/^trainingRows\[4\]\.label/);
});

test("a batch without labels, or with labels of another kind, is refused by name", async () => {
  const batchWith = (labels: unknown) =>
    train(2, LABELS, [], (batch) => ({ ...batch, labels }) as never);
  const expected = "batch.labels: expected an Int32Array of classes, or a Float32Array of values";
  await expect(batchWith(undefined)).rejects.toThrow(`${expected}, got undefined`);
  await expect(batchWith([0, 1])).rejects.toThrow(`${expected}, got an array of 2`);
  await expect(batchWith(Int32Array.of(1))).rejects.toThrow(
    "batch.labels: expected 2 elements, got 1",
  );
});

test("labels of several values for each row are values", () => {
  expect(batchLabels(Float32Array.of(1, 2, 3, 4), 2, 2)).toEqual(Float32Array.of(1, 2, 3, 4));
  expect(batchLabels(Float32Array.of(1, 0), 2, 2)).toEqual(Int32Array.of(1, 0));
  expect(() => batchLabels(Float32Array.of(1, 2, Number.NaN, 4), 2, 2)).toThrow(
    /^batch\.labels\[2\]: expected a class, or a finite value for regression, got NaN$/,
  );
});

test("evaluate names the row", () => {
  const config = parseModelConfigOrThrow({
    model_type: "bert",
    vocab_size: 10,
    hidden_size: 4,
    num_hidden_layers: 1,
    num_attention_heads: 1,
    intermediate_size: 4,
  });
  const model = sequenceClassifier(config, initialiseParameters(backend, config, 1));
  const source = { rows: withLabel(3, 5).map(example), collate: padExamples, batchSize: 2 };
  const collate = (rows: readonly TokenisedExample[]) => padExamples(rows);
  expect(() => evaluate(backend, model, { ...source, collate })).toThrow(
    /^rows\[3\]\.label: expected a class from 0 to 1, got 5$/,
  );
});
