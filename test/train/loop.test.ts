import fc from "fast-check";
import { expect, test } from "vitest";
import type { Tape } from "../../src/autograd/tape.ts";
import { InputError } from "../../src/core/either.ts";
import { decodeSnapshotOrThrow, encodeSnapshot } from "../../src/experiment/snapshot.ts";
import { createBackend } from "../../src/kernels/backend.ts";
import type { Batching } from "../../src/train/batches.ts";
import type { TrainingEvent } from "../../src/train/events.ts";
import { type FineTuneOptions, fineTune } from "../../src/train/loop.ts";
import { parameterRules } from "../../src/train/optimizer.ts";
import { type DistillationSettings, trainingSettings } from "../../src/train/settings.ts";
import {
  type StoredParameters,
  storedParameters,
  type TrainingSnapshot,
} from "../../src/train/snapshot.ts";
import type { TrainableForwardOptions } from "../../src/train/trainable-model.ts";
import {
  createPerceptron,
  makeRows,
  PRUNING,
  perceptronOptions,
  type Row,
  type RowBatch,
} from "./perceptron.ts";

const backend = createBackend({ variant: "scalar" });

type Options = FineTuneOptions<Row, RowBatch>;

async function collectEvents(options: Options): Promise<readonly TrainingEvent[]> {
  const events: TrainingEvent[] = [];
  for await (const event of fineTune(options)) events.push(event);
  return events;
}

function weightsOf({ model }: Options): StoredParameters {
  return storedParameters(model.parameters);
}

/** Trains until `steps` updates are done, then aborts; what the run leaves behind. */
async function interrupt(options: Options, steps: number) {
  const controller = new AbortController();
  const run = fineTune({ ...options, signal: controller.signal });
  const events: TrainingEvent[] = [];
  for await (const event of run) {
    events.push(event);
    if (event.type === "step" && event.step === steps) controller.abort();
  }
  return { events, snapshot: run.snapshot() };
}

test("events come in order and carry what a report needs", async () => {
  const events = await collectEvents(perceptronOptions(backend, { pruning: PRUNING }));
  expect(events[0]).toEqual({
    type: "start",
    epochs: 4,
    stepsPerEpoch: 7,
    totalSteps: 28,
    completedSteps: 0,
    prunedLayers: ["hidden"],
  });
  expect(events.at(-1)).toEqual({ type: "end", step: 28, completed: true });
  const steps = events.filter((event) => event.type === "step");
  expect(steps.map(({ step }) => step)).toEqual([...Array(28).keys()].map((i) => i + 1));
  expect(steps.at(-1)).toMatchObject({ epoch: 4, learningRate: 0.01, reachedSparsity: 0.75 });
  const epochs = events.filter((event) => event.type === "epoch");
  expect(epochs.map(({ epoch, step }) => [epoch, step])).toEqual([
    [1, 7],
    [2, 14],
    [3, 21],
    [4, 28],
  ]);
  const firstLosses = steps.slice(0, 7).map(({ loss }) => loss);
  expect(epochs[0]?.trainingLoss).toBeCloseTo(firstLosses.reduce((a, b) => a + b) / 7, 12);
  expect(epochs[3]?.evaluation?.examples).toBe(50);
  expect(epochs[3]?.sparsity).toEqual({
    targets: [0.75],
    prunedBlocks: { zeros: 12, total: 16 },
    prunedLayers: { zeros: 48, total: 64 },
    allLayers: { zeros: 48, total: 96 },
    drifted: 0,
    layers: [
      { name: "hidden", pruned: true, zeros: 48, total: 64 },
      { name: "output", pruned: false, zeros: 0, total: 32 },
    ],
  });
});

test("dense training learns, and reports no sparsity", async () => {
  const events = await collectEvents({ ...perceptronOptions(backend), epochs: 20 });
  const epochs = events.filter((event) => event.type === "epoch");
  expect(epochs.at(-1)?.evaluation?.accuracy).toBeGreaterThan(0.9);
  expect(epochs.at(-1)?.sparsity).toBeNull();
  expect(epochs.at(-1)?.trainingLoss).toBeLessThan((epochs[0]?.trainingLoss ?? 0) / 2);
});

test("the same seed gives the same bytes, another seed others", async () => {
  const train = async (seed: number) => {
    const options = perceptronOptions(backend, { pruning: PRUNING, seed });
    const events = await collectEvents(options);
    return { events, weights: weightsOf(options) };
  };
  const [once, again, other] = [await train(3), await train(3), await train(4)];
  expect(again).toEqual(once);
  expect(other.weights).not.toEqual(once.weights);
});

test("under strict, pruned weights have no gradient history either", async () => {
  const settings = { pruning: PRUNING, profile: "strict" } as const;
  const { snapshot } = await interrupt(perceptronOptions(backend, settings), 25);
  const mask = snapshot.pruning?.pruners[0]?.layers[0]?.mask ?? new Uint8Array(0);
  const moments = snapshot.optimizer.get("hidden.weight");
  expect(mask.filter((bit) => bit === 0).length).toBe(48);
  mask.forEach((bit, i) => {
    if (bit === 1) return;
    expect(snapshot.parameters.get("hidden.weight")?.data[i]).toBe(0);
    expect(moments?.firstMoment[i]).toBe(0);
    expect(moments?.secondMoment[i]).toBe(0);
  });
});

const PHASES = {
  dense: {},
  sparse: { pruning: PRUNING },
  strict: { pruning: PRUNING, profile: "strict" },
  bucketed: { pruning: PRUNING, batching: "bucketed" },
  progressive: { pruning: { ...PRUNING, pruning_type: "snip_momentum_progressive" } },
} as const;

test("aborting anywhere and resuming equals the uninterrupted run", async () => {
  const phases = fc.constantFrom(...(Object.keys(PHASES) as (keyof typeof PHASES)[]));
  await fc.assert(
    fc.asyncProperty(phases, fc.integer({ min: 1, max: 28 }), async (phase, steps) => {
      const whole = perceptronOptions(backend, PHASES[phase]);
      const wholeEvents = await collectEvents(whole);
      const first = await interrupt(perceptronOptions(backend, PHASES[phase]), steps);
      expect(first.events.at(-1)).toEqual({ type: "end", step: steps, completed: false });
      const resumeFrom = throughFile(first.snapshot);
      const second = { ...perceptronOptions(backend, PHASES[phase]), resumeFrom };
      const secondEvents = await collectEvents(second);
      expect([...first.events.slice(0, -1), ...secondEvents.slice(1)]).toEqual(wholeEvents);
      expect(weightsOf(second)).toEqual(weightsOf(whole));
    }),
    { numRuns: 25 },
  );
});

/** A snapshot written and read back. */
function throughFile(snapshot: TrainingSnapshot): TrainingSnapshot {
  return decodeSnapshotOrThrow("training", encodeSnapshot("training", snapshot));
}

test("a signal that is aborted already trains nothing", async () => {
  const options = perceptronOptions(backend);
  const before = weightsOf(options);
  const events = await collectEvents({ ...options, signal: AbortSignal.abort() });
  expect(events.map(({ type }) => type)).toEqual(["start", "end"]);
  expect(weightsOf(options)).toEqual(before);
});

test("the loop gives way to timers", async () => {
  const controller = new AbortController();
  setTimeout(() => controller.abort(), 0);
  const options = { ...perceptronOptions(backend), epochs: 100_000, signal: controller.signal };
  expect((await collectEvents(options)).at(-1)).toMatchObject({ type: "end", completed: false });
});

test("a snapshot of another run is refused with every difference", async () => {
  const { snapshot } = await interrupt(perceptronOptions(backend, { pruning: PRUNING }), 5);
  const options = perceptronOptions(backend, {
    pruning: { ...PRUNING, target_sparsity: 0.5 },
    seed: 9,
  });
  const before = weightsOf(options);
  expect(() => fineTune({ ...options, resumeFrom: snapshot })).toThrow(InputError);
  expect(() => fineTune({ ...options, resumeFrom: snapshot })).toThrow(
    /settings.seed: expected 9, got 0 in the snapshot\nsettings.pruning.target_sparsity: expected 0.5, got 0.75 in/,
  );
  expect(weightsOf(options)).toEqual(before);
});

test("a snapshot of another kernel variant is refused", async () => {
  const { snapshot } = await interrupt(perceptronOptions(backend), 5);
  const resumeFrom = { ...snapshot, variant: "fma" } as const;
  expect(() => fineTune({ ...perceptronOptions(backend), resumeFrom })).toThrow(
    /variant: expected "scalar", got "fma"/,
  );
});

test("a student without dropout learns its teacher's hidden states", async () => {
  const teacher = createPerceptron(backend, 5);
  const distillation = { kind: "last-hidden-state", weight: 5 } as const;
  const optimizer = { learningRate: 0.05 };
  const options = {
    ...perceptronOptions(backend, { distillation, optimizer }),
    teacher,
    epochs: 60,
  };
  const events = await collectEvents(options);
  const epochs = events.filter((event) => event.type === "epoch");
  expect(epochs.at(-1)?.trainingLoss).toBeLessThan((epochs[0]?.trainingLoss ?? 0) / 10);
  // Only hidden states are distilled: the output layer never had a gradient.
  expect(weightsOf(options).get("output.weight")).toEqual(
    storedParameters(createPerceptron(backend, 1).parameters).get("output.weight"),
  );
});

test("a student learns its teacher's logits", async () => {
  const teacher = createPerceptron(backend, 5);
  const distillation = { kind: "logits", weight: 1, temperature: 2 } as const;
  const options = { ...perceptronOptions(backend, { distillation }), teacher, epochs: 40 };
  const epochs = (await collectEvents(options)).filter((event) => event.type === "epoch");
  expect(epochs.at(-1)?.trainingLoss).toBeLessThan((epochs[0]?.trainingLoss ?? 0) / 5);
});

test("steps ask for the padding that their loss reads, evaluations for none", async () => {
  const asked = async (distillation: DistillationSettings | null) => {
    const options = perceptronOptions(backend, { distillation });
    const paddings: (string | undefined)[] = [];
    const model = {
      ...options.model,
      forward: (tape: Tape, batch: RowBatch, { padding }: TrainableForwardOptions = {}) => {
        paddings.push(padding);
        return options.model.forward(tape, batch);
      },
    };
    const teacher = createPerceptron(backend, 5);
    await collectEvents({ ...options, model, teacher, epochs: 1 });
    return [...new Set(paddings.slice(0, 7)), ...new Set(paddings.slice(7))];
  };
  const [kind, weight] = ["last-hidden-state", 1] as const;
  expect(await asked(null)).toEqual(["excluded", "excluded"]);
  expect(await asked({ kind: "logits", weight })).toEqual(["excluded", "excluded"]);
  expect(await asked({ kind, weight })).toEqual(["included", "excluded"]);
  expect(await asked({ kind, weight, padding: "excluded" })).toEqual(["excluded", "excluded"]);
});

test("a snapshot of another padding in distillation, or of other batches, is refused", async () => {
  const distillation = { kind: "last-hidden-state", weight: 1, padding: "included" } as const;
  const teacher = createPerceptron(backend, 5);
  const { snapshot } = await interrupt(
    { ...perceptronOptions(backend, { distillation }), teacher },
    5,
  );
  const options = perceptronOptions(backend, {
    distillation: { ...distillation, padding: "excluded" },
    batching: "bucketed",
  });
  const rowLength = () => 1;
  expect(() => fineTune({ ...options, teacher, rowLength, resumeFrom: snapshot })).toThrow(
    /settings.batching: expected "bucketed", got "shuffled" in the snapshot\nsettings.distillation.padding: expected "excluded", got "included" in/,
  );
});

test("wrong options are refused before anything is trained", () => {
  const options = perceptronOptions(backend);
  const start = (change: Partial<Options>) => () => fineTune({ ...options, ...change });
  expect(start({ trainingRows: [] })).toThrow(/trainingRows: expected at least one row, got none/);
  expect(start({ batchSize: 0 })).toThrow(/batchSize: expected/);
  expect(start({ epochs: 1.5 })).toThrow(/epochs: expected/);
  const pruning = trainingSettings({ pruning: { ...PRUNING, target_sparsity: 1.5 } });
  expect(start({ settings: pruning })).toThrow(/target_sparsity/);
  const indivisible = trainingSettings({ pruning: { ...PRUNING, pattern: "5x1" } });
  expect(start({ settings: indivisible })).toThrow(/pattern: expected one that divides/);
  const distillation = { kind: "logits", weight: 1 } as const;
  expect(start({ settings: trainingSettings({ distillation }) })).toThrow(
    /teacher: expected a model/,
  );
  const { rowLength: _, ...unmeasured } = options;
  const bucketed = trainingSettings({ batching: "bucketed" });
  expect(() => fineTune({ ...unmeasured, settings: bucketed })).toThrow(
    /rowLength: expected a function, for bucketed batches, got none/,
  );
  const batching = "sorted" as Batching;
  expect(start({ settings: trainingSettings({ batching }) })).toThrow(
    /settings.batching: expected/,
  );
});

test("a loss that is not finite stops the run with the step", async () => {
  const rows = makeRows(1, 16).map((row, index) => (index === 3 ? [Number.NaN, 0, 0, 0] : row));
  const options = {
    ...perceptronOptions(backend),
    trainingRows: rows,
    parameterRules: parameterRules("inc"),
  };
  await expect(collectEvents(options)).rejects.toThrow(/loss: expected a finite number at step 0/);
});
