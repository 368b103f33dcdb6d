/** The time from the start of a process to its first logits, and the peak memory of that process. */
import { type Benchmark, type Cell, type Subject, takeTurns } from "./benchmark.ts";
import { withDeployedModels } from "./deployed-models.ts";
import {
  checkLogits,
  type DeployedSubject,
  ownSubjects,
  peerSubjectsOf,
} from "./deployed-subjects.ts";
import { spreadOf, threadsText } from "./measure.ts";

const ROUNDS = 7;
const WARM_UP = 1;
const BATCH = "1x32";
const MEBI = 2 ** 20;

/** Times a subject from nothing; `onPeak` receives the name and the peak memory of each process. */
function startingSubject(
  context: Parameters<DeployedSubject["start"]>[0],
  subject: DeployedSubject,
  onPeak: (name: string, bytes: number) => void,
): Subject<"start"> {
  const batches = subject.model.batches.filter(({ name }) => name === BATCH);
  const time = async (): Promise<number> => {
    const start = performance.now();
    const peer = await subject.start(context, batches, "default");
    if (peer === undefined) throw new Error(`${subject.engine}: expected an installed engine`);
    try {
      await checkLogits(subject, peer, batches);
      const elapsed = performance.now() - start;
      onPeak(peer.name, Number(await peer.ask("peak")));
      return elapsed;
    } finally {
      peer.stop();
      await peer.ended;
    }
  };
  return { name: subject.engine, threads: subject.threads, kinds: ["start"], time, stop() {} };
}

/** The subjects whose engine is installed, which shows when they are started. */
async function installed(
  context: Parameters<DeployedSubject["start"]>[0],
  subjects: readonly DeployedSubject[],
): Promise<readonly DeployedSubject[]> {
  const found: DeployedSubject[] = [];
  for (const subject of subjects) {
    context.signal.throwIfAborted();
    const peer = await subject.start(context, [], "default");
    peer?.stop();
    await peer?.ended;
    if (peer !== undefined) found.push(subject);
  }
  return found;
}

/** The start of deployed classifiers, compared with other engines. */
export const startupBenchmark: Benchmark = {
  run: (context) =>
    withDeployedModels(context, async (models) => {
      const threads = Math.min(...context.threads);
      const own = context.variants.flatMap((one) => ownSubjects(models, one, threads, "text"));
      const text = peerSubjectsOf(models, threads, "text");
      const ids = peerSubjectsOf(models, threads, "ids");
      const subjects = await installed(context, [...own, ...text, ...ids]);
      context.say(threadsText(threads));
      const names = subjects.map(({ engine }) => engine);
      const peaks = subjects.map((): number[] => []);
      const starting = subjects.map((subject, i) =>
        startingSubject(context, subject, (name, bytes) => {
          names[i] = name;
          peaks[i].push(bytes / MEBI);
        }),
      );
      const times = await takeTurns(context, starting, { rounds: ROUNDS, warmUp: WARM_UP });
      const rows = subjects.map((subject, i): readonly Cell[] => [
        ...[names[i], subject.weights, ids.includes(subject) ? "token ids" : "text"],
        ...[spreadOf(times[i].get("start") ?? []), spreadOf(peaks[i])],
      ]);
      const columns = [
        ...[{ name: "engine" }, { name: "weights" }, { name: "input" }],
        ...[{ name: "ms" }, { name: "peak, MiB" }],
      ];
      const title = `${models.title}: from the start of a process to the logits of ${BATCH}, ${threadsText(threads)}`;
      return { tables: [{ title, columns, rows }], plots: [] };
    }),
};
