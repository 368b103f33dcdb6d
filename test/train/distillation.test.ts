import { describe, expect, it } from "vitest";
import { linear } from "../../src/autograd/linear.ts";
import { createTape, input, releaseTape, scalarOf, type Tape } from "../../src/autograd/tape.ts";
import type { TokenBatch } from "../../src/model/batch.ts";
import { initialiseParameters } from "../../src/model/parameters.ts";
import type { Padding } from "../../src/model/token-rows.ts";
import { createParameter } from "../../src/tensor/parameter.ts";
import { distillationLoss, labelLoss } from "../../src/train/distillation.ts";
import type { DistillationSettings } from "../../src/train/settings.ts";
import { lossPadding } from "../../src/train/settings.ts";
import {
  type LabelledBatch,
  sequenceClassifier,
  type TrainableModel,
  type TrainableOutput,
} from "../../src/train/trainable-model.ts";
import { VARIANTS } from "../kernels/subjects.ts";
import { randomBatch, SMALL_MODELS } from "../model/small-models.ts";

type Batch = TokenBatch & LabelledBatch;

const WEIGHT = 3;
const BATCH = randomBatch([5, 1, 3], 7, 4);
/** The same with a hidden token in the midst of the first example: padding cannot be left out. */
const HOLE = { ...BATCH, attentionMask: BATCH.attentionMask.map((bit, i) => (i === 2 ? 0 : bit)) };

function settings(padding: Padding): DistillationSettings {
  return { kind: "last-hidden-state", weight: WEIGHT, padding };
}

function lossOf(
  backend: (typeof VARIANTS)[number][1],
  [student, teacher]: readonly TrainableModel<Batch>[],
  batch: Batch,
  distillation: DistillationSettings,
): number {
  const tape = createTape(backend, { training: false });
  const output = student.forward(tape, batch, { padding: lossPadding(distillation) });
  const loss = scalarOf(distillationLoss(tape, output, teacher, batch, distillation));
  releaseTape(tape);
  return loss;
}

describe.each(VARIANTS)("distillation of last hidden states (%s)", (_variant, backend) => {
  describe.each(SMALL_MODELS)("%s", (_, config) => {
    const models = [1, 2].map((seed) =>
      sequenceClassifier(config, initialiseParameters(backend, config, seed)),
    );

    /** Squared differences of the two padded hidden states, by row. */
    function squares(batch: Batch): readonly number[] {
      const tape = createTape(backend, { training: false });
      const [a, b] = models.map(
        (model) => model.forward(tape, batch).hiddenStates?.at(-1)?.value.data.slice() ?? [],
      );
      releaseTape(tape);
      const width = config.hiddenSize;
      return Array.from({ length: a.length / width }, (_row, row) => {
        let sum = 0;
        for (let i = row * width; i < (row + 1) * width; i++) sum += (a[i] - b[i]) ** 2;
        return sum;
      });
    }

    /** The mean over all elements of n rows of order 1, in float32. */
    const close = (got: number, expected: number): void =>
      expect(Math.abs(got - expected)).toBeLessThanOrEqual(21 * 2 ** -24 * expected);

    it.each([
      ["that can be left out", BATCH],
      ["that cannot", HOLE],
    ])("is a mean over tokens alone where padding is excluded %s", (_what, batch) => {
      const rows = squares(batch);
      const tokens = rows.filter((_sum, row) => batch.attentionMask[row] === 1);
      const mean = (sums: readonly number[]) =>
        (WEIGHT * sums.reduce((a, b) => a + b)) / (sums.length * config.hiddenSize);
      close(lossOf(backend, models, batch, settings("excluded")), mean(tokens));
      close(lossOf(backend, models, batch, settings("included")), mean(rows));
    });

    it("includes padding unless told otherwise", () => {
      const silent = { kind: "last-hidden-state", weight: WEIGHT } as const;
      expect(lossOf(backend, models, BATCH, silent)).toBe(
        lossOf(backend, models, BATCH, settings("included")),
      );
    });

    it("of logits and loss against labels are the same bytes without padding", () => {
      const [student, teacher] = models;
      const logits = { kind: "logits", weight: 1 } as const;
      const losses = (["included", "excluded"] as const).map((padding) => {
        const tape = createTape(backend, { training: true, seed: 1 });
        const output = student.forward(tape, BATCH, { padding });
        const loss = scalarOf(distillationLoss(tape, output, teacher, BATCH, logits));
        const label = scalarOf(labelLoss(tape, output, BATCH));
        releaseTape(tape);
        return [loss, label];
      });
      expect(losses[1]).toEqual(losses[0]);
      expect(lossPadding(logits)).toBe("excluded");
      expect(lossPadding(null)).toBe("excluded");
    });
  });
});

it("takes the rows that a program's own model says are tokens", () => {
  const [[, backend]] = VARIANTS;
  const model = (weight: number): TrainableModel<LabelledBatch> => {
    const parameter = createParameter(backend, "a.weight", [1, 1], Float32Array.of(weight));
    return {
      parameters: new Map([["a.weight", parameter]]),
      forward(tape: Tape): TrainableOutput {
        const x = input(tape, [1, 3, 1], Float32Array.of(1, 2, 100));
        const state = linear(tape, x, parameter);
        return { logits: state, hiddenStates: [state], tokenRows: Int32Array.of(0, 1) };
      },
    };
  };
  const [student, teacher] = [model(1), model(2)];
  const batch = { labels: Int32Array.of(0) };
  const tape = createTape(backend, { training: true });
  const loss = distillationLoss(
    tape,
    student.forward(tape, batch),
    teacher,
    batch,
    settings("excluded"),
  );
  expect(scalarOf(loss)).toBe((WEIGHT * (1 + 4)) / 2);
  releaseTape(tape);
});

it("refuses a padding that is none", () => {
  expect(() => lossPadding(settings("none" as Padding))).toThrow(
    'distillation.padding: expected one of included, excluded, got "none"',
  );
});
