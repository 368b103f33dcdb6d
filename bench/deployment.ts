/**
 * A pruned classifier beside what people deploy otherwise: times of forward passes of token ids, and from text. Every
 * subject runs in a process of its own on the same threads, and its logits are checked before it is timed.
 */
import {
  type BenchContext,
  type Benchmark,
  type BenchTable,
  type Cell,
  type Column,
  type Subject,
  takeTurns,
} from "./benchmark.ts";
import { BATCHES, type DeployedModels, withDeployedModels } from "./deployed-models.ts";
import {
  checkLogits,
  type DeployedSubject,
  ownSubjects,
  peerSubjectsOf,
  type SubjectInput,
} from "./deployed-subjects.ts";
import { ratiosOf, spreadOf, threadsText } from "./measure.ts";
import type { Peer } from "./peers/peer.ts";

const WARM_UP = 2;
/** Milliseconds in which threads of the previous subject stop polling. */
const REST = 30;

/** The peers with which every subject is compared, by the input of the subjects. */
const COMPARED: Readonly<Record<SubjectInput, readonly string[]>> = {
  ids: ["onnxruntime-web", "onnxruntime-node", "onnxruntime", "DeepSparse"],
  text: ["transformers.js"],
};

/** The batches that are also measured from text. */
const TEXT_BATCHES: readonly string[] = ["1x32", "32x64", "32-sentences"];

interface Running {
  readonly subject: DeployedSubject;
  readonly peer: Peer;
  /** The largest error of its logits. */
  readonly error: number;
}

/** Starts and checks the subjects that are installed. */
async function start(
  context: BenchContext,
  subjects: readonly DeployedSubject[],
  isMeasured: (batch: string) => boolean,
  running: Running[],
): Promise<void> {
  for (const subject of subjects) {
    context.signal.throwIfAborted();
    const batches = subject.model.batches.filter(({ name }) => isMeasured(name));
    const peer = await subject.start(context, batches);
    if (peer === undefined) continue;
    running.push({ subject, peer, error: Number.NaN });
    const error = await checkLogits(subject, peer, batches);
    running[running.length - 1] = { subject, peer, error };
  }
}

/** Times of all running subjects for one batch, as rows. */
async function batchRows(
  context: BenchContext,
  running: readonly Running[],
  name: string,
  input: SubjectInput,
): Promise<readonly (readonly Cell[])[]> {
  const { rounds, fill } = BATCHES[name];
  const subjects = running.map(({ subject, peer }): Subject<"run"> => {
    const { engine, threads } = subject;
    const time = (): Promise<number> => peer.time(`${name} ${fill}`);
    return { name: engine, threads, kinds: ["run"], time, stop: peer.stop };
  });
  const rest = running.some(({ subject }) => subject.threads > 1) ? REST : 0;
  const turns = { rounds, warmUp: Math.min(WARM_UP, rounds), rest };
  const times = (await takeTurns(context, subjects, turns)).map((one) => one.get("run") ?? []);
  const compared = COMPARED[input].map((engine) =>
    running.findIndex(({ subject }) => subject.engine === engine && /8-bit/.test(subject.weights)),
  );
  return running.map(({ subject, peer }, i): readonly Cell[] => [
    ...[name, subject.threads, peer.name, subject.weights, spreadOf(times[i])],
    ...compared.map((other) => (other < 0 ? null : ratiosOf(times[other], times[i]))),
  ]);
}

async function measure(
  context: BenchContext,
  models: DeployedModels,
  input: SubjectInput,
): Promise<readonly BenchTable[]> {
  const rows: (readonly Cell[])[] = [];
  const errors: (readonly Cell[])[] = [];
  const isMeasured = (name: string): boolean => input === "ids" || TEXT_BATCHES.includes(name);
  for (const threads of context.threads) {
    context.say(`${input}, ${threadsText(threads)}`);
    const own = context.variants.flatMap((variant) => ownSubjects(models, variant, threads, input));
    const subjects = [...own, ...peerSubjectsOf(models, threads, input)];
    const running: Running[] = [];
    try {
      await start(context, subjects, isMeasured, running);
      for (const { name } of models.pruned.batches)
        if (isMeasured(name)) rows.push(...(await batchRows(context, running, name, input)));
    } finally {
      for (const { peer } of running) peer.stop();
    }
    for (const { subject, peer, error } of running)
      errors.push([peer.name, subject.weights, subject.threads, error]);
  }
  const columns: readonly Column[] = [
    ...[{ name: "batch" }, { name: "threads" }, { name: "engine" }, { name: "weights" }],
    { name: "ms", digits: 2 },
    ...COMPARED[input].map((engine) => ({ name: `speed over ${engine} 8-bit`, digits: 2 })),
  ];
  const from = input === "ids" ? "token ids" : "text";
  return [
    { title: `${models.title}: a forward pass from ${from}`, columns, rows },
    {
      title: `${models.title}: largest error of logits from ${from}, as a share of the largest logit`,
      columns: [
        { name: "engine" },
        { name: "weights" },
        { name: "threads" },
        { name: "error", digits: 6 },
      ],
      rows: errors,
    },
  ];
}

/** Deployed classifiers, compared with other engines. */
export const deploymentBenchmark: Benchmark = {
  run: (context) =>
    withDeployedModels(context, async (models) => ({
      tables: [
        ...(await measure(context, models, "ids")),
        ...(await measure(context, models, "text")),
      ],
      plots: [],
    })),
};
