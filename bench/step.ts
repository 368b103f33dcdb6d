/**
 * A training step of BERT-mini, its gradients alone, and a forward pass, on all available kernels and several numbers of
 * threads, compared with other engines.
 */
import type { LinePlot } from "../src/report/line-plot.ts";
import {
  type BenchContext,
  type Benchmark,
  type Cell,
  type PeerScript,
  type Subject,
  type Times,
  takeTurns,
} from "./benchmark.ts";
import { ratiosOf, spreadOf, threadsText } from "./measure.ts";
import {
  bertMini,
  fullBatch,
  ownSubject,
  PASS_KINDS,
  type PassKind,
  sentenceLengths,
} from "./workload.ts";

const ROUNDS = 11;
const WARM_UP = 3;
/** Milliseconds. Threads of OpenBLAS poll for 100 ms after their work, on cores that the next subject needs. */
const REST = 250;

/** Lengths of the examples of a batch. */
const WORKLOADS: Readonly<Record<string, readonly number[]>> = {
  "16x64": fullBatch(16, 64),
  "16x128": fullBatch(16, 128),
  "SST-2": sentenceLengths(32),
};

interface PeerRequest {
  readonly script: PeerScript;
  readonly threads: number;
  /** Input of the peer in addition to the batch. */
  readonly more?: Readonly<Record<string, unknown>>;
}

/** Peers with the same number of threads; those in JavaScript have one. */
function peersOn(threads: number): readonly PeerRequest[] {
  const torch: PeerRequest = { script: "training_step.py", threads };
  if (threads > 1) return [torch];
  return [
    torch,
    { script: "jax_js.mjs", threads },
    { script: "tfjs.mjs", threads },
    { script: "onnxruntime.mjs", threads, more: { runtime: "web" } },
    { script: "onnxruntime.mjs", threads, more: { runtime: "node" } },
  ];
}

/** A subject with the times of its rounds. */
interface Measured {
  readonly subject: Subject<PassKind>;
  readonly isPeer: boolean;
  readonly times: Times<PassKind>;
}

async function measure(
  context: BenchContext,
  threads: number,
  lengths: readonly number[],
): Promise<readonly Measured[]> {
  const config = bertMini();
  const own: Subject<PassKind>[] = [];
  for (const variant of context.variants)
    own.push(await ownSubject(variant, threads, { config, lengths }));
  const peers: Subject<PassKind>[] = [];
  for (const { script, more } of peersOn(threads)) {
    const request = { threads, lengths, vocabulary: config.vocabularySize, ...more };
    const peer = await context.startPeer(script, request);
    if (peer === undefined) continue;
    const kinds = PASS_KINDS.filter((kind) => peer.kinds.includes(kind));
    const time = (kind: PassKind): Promise<number> => peer.time(kind);
    peers.push({ name: peer.name, threads, kinds, time, stop: peer.stop });
  }
  const subjects = [...own, ...peers];
  const rest = peers.length > 0 && threads > 1 ? REST : 0;
  try {
    const times = await takeTurns(context, subjects, { rounds: ROUNDS, warmUp: WARM_UP, rest });
    return subjects.map((subject, i) => ({
      subject,
      isPeer: peers.includes(subject),
      times: times[i],
    }));
  } finally {
    for (const { stop } of subjects) stop();
  }
}

/** A peer without its version. */
function engineOf(peer: string): string {
  return peer.split(" ")[0];
}

/** Rows of a table: the time of every subject and kind, and the speed of this library relative to each peer. */
function rowsOf(
  workload: string,
  measured: readonly Measured[],
  engines: readonly string[],
): readonly (readonly Cell[])[] {
  return measured.flatMap(({ subject, isPeer, times }) =>
    subject.kinds.map((kind): readonly Cell[] => {
      const own = times.get(kind) ?? [];
      const speeds = engines.map((engine): Cell => {
        const peer = measured.find((one) => one.isPeer && engineOf(one.subject.name) === engine);
        const theirs = peer?.times.get(kind);
        return isPeer || theirs === undefined ? null : ratiosOf(theirs, own);
      });
      return [workload, subject.threads, subject.name, kind, spreadOf(own), ...speeds];
    }),
  );
}

/** Median times of a step by the tokens of the batch: a curve for each subject with this number of threads. */
function plotOf(all: ReadonlyMap<string, readonly Measured[]>, threads: number): LinePlot {
  const curves = new Map<string, (readonly [number, number])[]>();
  for (const [workload, measured] of all) {
    const tokens = WORKLOADS[workload].reduce((a, b) => a + b, 0);
    for (const { subject, times } of measured) {
      const step = times.get("step");
      if (subject.threads !== threads || step === undefined) continue;
      const points = curves.get(subject.name) ?? [];
      curves.set(subject.name, [...points, [tokens, spreadOf(step).median]]);
    }
  }
  return {
    title: `Training step of BERT-mini on ${threadsText(threads)}, ms`,
    xLabel: "tokens in the batch",
    yRange: { low: 0, high: 0 },
    series: [...curves].map(([name, points], color) => {
      return { name, color, points: points.sort(([a], [b]) => a - b) };
    }),
  };
}

/** A training step, its gradients and a forward pass of BERT-mini, compared with peers. */
export const stepBenchmark: Benchmark = {
  run: async (context) => {
    const all = new Map<string, readonly Measured[]>();
    for (const [workload, lengths] of Object.entries(WORKLOADS)) {
      const measured: Measured[] = [];
      for (const threads of context.threads) {
        context.say(`${workload}, ${threadsText(threads)}`);
        measured.push(...(await measure(context, threads, lengths)));
      }
      all.set(workload, measured);
    }
    const peers = [...all.values()].flat().filter(({ isPeer }) => isPeer);
    const engines = [...new Set(peers.map(({ subject }) => engineOf(subject.name)))];
    const columns = [
      ...[{ name: "batch" }, { name: "threads" }, { name: "subject" }, { name: "what" }],
      { name: "ms", digits: 1 },
      ...engines.map((engine) => ({ name: `speed relative to ${engine}`, digits: 2 })),
    ];
    const rows = [...all].flatMap(([workload, measured]) =>
      context.threads.flatMap((threads) => {
        const those = measured.filter(({ subject }) => subject.threads === threads);
        return rowsOf(workload, those, engines);
      }),
    );
    const title = "Passes of BERT-mini, dropout 0.1, 11.2 million parameters";
    return {
      tables: [{ title, columns, rows }],
      plots: context.threads.map((threads) => plotOf(all, threads)),
    };
  },
};
