/**
 * Processor time of training steps of BERT-mini, batches of 32, on lengths like SST-2's (3 to 40 tokens, 13 on average): with
 * every position of the padded batch, without padding, and in batches of similar length.
 * Usage: npx tsx bench/padding.ts [auto|scalar|simd|fma] [rounds]
 */
import { nextUnit, openStream } from "../src/core/random.ts";
import { createBackend } from "../src/kernels/backend.ts";
import type { KernelVariant } from "../src/kernels/table.ts";
import { parseModelConfigOrThrow } from "../src/model/config.ts";
import { initialiseParameters } from "../src/model/parameters.ts";
import type { Padding } from "../src/model/token-rows.ts";
import { type Batching, bucketedBatches, shuffledBatches } from "../src/train/batches.ts";
import { rowsAt } from "../src/train/evaluation.ts";
import { padExamples, type TokenisedExample } from "../src/train/examples.ts";
import { MODEL_CONFIGS } from "../src/train/model-configs.ts";
import { createSession, type TrainingSession } from "../src/train/session.ts";
import { type DistillationSettings, trainingSettings } from "../src/train/settings.ts";
import { trainStepInto } from "../src/train/step.ts";
import { sequenceClassifier } from "../src/train/trainable-model.ts";
import { formatSpread, formatTable, spreadOf } from "./measure.ts";

const BATCH_SIZE = 32;
const ROWS = 3200;
const WARM_UP_STEPS = 3;
const config = parseModelConfigOrThrow(MODEL_CONFIGS["bert-mini"]);
const variant = (process.argv[2] ?? "auto") as KernelVariant | "auto";
const backend = createBackend({ variant });
const rounds = Number(process.argv[3] ?? 20);

/** Rows of 3 to 40 tokens, 13 on average. */
function makeRows(): readonly TokenisedExample[] {
  const stream = openStream(1, 900);
  return Array.from({ length: ROWS }, (_, label) => {
    const length = 3 + Math.floor(38 * nextUnit(stream) ** 2.7);
    const inputIds = Array.from({ length }, () => 1000 + Math.floor(20000 * nextUnit(stream)));
    return { inputIds, tokenTypeIds: inputIds.map(() => 0), label: label % 2 };
  });
}

const rows = makeRows();
type Batch = ReturnType<typeof padExamples>;

/** A session; `padding` overrides what its steps ask for. */
function session(
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
const CASES: readonly (readonly [string, TrainingSession<Batch>, Batching])[] = [
  ["labels, padded", session(null, "included"), "shuffled"],
  ["labels", session(null), "shuffled"],
  ["labels, bucketed", session(null), "bucketed"],
  ["hidden states, padding included", session(HIDDEN), "shuffled"],
  ["hidden states, padding included, bucketed", session(HIDDEN), "bucketed"],
  ["hidden states, padding excluded", session({ ...HIDDEN, padding: "excluded" }), "shuffled"],
];

const lengths = rows.map(({ inputIds }) => inputIds.length);
const batches = {
  shuffled: shuffledBatches(ROWS, BATCH_SIZE, 1, 0),
  bucketed: bucketedBatches(lengths, BATCH_SIZE, 1, 0),
};
const times = CASES.map((): number[] => []);
for (let round = 0; round < WARM_UP_STEPS + rounds; round++) {
  CASES.forEach(([, run, batching], index) => {
    const batch = padExamples(rowsAt(rows, batches[batching][round % batches[batching].length]));
    const start = process.cpuUsage();
    trainStepInto(run, batch);
    const { user, system } = process.cpuUsage(start);
    if (round >= WARM_UP_STEPS) times[index].push((user + system) / 1000);
  });
}
const mean = lengths.reduce((sum, length) => sum + length, 0) / ROWS;
process.stdout.write(
  `${backend.kernels.variant}, mean length ${mean.toFixed(1)}, longest ${Math.max(...lengths)}\n`,
);
process.stdout.write(
  `${formatTable([
    ["step", "ms, mean", "median (least to most)"],
    ...CASES.map(([name], index) => [
      name,
      (times[index].reduce((sum, time) => sum + time, 0) / rounds).toFixed(1),
      formatSpread(spreadOf(times[index]), 1),
    ]),
  ])}\n`,
);
