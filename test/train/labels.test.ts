import { describe, expect, test } from "vitest";
import type { ProblemType } from "../../src/core/problem-type.ts";
import { createBackend } from "../../src/kernels/backend.ts";
import { parseModelConfigOrThrow } from "../../src/model/config.ts";
import { initialiseParameters } from "../../src/model/parameters.ts";
import { releaseParameters } from "../../src/tensor/parameter.ts";
import { checkUnweighted } from "../../src/train/distillation.ts";
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

test("padExamples does not wrap integers that an Int32Array cannot hold", () => {
  const { labels } = padExamples([example(1), example(2 ** 32)]);
  expect(labels).toEqual(Float32Array.of(1, 2 ** 32));
});

test("padExamples refuses labels that no model has, and fractions if they are classes", () => {
  const pad = (label: unknown, problemType?: ProblemType) => () =>
    padExamples([example(0), example(label)], 0, problemType);
  for (const [label] of WRONG.slice(0, 5))
    for (const problemType of [undefined, "regression", "single_label_classification"] as const)
      expect(pad(label, problemType)).toThrow(/^examples\[1\]\.label: expected a class/);
  expect(pad("1")).toThrow(TypeError);
  expect(pad(Number.NaN)).toThrow(RangeError);
  expect(pad(0.5, "single_label_classification")).toThrow(
    /^examples\[1\]\.label: expected a class from 0 to .+, got 0.5$/,
  );
  expect(pad(0.5)().labels).toEqual(Float32Array.of(0, 0.5));
  expect(pad(3)().labels).toEqual(Int32Array.of(0, 3));
  expect(pad(3, "regression")().labels).toEqual(Float32Array.of(0, 3));
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
  const values = Float32Array.of(1, 2, 3, 4);
  const problemType = "regression";
  expect(batchLabels(values, 2, 2, problemType)).toEqual({ problemType, values });
  expect(batchLabels(Float32Array.of(1, 0), 2, 2)).toEqual({
    problemType: "single_label_classification",
    classes: Int32Array.of(1, 0),
  });
  expect(() => batchLabels(Float32Array.of(1, 2, Number.NaN, 4), 2, 2, problemType)).toThrow(
    /^batch\.labels\[2\]: expected a finite value, got NaN$/,
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

describe("several labels and several values", () => {
  /** Three rows of a model with two outputs. */
  const ROWS = [
    [1, 0],
    [0, 0],
    [1, 1],
  ];

  async function lossOf(
    labels: readonly unknown[],
    problem_type: ProblemType | null,
    outputs = 2,
  ): Promise<number | undefined> {
    const config = parseModelConfigOrThrow({
      ...{ model_type: "distilbert", vocab_size: 10, dim: 4, n_layers: 1, n_heads: 1 },
      ...{ hidden_dim: 4, num_labels: outputs, problem_type },
    });
    const model = sequenceClassifier(config, initialiseParameters(backend, config, 1));
    const collate = (rows: readonly TokenisedExample[]) => padExamples(rows, 0, config.problemType);
    const source = { rows: labels.map(example), collate, batchSize: 2 };
    const { loss, accuracy } = evaluate(backend, model, source);
    const isRegression = problem_type === "regression" || (problem_type === null && outputs === 1);
    expect(accuracy === null).toBe(isRegression);
    releaseParameters(model.parameters);
    return loss;
  }

  test("have the loss of the model's problem type", async () => {
    const multi = await lossOf(ROWS, "multi_label_classification");
    expect(await lossOf(ROWS, null)).toBe(multi);
    expect(
      await lossOf(
        ROWS.map((row) => Float32Array.from(row)),
        null,
      ),
    ).toBe(multi);
    // New classifiers give logits near 0, so the loss is near log 2 and near the mean square.
    expect(multi).toBeCloseTo(Math.LN2, 1);
    expect(await lossOf(ROWS, "regression")).toBeCloseTo(3 / 6, 1);
    expect(await lossOf([[1], [0]], "multi_label_classification", 1)).toBeCloseTo(Math.LN2, 1);
    expect(await lossOf([[1], [0]], null, 1)).toBeCloseTo(0.5, 1);
  });

  const wrong: readonly (readonly [unknown, ProblemType, string])[] = [
    [1, "multi_label_classification", "expected a list of 2 values, got 1"],
    [[1], "multi_label_classification", "expected a list of 2 values, got an array of 1"],
    [[1, 0, 1], "multi_label_classification", "expected a list of 2 values, got an array of 3"],
    [[1, 2], "multi_label_classification", "expected a value from 0 to 1, got 2"],
    [[1, "0"], "multi_label_classification", 'expected a value from 0 to 1, got "0"'],
    ["10", "multi_label_classification", 'expected a list of 2 values, got "10"'],
    [[1, 0], "single_label_classification", "expected a class from 0 to"],
    [[1, Number.NaN], "regression", "expected a finite value, got NaN"],
    [undefined, "regression", "expected a list of 2 values, got none"],
  ];

  test.each(wrong)("the label %j of %s is refused with its row", async (label, type, message) => {
    const good = type === "single_label_classification" ? [1, 0, 1] : ROWS;
    const rows = [...good.slice(0, 2), label];
    const got = lossOf([...good.slice(0, 1), ...rows], type);
    await expect(got).rejects.toThrow(message);
    await expect(got).rejects.toThrow(/^(?:rows\[3\]|examples\[1\])\.label/);
  });

  test("are not mixed with classes", () => {
    for (const labels of [
      [[1, 0], 1],
      [1, [1, 0]],
    ])
      expect(() => padExamples(labels.map(example))).toThrow(/^examples\[1\]\.label: expected/);
  });
});

test("label smoothing and class weights are for classes alone", () => {
  for (const problemType of ["regression", "multi_label_classification"] as const) {
    expect(() => checkUnweighted(problemType, { labelSmoothing: 0.1 })).toThrow(
      `labelSmoothing: expected 0 for ${problemType}, got 0.1`,
    );
    expect(() => checkUnweighted(problemType, { classWeights: [1, 2] })).toThrow(
      `classWeights: expected none for ${problemType}, got an array of 2`,
    );
    expect(() => checkUnweighted(problemType, { labelSmoothing: 0 })).not.toThrow();
  }
  const options = { labelSmoothing: 0.1, classWeights: [1, 2] };
  expect(() => checkUnweighted("single_label_classification", options)).not.toThrow();
});
