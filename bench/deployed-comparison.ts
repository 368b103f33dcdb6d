/** Checks and times deployed classifiers on the same batches in turns. */
import {
  type BenchContext,
  type BenchTable,
  type Cell,
  type Column,
  type Subject,
  takeTurns,
} from "./benchmark.ts";
import { BATCHES, type DeployedModels } from "./deployed-models.ts";
import { checkLogits, type DeployedSubject } from "./deployed-subjects.ts";
import { ratiosOf, spreadOf, threadsText } from "./measure.ts";
import type { Peer } from "./peers/peer.ts";

const WARM_UP = 2;
/** Milliseconds in which threads of the previous subject stop polling. */
const REST = 30;

/** What to compare. */
export interface Comparison {
  /** What the subjects compute, for the titles. */
  readonly title: string;
  /** The subjects for a number of threads. */
  readonly subjects: (threads: number) => readonly DeployedSubject[];
  /** The engines with whose 8-bit weights every subject is compared. */
  readonly compared: readonly string[];
  /** The names of the batches. */
  readonly batches: readonly string[];
}

interface Running {
  readonly subject: DeployedSubject;
  readonly peer: Peer;
}

/** Starts the subjects that are installed, and adds them to `running`. Returns their errors as rows. */
async function startChecked(
  context: BenchContext,
  subjects: readonly DeployedSubject[],
  measured: readonly string[],
  running: Running[],
): Promise<readonly (readonly Cell[])[]> {
  const errors: (readonly Cell[])[] = [];
  for (const subject of subjects) {
    context.signal.throwIfAborted();
    const batches = subject.model.batches.filter(({ name }) => measured.includes(name));
    const peer = await subject.start(context, batches);
    if (peer === undefined) continue;
    running.push({ subject, peer });
    const error = await checkLogits(subject, peer, batches);
    errors.push([peer.name, subject.weights, subject.threads, error]);
  }
  return errors;
}

/** Times of all running subjects for one batch, as rows. */
async function timesOf(
  context: BenchContext,
  running: readonly Running[],
  name: string,
  compared: readonly string[],
): Promise<readonly (readonly Cell[])[]> {
  const { rounds, fill } = BATCHES[name];
  const subjects = running.map(({ subject, peer }): Subject<"run"> => {
    const { engine, threads } = subject;
    const time = (): Promise<number> => peer.time(`${name} ${fill}`);
    return { name: engine, threads, kinds: ["run"], time, stop: peer.stop };
  });
  const rest = running.some(({ subject }) => subject.threads > 1) ? REST : 0;
  const turns = await takeTurns(context, subjects, { rounds, warmUp: WARM_UP, rest });
  const times = turns.map((one) => one.get("run") ?? []);
  const others = compared.map((engine) =>
    running.findIndex(({ subject }) => subject.engine === engine && /8-bit/.test(subject.weights)),
  );
  return running.map(({ subject, peer }, i): readonly Cell[] => [
    ...[name, subject.threads, peer.name, subject.weights, spreadOf(times[i])],
    ...others.map((other) => (other < 0 ? null : ratiosOf(times[other], times[i]))),
  ]);
}

/** Returns a table of times and one of the errors of logits. */
export async function compareSubjects(
  context: BenchContext,
  models: DeployedModels,
  { title, subjects, compared, batches }: Comparison,
): Promise<readonly BenchTable[]> {
  const rows: (readonly Cell[])[] = [];
  const errors: (readonly Cell[])[] = [];
  const measured = models.pruned.batches.map(({ name }) => name);
  for (const threads of context.threads) {
    context.say(`${title}, ${threadsText(threads)}`);
    const running: Running[] = [];
    try {
      errors.push(...(await startChecked(context, subjects(threads), batches, running)));
      for (const name of measured)
        if (batches.includes(name)) rows.push(...(await timesOf(context, running, name, compared)));
    } finally {
      for (const { peer } of running) peer.stop();
      for (const { peer } of running) await peer.ended;
    }
  }
  const subject: readonly Column[] = [{ name: "engine" }, { name: "weights" }];
  const columns: readonly Column[] = [
    ...[{ name: "batch" }, { name: "threads" }, ...subject],
    { name: "ms", digits: 2 },
    ...compared.map((engine) => ({ name: `speed over ${engine} 8-bit`, digits: 2 })),
  ];
  return [
    { title: `${models.title}: ${title}`, columns, rows },
    {
      title: `${models.title}: ${title}, the largest error of logits as a share of the largest`,
      columns: [...subject, { name: "threads" }, { name: "error", digits: 6 }],
      rows: errors,
    },
  ];
}
