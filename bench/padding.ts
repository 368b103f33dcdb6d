/**
 * Training steps of BERT-mini with batches of 32 and lengths as in SST-2 (3 to 40 tokens, 13 on average): with padding,
 * without it, and in batches of similar length.
 */
import { nextUnit, openStream } from "../src/core/random.ts";
import { type Backend, createBackend } from "../src/kernels/backend.ts";
import { initialiseParameters } from "../src/model/parameters.ts";
import type { Padding } from "../src/model/token-rows.ts";
import { type Batching, bucketedBatches, shuffledBatches } from "../src/train/batches.ts";
import { rowsAt } from "../src/train/evaluation.ts";
import { padExamples, type TokenisedExample } from "../src/train/examples.ts";
import { createSession, releaseSession, type TrainingSession } from "../src/train/session.ts";
import { type DistillationSettings, trainingSettings } from "../src/train/settings.ts";
import { trainStepInto } from "../src/train/step.ts";
import { sequenceClassifier } from "../src/train/trainable-model.ts";
import { type Benchmark, type Subject, takeTurns } from "./benchmark.ts";
import { ratiosOf, spreadOf } from "./measure.ts";
import { bertMini, sentenceLengths } from "./workload.ts";

const BATCH_SIZE = 32;
const ROWS = 3200;
const ROUNDS = 20;
const WARM_UP = 3;
const config = bertMini();

function makeRows(): readonly TokenisedExample[] {
  const stream = openStream(1, 901);
  return sentenceLengths(ROWS, 900).map((length, row) => {
    const inputIds = Array.from({ length }, () => 1000 + Math.floor(20000 * nextUnit(stream)));
    return { inputIds, tokenTypeIds: inputIds.map(() => 0), label: row % 2 };
  });
}

type Batch = ReturnType<typeof padExamples>;

/** A session; `padding` overrides the option of its forward passes. */
function sessionOn(
  backend: Backend,
  distillation: DistillationSettings | null,
  padding?: Padding,
): TrainingSession<Batch> {
  const [model, teacher] = [1, 2].map((seed) =>
    sequenceClassifier(config, initialiseParameters(backend, config, seed)),
  );
  const student =
    padding === undefined
      ? model
      : {
          ...model,
          forward: ((tape, batch) =>
            model.forward(tape, batch, { padding })) as typeof model.forward,
        };
  return createSession(backend, student, trainingSettings({ distillation }), teacher);
}

const HIDDEN = { kind: "last-hidden-state", weight: 5 } as const;

interface Case {
  readonly name: string;
  readonly distillation: DistillationSettings | null;
  readonly padding?: Padding;
  readonly batching: Batching;
}

const CASES: readonly Case[] = [
  { name: "labels, padded", distillation: null, padding: "included", batching: "shuffled" },
  { name: "labels", distillation: null, batching: "shuffled" },
  { name: "labels, bucketed", distillation: null, batching: "bucketed" },
  { name: "hidden states, padded", distillation: HIDDEN, batching: "shuffled" },
  { name: "hidden states, padded, bucketed", distillation: HIDDEN, batching: "bucketed" },
  {
    name: "hidden states",
    distillation: { ...HIDDEN, padding: "excluded" },
    batching: "shuffled",
  },
];

/** Steps of a case, each on the next batch. */
function subjectOf(
  backend: Backend,
  { name, distillation, padding, batching }: Case,
  rows: readonly TokenisedExample[],
): Subject<"step"> {
  const run = sessionOn(backend, distillation, padding);
  const lengths = rows.map(({ inputIds }) => inputIds.length);
  const batches =
    batching === "shuffled"
      ? shuffledBatches(rows.length, BATCH_SIZE, 1, 0)
      : bucketedBatches(lengths, BATCH_SIZE, 1, 0);
  let next = 0;
  const time = (): number => {
    const batch = padExamples(rowsAt(rows, batches[next++ % batches.length]));
    const start = performance.now();
    trainStepInto(run, batch);
    return performance.now() - start;
  };
  return { name, threads: 1, kinds: ["step"], time, stop: () => releaseSession(run) };
}

/** Training steps with padding, without it, and in batches of similar length. */
export const paddingBenchmark: Benchmark = {
  run: async (context) => {
    const [variant] = context.variants;
    const backend = createBackend({ variant });
    const rows = makeRows();
    const subjects = CASES.map((one) => subjectOf(backend, one, rows));
    context.say(`${CASES.length} kinds of batches`);
    const measured = await takeTurns(context, subjects, { rounds: ROUNDS, warmUp: WARM_UP });
    const times = measured.map((one) => one.get("step") ?? []);
    // The first one of each loss computes every position.
    const padded = CASES.map((one) =>
      CASES.findIndex((other) => (other.distillation === null) === (one.distillation === null)),
    );
    const title = `Training steps of BERT-mini, batches of ${BATCH_SIZE} of 3 to 40 tokens, ${variant}`;
    const columns = [
      { name: "step" },
      ...[
        { name: "ms", digits: 1 },
        { name: "share of the padded step's time", digits: 2 },
      ],
    ];
    const table = CASES.map(({ name }, i) => [
      name,
      spreadOf(times[i]),
      ratiosOf(times[i], times[padded[i]]),
    ]);
    return { tables: [{ title, columns, rows: table }], plots: [] };
  },
};
