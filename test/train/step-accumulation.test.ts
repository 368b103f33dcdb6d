import fc from "fast-check";
import { expect, test } from "vitest";
import { createBackend } from "../../src/kernels/backend.ts";
import { initialiseParameters } from "../../src/model/parameters.ts";
import { padExamples, type TokenisedExample } from "../../src/train/examples.ts";
import { createSession } from "../../src/train/session.ts";
import { type TrainingSettingsOptions, trainingSettings } from "../../src/train/settings.ts";
import { accumulatedStepInto } from "../../src/train/step.ts";
import { sequenceClassifier } from "../../src/train/trainable-model.ts";
import { SMALL_BERT } from "../model/small-models.ts";

const backend = createBackend({ variant: "scalar" });

const example = fc.record({
  inputIds: fc.array(fc.integer({ min: 1, max: 29 }), { minLength: 1, maxLength: 20 }),
  label: fc.integer({ min: 0, max: 2 }),
});
/** The batches of one update, of different numbers of rows and tokens. */
const batches = fc.array(fc.array(example, { minLength: 1, maxLength: 4 }), {
  minLength: 2,
  maxLength: 4,
});

function model(seed: number) {
  return sequenceClassifier(SMALL_BERT, initialiseParameters(backend, SMALL_BERT, seed));
}

/** Runs one update; returns its loss, and its gradients, which no momentum leaves as the first moments. */
function update(sizes: readonly number[], rows: readonly TokenisedExample[], settings: object) {
  const optimizer = { learningRate: 0, betas: [0, 0.999] as const };
  const all = trainingSettings({ ...settings, optimizer, profile: "strict" });
  const session = createSession(backend, model(1), all, all.distillation && model(2));
  let begun = 0;
  const parts = sizes.map((size) => {
    begun += size;
    return Uint32Array.from({ length: size }, (_, i) => begun - size + i);
  });
  const { loss } = accumulatedStepInto(session, parts, (indices) =>
    padExamples([...rows].filter((_, row) => indices.includes(row))),
  );
  const gradients = session.optimizer.slots.map(
    ({ parameter, firstMoment }) => [parameter.name, firstMoment.data.slice()] as const,
  );
  return { loss, gradients };
}

const WEIGHTED = { classWeights: [0.25, 1, 6] };
const EXCLUDED = { kind: "last-hidden-state", weight: 5, padding: "excluded" } as const;
const LOSSES: readonly (readonly [string, TrainingSettingsOptions])[] = [
  ["of labels", {}],
  ["with class weights", WEIGHTED],
  ["with label smoothing", { labelSmoothing: 0.2 }],
  ["with class weights and label smoothing", { ...WEIGHTED, labelSmoothing: 0.2 }],
  ["of distilled tokens", { distillation: EXCLUDED }],
  ["of distilled logits", { distillation: { kind: "logits", weight: 2 } }],
];

test.each(LOSSES)("under strict, an update has the mean loss %s of all its rows", (_, settings) => {
  fc.assert(
    fc.property(batches, (parts) => {
      const rows = parts
        .flat()
        .map((row) => ({ ...row, tokenTypeIds: row.inputIds.map((_id, i) => i % 2) }));
      const sizes = parts.map(({ length }) => length);
      const whole = update([rows.length], rows, settings);
      const accumulated = update(sizes, rows, settings);
      expect(Math.abs(accumulated.loss - whole.loss)).toBeLessThan(1e-6 * whole.loss + 1e-7);
      // Sums over rows are rounded in another order.
      const most = Math.max(...whole.gradients.flatMap(([, data]) => [...data.map(Math.abs)]));
      accumulated.gradients.forEach(([name, data], index) => {
        const expected = whole.gradients[index]?.[1] ?? new Float32Array(0);
        data.forEach((value, i) => {
          const gap = Math.abs(value - (expected[i] ?? Number.NaN));
          expect(gap, name).toBeLessThanOrEqual(1e-5 * most);
        });
      });
    }),
    { numRuns: 25 },
  );
});
