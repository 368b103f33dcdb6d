import { describe, expect, test } from "vitest";
import { createBackend } from "../../src/kernels/backend.ts";
import { initialiseParameters } from "../../src/model/parameters.ts";
import { releaseParameters } from "../../src/tensor/parameter.ts";
import { shownPruning } from "../../src/train/pruning-steps.ts";
import { createSession, releaseSession, type TrainingSession } from "../../src/train/session.ts";
import { trainingSettings } from "../../src/train/settings.ts";
import { captureSnapshot, restoreSnapshotInto, trainingTerms } from "../../src/train/snapshot.ts";
import { gaugeSparsity, sparsityReport } from "../../src/train/sparsity.ts";
import { trainStepInto } from "../../src/train/step.ts";
import { layerRecords, sequenceClassifier } from "../../src/train/trainable-model.ts";
import { randomBatch, SMALL_BERT } from "../model/small-models.ts";

const backend = createBackend({ variant: "simd" });
const HEADS = { pattern: "mha", target_sparsity: 0.5, start_step: 1, end_step: 3 };
const BLOCKS = {
  pattern: "4x1",
  target_sparsity: 0.5,
  op_names: ["attention"],
  start_step: 5,
  end_step: 7,
};
const COLUMNS = { ...HEADS, pattern: "channelx1", op_names: ["\\d\\.output"] };
const STEPS = 9;

function start(pruners: readonly object[], profile: "inc" | "strict") {
  const model = sequenceClassifier(SMALL_BERT, initialiseParameters(backend, SMALL_BERT, 5));
  const settings = trainingSettings({ pruning: { pruning_configs: pruners }, profile });
  return createSession(backend, model, settings);
}

function end(session: ReturnType<typeof start>): void {
  releaseSession(session);
  releaseParameters(session.model.parameters);
}

function train(session: ReturnType<typeof start>, from: number, to: number): void {
  for (let step = from; step < to; step++) trainStepInto(session, randomBatch([6, 9, 4], 9, step));
}

function shown({ pruning, model }: TrainingSession<never>) {
  if (pruning === null) throw new Error("expected pruning");
  return shownPruning(pruning, layerRecords(model));
}

function weights({ model }: TrainingSession<never>) {
  return [...model.parameters].map(([name, { value }]) => [name, [...value.data]]);
}

describe.each(["inc", "strict"] as const)("heads in training under %s", (profile) => {
  test.each([
    ["alone", [HEADS]],
    ["with columns in the same steps and blocks in later ones", [HEADS, COLUMNS, BLOCKS]],
    ["after columns", [COLUMNS, HEADS]],
  ])("%s: zeros stay zero, and reports count them", (_, pruners) => {
    const session = start(pruners, profile);
    for (let step = 0; step < STEPS; step++) {
      train(session, step, step + 1);
      expect(sparsityReport(shown(session), layerRecords(session.model)).drifted).toBe(0);
    }
    const state = shown(session);
    const [heads] = session.pruning?.heads ?? [];
    const masks = heads?.state.attentions.map(({ mask }) => [...mask]) ?? [];
    expect(masks.flat().filter((bit) => bit === 0)).toHaveLength(profile === "strict" ? 2 : 1);
    if (profile === "strict") for (const mask of masks) expect(mask).toContain(1);
    const { targets, prunedBlocks } = sparsityReport(state, layerRecords(session.model));
    expect(targets).toHaveLength(pruners.length);
    expect(prunedBlocks.zeros).toBeGreaterThan(0);
    expect(gaugeSparsity(state, null).share).toBeGreaterThan(0);
    end(session);
  });

  test("go on from a snapshot with the same bytes", () => {
    const pruners = [HEADS, BLOCKS];
    const whole = start(pruners, profile);
    train(whole, 0, STEPS);
    const first = start(pruners, profile);
    train(first, 0, 3);
    const terms = trainingTerms(first, [], 3, () => 0);
    const snapshot = captureSnapshot(first, { reportedEpochs: 0, lossSum: 0 }, terms);
    const second = start(pruners, profile);
    restoreSnapshotInto(second, snapshot, terms);
    train(second, 3, STEPS);
    expect(weights(second)).toEqual(weights(whole));
    expect(second.pruning?.heads[0]?.state).toEqual(whole.pruning?.heads[0]?.state);
    for (const session of [whole, first, second]) end(session);
  });
});

test("under strict, moments of pruned heads are zero", () => {
  const session = start([HEADS], "strict");
  train(session, 0, 5);
  for (const { name, mask } of shown(session).pruners.flatMap(({ layers }) => layers)) {
    const slot = session.optimizer.slots.find(
      ({ parameter }) => parameter.name === `${name}.weight`,
    );
    mask.forEach((bit, i) => {
      if (bit === 0) expect(slot?.firstMoment.data[i]).toBe(0);
    });
  }
  end(session);
});

describe("refused", () => {
  test("by strict: two pruners of one layer in ranges of steps that overlap", () => {
    const early = { ...BLOCKS, start_step: 3 };
    expect(() => start([HEADS, early], "strict")).toThrow(
      /query: expected one pruner at a time, got mha in steps 1 to 3, 4x1 in 3 to 7$/,
    );
    expect(() => start([HEADS, { ...HEADS, start_step: 2 }], "strict")).toThrow(/one pruner at a/);
    end(start([HEADS, early], "inc"));
  });

  test("a model that states no attention layers", () => {
    const { attentions: _, ...model } = sequenceClassifier(
      SMALL_BERT,
      initialiseParameters(backend, SMALL_BERT, 5),
    );
    const settings = trainingSettings({ pruning: HEADS, profile: "strict" });
    expect(() => createSession(backend, model, settings)).toThrow(/to match an attention layer/);
    releaseParameters(model.parameters);
  });
});
