import { expect, test } from "vitest";
import { generateDemoTask } from "../../src/experiment/demo-task.ts";
import type { ExperimentEvent } from "../../src/experiment/events.ts";
import {
  type ExperimentOptions,
  type ExperimentSnapshot,
  runExperiment,
} from "../../src/experiment/experiment.ts";
import { findRecipe, type Recipe } from "../../src/experiment/recipes.ts";
import { decodeSnapshotOrThrow, encodeSnapshot } from "../../src/experiment/snapshot.ts";
import { createTokenizer } from "../../src/io/tokenizer.ts";
import { createBackend } from "../../src/kernels/backend.ts";
import { type ModelConfig, parseModelConfigOrThrow } from "../../src/model/config.ts";
import { initialiseParameters } from "../../src/model/parameters.ts";
import { tokenizeRows } from "../../src/run/plan.ts";
import { releaseParameters } from "../../src/tensor/parameter.ts";
import { unpackRows } from "../../src/train/packed-rows.ts";
import type { StoredParameters } from "../../src/train/snapshot.ts";

const backend = createBackend({ variant: "scalar" });
const task = generateDemoTask({ trainCount: 40, devCount: 20 });
const tokenizer = createTokenizer(task.vocabulary);
const rows = (texts: typeof task.dev) =>
  unpackRows(tokenizeRows(tokenizer, texts, 32)).map(({ inputIds, tokenTypeIds, label }) => ({
    ...{ inputIds, tokenTypeIds, label },
  }));

const config: ModelConfig = parseModelConfigOrThrow({
  model_type: "bert",
  vocab_size: tokenizer.vocabulary.tokens.length,
  hidden_size: 8,
  num_hidden_layers: 1,
  num_attention_heads: 2,
  intermediate_size: 16,
  max_position_embeddings: 32,
});

/** A recipe of the demo, cut down to few steps: 5 an epoch. */
function shortRecipe(name: string): Recipe {
  const recipe = findRecipe(name);
  const phase = { epochs: 2, batchSize: 8 };
  const sparse = { ...phase, epochs: 4, cooldownEpochs: 1, pruningFrequency: 2 };
  return {
    ...recipe,
    dense: { ...recipe.dense, ...phase },
    sparse: recipe.sparse === null ? null : { ...recipe.sparse, ...sparse },
  };
}

const OPTIONS: ExperimentOptions = {
  backend,
  config,
  recipes: ["demo-4x1", "demo-2in4"].map(shortRecipe),
  trainingRows: rows(task.train),
  evaluationRows: rows(task.dev),
  seed: 1,
};

const PRUNING = {
  ...{ pattern: "4x1", pruning_type: "snip_momentum", target_sparsity: 0.5 },
  ...{ start_step: 1, end_step: 7, pruning_frequency: 2 },
};

/** Starts an experiment whose target is out of reach in one step if the queries are larger than the other weights. */
const unreachable = (factor: number) => () => {
  const parameters = initialiseParameters(backend, config, 1);
  const initialTensors = new Map(
    [...parameters].map(
      ([
        name,
        {
          value: { shape, data },
        },
      ]) => [
        name,
        { shape, data: data.map((x) => (name.endsWith("query.weight") ? x * factor : x)) },
      ],
    ),
  );
  releaseParameters(parameters);
  const pruningConfig = { ...PRUNING, target_sparsity: 0.9, max_sparsity_ratio_per_op: 0.5 };
  runExperiment({ ...OPTIONS, initialTensors, pruningConfig }).release();
};

interface Outcome {
  readonly events: readonly ExperimentEvent[];
  readonly weights: StoredParameters;
  readonly snapshot: ExperimentSnapshot;
}

/** Runs to the end, or until as many training steps are done. */
async function run(options: ExperimentOptions, stopAfter: number = Infinity): Promise<Outcome> {
  const controller = new AbortController();
  const experiment = runExperiment({ ...options, signal: controller.signal });
  const events: ExperimentEvent[] = [];
  let steps = 0;
  for await (const event of experiment) {
    events.push(event);
    if (event.type === "training" && event.event.type === "step" && ++steps === stopAfter) {
      controller.abort();
    }
  }
  const outcome = { events, weights: experiment.weights(), snapshot: experiment.snapshot() };
  experiment.release();
  return outcome;
}

/** The events without those of a run's start and end, which a resumed run adds. */
function substance(events: readonly ExperimentEvent[]): readonly ExperimentEvent[] {
  return events.filter(
    (event) =>
      event.type === "result" ||
      (event.type === "training" && event.event.type !== "start" && event.event.type !== "end"),
  );
}

const whole = run(OPTIONS);

test("a dense phase, then one sparse phase a recipe, each with its result", async () => {
  const { events } = await whole;
  const results = events.flatMap((event) => (event.type === "result" ? [event.result] : []));
  expect(results.map(({ phase, recipe, pattern }) => [phase, recipe, pattern])).toEqual([
    ["dense", "demo-4x1", "dense"],
    ["sparse", "demo-4x1", "4x1"],
    ["sparse", "demo-2in4", "2:4"],
  ]);
  expect(events.at(-1)).toEqual({ type: "end", completed: true, diverged: null });
  const [dense, blocks, groups] = results;
  expect(dense?.oneShot).toBeNull();
  expect(dense?.last.sparsity).toBeNull();
  expect(dense?.last.evaluation.majority).toBe(0.5);
  // 4 weights of 8 x 8 and 2 of 16 x 8: 512 elements in 128 blocks.
  expect(blocks?.last.sparsity?.prunedBlocks.total).toBe(128);
  expect(blocks?.oneShot?.sparsity?.prunedBlocks.zeros).toBe(115);
  expect(groups?.last.sparsity?.prunedLayers.total).toBe(512);
  expect(groups?.oneShot?.sparsity?.prunedBlocks).toEqual({ zeros: 256, total: 512 });
});

test("every sparse phase starts from the dense model", async () => {
  const { events } = await whole;
  const firstLoss = (recipe: string) =>
    events.flatMap((event) =>
      event.type === "training" &&
      event.phase === "sparse" &&
      event.recipe === recipe &&
      event.event.type === "step"
        ? [event.event.loss]
        : [],
    )[0];
  expect(firstLoss("demo-4x1")).toBeGreaterThan(0);
  expect(firstLoss("demo-4x1")).toBe(firstLoss("demo-2in4"));
});

test.each([1, 5, 10, 11, 23, 30, 31, 45])(
  "resumed after step %i, it is the same run",
  async (steps) => {
    const { events, weights } = await whole;
    const first = await run(OPTIONS, steps);
    expect(first.events.at(-1)).toEqual({ type: "end", completed: false, diverged: null });
    const encoded = encodeSnapshot("experiment", first.snapshot);
    const resumeFrom = decodeSnapshotOrThrow("experiment", encoded);
    const second = await run({ ...OPTIONS, resumeFrom });
    expect(substance([...first.events, ...second.events])).toEqual(substance(events));
    expect(second.weights).toEqual(weights);
  },
);

test("bucketed and distilled from tokens alone it is another run, and resumes the same", async () => {
  const recipes = OPTIONS.recipes.slice(0, 1).map(({ sparse, dense, ...recipe }) => ({
    ...recipe,
    dense: { ...dense, batching: "bucketed" as const },
    sparse: sparse && {
      ...sparse,
      batching: "bucketed" as const,
      distillationPadding: "excluded" as const,
    },
  }));
  const options = { ...OPTIONS, recipes };
  const { events, weights } = await run(options);
  expect(substance(events)).not.toEqual(substance((await whole).events).slice(0, events.length));
  for (const steps of [7, 17]) {
    const first = await run(options, steps);
    const second = await run({ ...options, resumeFrom: first.snapshot });
    expect(substance([...first.events, ...second.events])).toEqual(substance(events));
    expect(second.weights).toEqual(weights);
  }
});

test("given a fine-tuned model, the dense phase only measures it", async () => {
  const { snapshot } = await run(OPTIONS, 11);
  if (snapshot.dense === null) throw new Error("expected a dense model after its 10 steps");
  const recipes = OPTIONS.recipes.map(({ dense, ...recipe }) => ({
    ...recipe,
    dense: { ...dense, epochs: 0 },
  }));
  const options = { ...OPTIONS, recipes, initialTensors: snapshot.dense };
  const { events } = await run(options);
  const { events: expected } = await whole;
  const sparse = (list: readonly ExperimentEvent[]) =>
    substance(list).filter(
      (event) => event.type !== "result" && event.type === "training" && event.phase === "sparse",
    );
  expect(sparse(events)).toEqual(sparse(expected));
});

test("wrong input is refused before anything is trained", () => {
  const start = (change: Partial<ExperimentOptions>) => () =>
    runExperiment({ ...OPTIONS, ...change });
  expect(start({ recipes: [] })).toThrow(/recipes: expected at least one, got none/);
  expect(start({ trainingRows: [] })).toThrow(/trainingRows: expected at least one/);
  expect(start({ pruningConfig: { target_sparsity: 1.5 } })).toThrow(/target_sparsity/);
  expect(start({ pruningConfig: { pattern: "5x1", end_step: 5 } })).toThrow(/pattern/);
  expect(start({ initialTensors: new Map() })).toThrow(/word_embeddings/);
  const [recipe] = OPTIONS.recipes;
  if (recipe?.sparse == null) throw new Error("expected a sparse phase");
  const pruning = (change: object) => start({ pruningConfig: { ...PRUNING, ...change } });
  expect(start({ recipes: [recipe, recipe] })).toThrow(
    "recipes[1].name: expected another one, got demo-4x1 again",
  );
  const later = (change: object) =>
    start({ recipes: [{ ...recipe, sparse: { ...recipe.sparse, ...change } as never }] });
  expect(later({ batchSize: 0 })).toThrow(/batchSize: expected/);
  expect(later({ epochs: 1.5 })).toThrow(/epochs: expected/);
  expect(later({ epsilon: Number.NaN })).toThrow(/epsilon: expected/);
  expect(later({ scheduleName: "none" })).toThrow(/schedule.name: expected/);
  expect(later({ distillationPadding: "none" })).toThrow(/distillation.padding: expected/);
  expect(pruning({ pattern: "32x1", pruning_type: "block_mask" })).toThrow(
    /^one-shot baseline: pattern: expected one that divides/,
  );
  expect(unreachable(1)).not.toThrow();
  expect(unreachable(10)).toThrow(/^one-shot baseline: budget: expected from/);
  pruning({ pattern: "2:4", pruning_type: "pattern_lock", start_step: 0, end_step: 0 })().release();
  const long = OPTIONS.evaluationRows.map((row, i) =>
    i === 3 ? { ...row, inputIds: Array(33).fill(5), tokenTypeIds: Array(33).fill(0) } : row,
  );
  expect(start({ evaluationRows: long })).toThrow(
    "evaluationRows[3].positions: expected from 1 to the model's 32, got 33",
  );
  for (const name of ["trainingRows", "evaluationRows"] as const)
    for (const label of [2, 0.5, Number.NaN]) {
      const wrong = OPTIONS[name].map((row, i) => (i === 7 ? { ...row, label } : row));
      expect(start({ [name]: wrong })).toThrow(
        `${name}[7].label: expected a class from 0 to 1, got`,
      );
    }
  const teacher = { config: { ...config, hiddenSize: 16 }, tensors: new Map() };
  expect(start({ teacher })).toThrow("teacher: expected a model of hidden size 8, got 16");
});

test("a snapshot on other terms is refused with what differs", async () => {
  const { snapshot: resumeFrom } = await run(OPTIONS, 12);
  const start = (change: Partial<ExperimentOptions>) => () =>
    runExperiment({ ...OPTIONS, resumeFrom, ...change });
  const { used } = backend.memory.usage();
  expect(start({ trainingRows: OPTIONS.trainingRows.toReversed() })).toThrow(
    /^run.trainingRows: expected "40 rows of digest \w+", got "40 rows of digest \w+" in the/,
  );
  expect(start({ config: { ...config, hiddenDropout: 0.5 } })).toThrow(
    "run.model.hiddenDropout: expected 0.5, got 0.1 in the snapshot",
  );
  const recipes = OPTIONS.recipes.map((recipe) => ({
    ...recipe,
    dense: { ...recipe.dense, learningRate: 1 },
  }));
  expect(start({ recipes })).toThrow(
    "run.phases[0].settings.optimizer.learningRate: expected 1, got 0.001 in the snapshot",
  );
  expect(start({ recipes: OPTIONS.recipes.slice(0, 1) })).toThrow(
    'run.patterns: expected "4x1", got "4x1,2:4" in the snapshot',
  );
  expect(backend.memory.usage().used).toBe(used);
});

test("a snapshot is decoded from Buffers at any offset", async () => {
  const { snapshot } = await run(OPTIONS, 12);
  const { json, tensors } = encodeSnapshot("experiment", snapshot);
  const shifted = [...tensors].map(([name, tensor]) => {
    const bytes = Buffer.from(Uint8Array.of(0, ...tensor.bytes).buffer, 1);
    return [name, { ...tensor, bytes }] as const;
  });
  const decoded = decodeSnapshotOrThrow("experiment", { json, tensors: new Map(shifted) });
  expect(decoded).toEqual(decodeSnapshotOrThrow("experiment", { json, tensors }));
});

test("a damaged snapshot is refused with what is missing", async () => {
  const { snapshot } = await run(OPTIONS, 12);
  const { json, tensors } = encodeSnapshot("experiment", snapshot);
  expect(() => decodeSnapshotOrThrow("training", { json, tensors })).toThrow(/training/);
  expect(() => decodeSnapshotOrThrow("experiment", { json: "{", tensors })).toThrow(/experiment/);
  const [gone] = tensors.keys();
  const fewer = new Map([...tensors].slice(1));
  expect(() => decodeSnapshotOrThrow("experiment", { json, tensors: fewer })).toThrow(
    `expected a tensor ${gone}, got undefined`,
  );
});

test("an experiment is iterated once, and released any number of times", async () => {
  const used = backend.memory.usage().used;
  const experiment = runExperiment(OPTIONS);
  const [first, second] = [experiment, experiment].map((each) => each[Symbol.asyncIterator]());
  await first?.next();
  await expect(second?.next()).rejects.toThrow(/^experiment: expected one iteration, got a second/);
  experiment.release();
  experiment.release();
  expect(backend.memory.usage().used).toBe(used);
  expect(() => experiment.weights()).toThrow(
    /^experiment: expected one in use, got a released one/,
  );
  expect(() => experiment.snapshot()).toThrow(/^experiment: expected one in use/);
});

test("an experiment that diverges says in which phase and step", async () => {
  const recipes = [shortRecipe("demo-4x1")].map((recipe) => ({
    ...recipe,
    sparse: recipe.sparse && { ...recipe.sparse, learningRate: 1e39 },
  }));
  const { events } = await run({ ...OPTIONS, recipes });
  expect(events.at(-1)).toEqual({
    type: "end",
    completed: false,
    diverged: expect.stringContaining("sparse phase of demo-4x1: training diverged at step 1: "),
  });
});
