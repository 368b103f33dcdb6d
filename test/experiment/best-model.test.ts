import { expect, test } from "vitest";
import {
  type BestModel,
  type BestRule,
  bestMetricOf,
  betterModel,
  comparedFrom,
  isOutOfPatience,
} from "../../src/experiment/best-model.ts";
import { generateDemoTask } from "../../src/experiment/demo-task.ts";
import type { ExperimentEvent } from "../../src/experiment/events.ts";
import {
  type ExperimentOptions,
  type ExperimentSnapshot,
  runExperiment,
} from "../../src/experiment/experiment.ts";
import { findRecipe } from "../../src/experiment/recipes.ts";
import { decodeSnapshotOrThrow, encodeSnapshot } from "../../src/experiment/snapshot.ts";
import { createTokenizer } from "../../src/io/tokenizer.ts";
import { createBackend } from "../../src/kernels/backend.ts";
import { parseModelConfigOrThrow } from "../../src/model/config.ts";
import { tokenizeRows } from "../../src/run/plan.ts";
import { scorePredictions } from "../../src/train/evaluation.ts";
import type { EpochEvent } from "../../src/train/events.ts";
import { unpackRows } from "../../src/train/packed-rows.ts";
import type { StoredParameters } from "../../src/train/snapshot.ts";

const RULE: BestRule = { metric: "accuracy", isSaved: true, patience: 2 };

const SCORED = scorePredictions({
  ...{ logits: Float32Array.of(1, 0), labels: [0], classes: 2, loss: 1 },
});

function epochEvent(epoch: number, accuracy: number | null, loss = 1): EpochEvent {
  return {
    ...{ type: "epoch", epoch, step: epoch, trainingLoss: 1, sparsity: null },
    evaluation: { ...SCORED, loss, accuracy },
  };
}

/** The best model after epochs with these accuracies. */
function after(accuracies: readonly (number | null)[], rule = RULE): BestModel | null {
  return accuracies.reduce<BestModel | null>(
    (best, accuracy, i) => betterModel(best, rule, epochEvent(i + 1, accuracy), () => new Map()),
    null,
  );
}

test("the best model is the first one with the best value", () => {
  expect(after([0.5, 0.75, 0.75, 0.25])).toMatchObject({ epoch: 2, evaluationsSince: 2 });
  expect(after([null, 0.5, null])).toMatchObject({ epoch: 2, evaluationsSince: 1 });
  expect(after([null])).toBeNull();
  expect(after([0.5])?.weights).toEqual(new Map());
  expect(after([0.5], { ...RULE, isSaved: false })?.weights).toBeNull();
});

test("a loss is better if it is lower", () => {
  const rule: BestRule = { ...RULE, metric: "loss" };
  const models = [2, 1, 3].reduce<BestModel | null>(
    (best, loss, i) => betterModel(best, rule, epochEvent(i + 1, 0.5, loss), () => new Map()),
    null,
  );
  expect(models).toMatchObject({ epoch: 2, value: 1, evaluationsSince: 1 });
});

test("patience counts evaluations since the best model", () => {
  expect(isOutOfPatience(after([0.5, 0.4]), RULE)).toBe(false);
  expect(isOutOfPatience(after([0.5, 0.4, 0.5]), RULE)).toBe(true);
  expect(isOutOfPatience(after([0.5, 0.4, 0.5]), { ...RULE, patience: null })).toBe(false);
  expect(isOutOfPatience(null, RULE)).toBe(false);
});

test("sparse models are compared after the last prune step", () => {
  const pruning = { pattern: "4x1", start_step: 3, end_step: 22, pruning_frequency: 4 };
  expect(comparedFrom({ pruning: null, profile: "inc" })).toBe(0);
  expect(comparedFrom({ pruning, profile: "strict" })).toBe(20);
  const lock = { ...pruning, pruning_type: "pattern_lock" };
  expect(comparedFrom({ pruning: lock, profile: "inc" })).toBeGreaterThanOrEqual(0);
});

test("metrics are named as in metrics.jsonl", () => {
  expect(bestMetricOf("macro_f1")).toBe("macroF1");
  expect(bestMetricOf("loss")).toBe("loss");
  expect(bestMetricOf("macroF1")).toBeUndefined();
});

/** An experiment of a few steps: 2 dense epochs, 8 sparse ones, of which the last 5 have the full target. */
function options(change: object): ExperimentOptions {
  const task = generateDemoTask({ trainCount: 40, devCount: 20 });
  const tokenizer = createTokenizer(task.vocabulary);
  const recipe = findRecipe("demo-4x1");
  const phase = { epochs: 4, batchSize: 8, learningRate: 0.02 };
  const sparse = { ...phase, epochs: 8, cooldownEpochs: 5, pruningFrequency: 2 };
  const base = {
    ...recipe,
    dense: { ...recipe.dense, ...phase },
    sparse: recipe.sparse && { ...recipe.sparse, ...sparse },
  };
  return {
    backend: createBackend({ variant: "scalar" }),
    config: parseModelConfigOrThrow({
      ...{ model_type: "bert", vocab_size: tokenizer.vocabulary.tokens.length, hidden_size: 8 },
      ...{ num_hidden_layers: 1, num_attention_heads: 2, intermediate_size: 16 },
      max_position_embeddings: 32,
    }),
    recipes: [{ ...base, ...change }],
    trainingRows: unpackRows(tokenizeRows(tokenizer, task.train, 32)),
    evaluationRows: unpackRows(tokenizeRows(tokenizer, task.dev, 32)),
    seed: 1,
  };
}

interface Outcome {
  readonly events: readonly ExperimentEvent[];
  readonly snapshots: readonly ExperimentSnapshot[];
  readonly weights: StoredParameters;
}

/** Runs an experiment; takes a snapshot at every epoch and result, as a run does. */
async function run(given: ExperimentOptions): Promise<Outcome> {
  const experiment = runExperiment(given);
  const events: ExperimentEvent[] = [];
  const snapshots: ExperimentSnapshot[] = [];
  let weights: StoredParameters = new Map();
  for await (const event of experiment) {
    events.push(event);
    if (event.type === "result") weights = experiment.weights();
    if (event.type === "result" || (event.type === "training" && event.event.type === "epoch"))
      snapshots.push(experiment.snapshot());
  }
  experiment.release();
  return { events, snapshots, weights };
}

/** The epoch events of a phase. */
function epochsOf({ events }: Pick<Outcome, "events">, phase: string) {
  return events.flatMap((event) =>
    event.type === "training" && event.phase === phase && event.event.type === "epoch"
      ? [{ ...event.event, isBest: event.isBest }]
      : [],
  );
}

test("the saved model is the best one, of those at the full target in a sparse phase", async () => {
  const outcome = await run(options({ saveBest: "loss" }));
  for (const [phase, from] of [
    ["dense", 1],
    ["sparse", 3],
  ] as const) {
    const epochs = epochsOf(outcome, phase).filter(({ epoch }) => epoch >= from);
    const losses = epochs.map(({ evaluation }) => evaluation?.loss ?? Number.NaN);
    const best = epochs[losses.indexOf(Math.min(...losses))];
    const results = outcome.events.flatMap((event) =>
      event.type === "result" && event.result.phase === phase ? [event.result] : [],
    );
    expect(results[0]?.last.evaluation).toEqual(best?.evaluation);
    expect(results[0]?.bestEpoch).toBe(best?.epoch);
    expect(epochs.findLast(({ isBest }) => isBest)?.epoch).toBe(best?.epoch);
  }
  // Without the option, no event names a best model, and the last model is the result.
  const plain = await run(options({}));
  expect(epochsOf(plain, "sparse").every(({ isBest }) => isBest === undefined)).toBe(true);
});

test("a phase stops early, and continues from every snapshot with the same result", async () => {
  const given = options({ saveBest: "accuracy", earlyStoppingPatience: 1 });
  const whole = await run(given);
  expect(epochsOf(whole, "sparse").length).toBeLessThan(8);
  const results = (events: readonly ExperimentEvent[]) =>
    events.flatMap((event) => (event.type === "result" ? [event.result] : []));
  for (const snapshot of whole.snapshots) {
    const stored = encodeSnapshot("experiment", snapshot);
    const resumeFrom = decodeSnapshotOrThrow("experiment", stored);
    const resumed = await run({ ...given, resumeFrom });
    expect(resumed.weights).toEqual(whole.weights);
    expect(results(resumed.events).at(-1)).toEqual(results(whole.events).at(-1));
  }
});
