import fc from "fast-check";
import { expect, test } from "vitest";
import type { Tape } from "../../src/autograd/tape.ts";
import { InputError } from "../../src/core/either.ts";
import { decodeSnapshotOrThrow, encodeSnapshot } from "../../src/experiment/snapshot.ts";
import { createBackend } from "../../src/kernels/backend.ts";
import type { Parameter } from "../../src/tensor/parameter.ts";
import type { Batching } from "../../src/train/batches.ts";
import type { TrainingEvent } from "../../src/train/events.ts";
import { type FineTuneOptions, fineTune } from "../../src/train/loop.ts";
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
  expect(events.at(-1)).toEqual({ type: "end", step: 28, completed: true, diverged: null });
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
      expect(first.events.at(-1)).toEqual({
        type: "end",
        step: steps,
        completed: false,
        diverged: null,
      });
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

test("rows, batch sizes, orders and teachers other than the snapshot's are refused by name", async () => {
  const rowLength = ([first = 0]: Row) => Math.ceil(10 + 3 * first);
  const settings = { batching: "bucketed", distillation: { kind: "logits", weight: 1 } } as const;
  const teacher = createPerceptron(backend, 5);
  const options = () => ({ ...perceptronOptions(backend, settings), teacher, rowLength });
  const { snapshot: resumeFrom } = await interrupt(options(), 5);
  const { trainingRows } = perceptronOptions(backend);
  const refusals: readonly (readonly [Partial<Options>, RegExp])[] = [
    [{ batchSize: 8 }, /^batchSize: expected 8, got 16 in the snapshot$/],
    [
      { trainingRows: trainingRows.slice(1) },
      /^trainingRows: expected "99 rows of digest .+", got "100 rows of digest .+" in the snapshot$/m,
    ],
    [{ trainingRows: [...trainingRows].reverse() }, /^trainingRows: expected "100 rows of/m],
    [{ trainingRows: trainingRows.map((row, i) => (i === 50 ? [9] : row)) }, /^trainingRows: /m],
    [{ rowLength: () => 1 }, /^rowLength: expected ".+", got ".+" in the snapshot$/],
    [{ teacher: createPerceptron(backend, 6) }, /^teacher: expected ".+", got ".+" in the snap/],
  ];
  for (const [change, message] of refusals)
    expect(() => fineTune({ ...options(), ...change, resumeFrom })).toThrow(message);
  const copies = trainingRows.map((row) => [...row]);
  fineTune({ ...options(), trainingRows: copies, evaluationRows: [], epochs: 9, resumeFrom });
});

test("gradients of an earlier backward pass do not join the first step", async () => {
  const clean = perceptronOptions(backend, { pruning: PRUNING });
  const stale = perceptronOptions(backend, { pruning: PRUNING });
  for (const { gradient } of stale.model.parameters.values()) gradient.data.fill(3);
  expect(await collectEvents(stale)).toEqual(await collectEvents(clean));
  expect(weightsOf(stale)).toEqual(weightsOf(clean));

  const later = perceptronOptions(backend, { pruning: PRUNING });
  const run = fineTune(later);
  for (const { gradient } of later.model.parameters.values()) gradient.data.fill(3);
  for await (const _ of run);
  expect(weightsOf(later)).toEqual(weightsOf(clean));
});

test("a parameter under two names is refused with both", () => {
  const options = perceptronOptions(backend);
  const own = [...options.model.parameters.values()];
  const used = backend.memory.usage().used;
  const start = (parameters: readonly (readonly [string, Parameter])[]) => () =>
    fineTune({ ...options, model: { ...options.model, parameters: new Map(parameters) } });
  const entries = own.map((parameter) => [parameter.name, parameter] as const);
  const [hidden, bias] = own;
  if (hidden === undefined || bias === undefined) throw new Error();
  expect(start([...entries, ["tied.weight", hidden]])).toThrow(
    /^parameters: expected no shared memory, got hidden.weight as tied.weight too$/,
  );
  const views = { name: "tied.weight", value: hidden.value, gradient: bias.gradient };
  expect(start([...entries, ["tied.weight", views]])).toThrow(/no shared memory/);
  expect(start([["other", hidden]])).toThrow(
    /^parameters: expected one named other, got hidden.weight under that key$/,
  );
  expect(backend.memory.usage().used).toBe(used);
});

test("a run is iterated once, and released any number of times", async () => {
  const options = perceptronOptions(backend);
  const used = backend.memory.usage().used;
  const run = fineTune(options);
  const [first, second] = [run[Symbol.asyncIterator](), run[Symbol.asyncIterator]()];
  await first.next();
  await expect(second.next()).rejects.toThrow(/^run: expected one iteration, got a second one$/);
  expect((await first.next()).value).toMatchObject({ type: "step", step: 1 });
  run.release();
  run.release();
  expect(backend.memory.usage().used).toBe(used);
  expect(() => run.snapshot()).toThrow(/^run: expected one in use, got a released one$/);
  await expect(first.next()).rejects.toThrow(/^run: expected one in use, got a released one$/);
  await expect(run[Symbol.asyncIterator]().next()).rejects.toThrow(/^run: expected one in use/);
  for (const { gradient } of options.model.parameters.values())
    expect(gradient.data.every((entry) => entry === 0)).toBe(true);
});

/** Sets the first weight of a parameter before the step with this number. */
function poisoned(options: Options, name: string, weight: number, before: number): Options {
  let batches = 0;
  const collateRows: Options["collate"] = (rows) => {
    batches++;
    const parameter = options.model.parameters.get(name);
    if (batches === before && parameter !== undefined) parameter.value.data[0] = weight;
    return options.collate(rows);
  };
  return { ...options, evaluationRows: [], collate: collateRows };
}

test("a run that diverges ends with the step and the reason", async () => {
  const last = async (options: Options) => (await collectEvents(options)).at(-1);
  const options = (learningRate = 0.01) =>
    perceptronOptions(backend, { optimizer: { learningRate } });
  const ends = (step: number, reason: string) => ({
    type: "end",
    step,
    completed: false,
    diverged: expect.stringContaining(`training diverged at step ${step}: ${reason}`),
  });
  // Infinite after the first update; the last epoch's last step is checked, too.
  expect(await last(options(1e39))).toEqual(ends(1, "hidden.weight[0] is "));
  expect(await last({ ...options(1e39), epochs: 1, batchSize: 100 })).toEqual(ends(1, "hidden."));
  const none = { ...options(1e39), epochs: 1, batchSize: 100, evaluationRows: [] };
  expect(await last(none)).toEqual(ends(1, "hidden.weight[0] is "));
  expect(await last(poisoned(options(), "output.bias", Number.NaN, 4))).toEqual(
    ends(3, "output.bias[0] is NaN"),
  );
  // Rows that are not finite: no weight is updated.
  const rows = makeRows(1, 16).map((row, index) => (index === 3 ? [Number.NaN, 0, 0, 0] : row));
  const { model } = options();
  const before = storedParameters(model.parameters);
  expect(await last({ ...options(), model, trainingRows: rows })).toMatchObject({
    diverged: expect.stringMatching(/^training diverged at step 1: logits\[\d+\] is NaN/),
  });
  expect(storedParameters(model.parameters)).toEqual(before);
  // Only the evaluation is not finite.
  expect(await last({ ...options(), evaluationRows: rows })).toMatchObject({
    step: 7,
    diverged: expect.stringMatching(/^training diverged at step 7: logits\[\d+\] is NaN/),
  });
  expect(await last(options())).toMatchObject({ completed: true, diverged: null });
});

test("a model that is not finite is refused before it is trained", () => {
  const options = perceptronOptions(backend);
  const used = backend.memory.usage().used;
  const weight = options.model.parameters.get("hidden.weight");
  if (weight === undefined) throw new Error();
  weight.value.data[5] = Number.POSITIVE_INFINITY;
  expect(() => fineTune(options)).toThrow(
    /^model: expected finite weights, got hidden.weight\[5\] is Infinity$/,
  );
  expect(backend.memory.usage().used).toBe(used);
});
