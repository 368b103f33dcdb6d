/** The interface of a benchmark: its context, and its results as tables and curves. */
import { setTimeout as sleep } from "node:timers/promises";
import type { BenchRequest } from "../src/cli/bench.ts";
import type { KernelVariant } from "../src/kernels/table.ts";
import type { LinePlot } from "../src/report/line-plot.ts";
import type { Spread } from "./measure.ts";
import type { Peer, PeerHeap } from "./peers/peer.ts";

/** The programs of the peers, in bench/peers/. */
export const PEER_SCRIPTS = [
  "training_step.py",
  "mask_step.py",
  "kth_value.py",
  "prune_checkpoint.py",
  "linear.py",
  "jax_js.mjs",
  "tfjs.mjs",
  "onnxruntime.mjs",
  "espalier.mjs",
  "onnxruntime_session.mjs",
  "onnxruntime_session.py",
  "transformers_js.mjs",
  "deepsparse_session.py",
  "quantize_onnx.py",
  "chromium.mjs",
] as const;
/** The name of a peer's program. */
export type PeerScript = (typeof PEER_SCRIPTS)[number];

/** The context of a benchmark. */
export interface BenchContext {
  /** Kernels to measure, the fastest first. */
  readonly variants: readonly KernelVariant[];
  /** Numbers of threads to measure. */
  readonly threads: readonly number[];
  /** Rounds in which all subjects take turns; null: the benchmark's own number. */
  readonly rounds: number | null;
  /** Whether peers are measured. */
  readonly runsPeers: boolean;
  /** Starts a program in a process of its own; undefined if it is not installed. */
  readonly startProgram: (
    script: PeerScript,
    request: unknown,
    heap?: PeerHeap,
  ) => Promise<Peer | undefined>;
  /** Starts a peer; undefined if peers are off or this one is not installed. */
  readonly startPeer: BenchContext["startProgram"];
  /** The deployed model; null: a seeded one. */
  readonly model: BenchRequest["model"];
  /** Runs the benchmark's probe on a case in a separate process with the same flags. */
  readonly probe: (name: string, variant: KernelVariant, argument: unknown) => Promise<unknown>;
  /** Reports what is being measured. */
  readonly say: (text: string) => void;
  /** Aborted when the user stops the run; the benchmark then throws the reason. */
  readonly signal: AbortSignal;
}

/** A cell of a table. A spread is shown as `median (lowest to highest)`. */
export type Cell = string | number | Spread | null;

/** A column: its name in results and headings, and its digits after the point. */
export interface Column {
  readonly name: string;
  readonly digits?: number;
}

/** A table of measurements. */
export interface BenchTable {
  readonly title: string;
  readonly columns: readonly Column[];
  readonly rows: readonly (readonly Cell[])[];
}

/** The results of a benchmark. */
export interface BenchReport {
  readonly tables: readonly BenchTable[];
  readonly plots: readonly LinePlot[];
}

/** A benchmark of the command. */
export interface Benchmark {
  readonly run: (context: BenchContext) => Promise<BenchReport>;
  /** Measures one case in the separate process that `context.probe` starts; the result is JSON. */
  readonly probe?: (variant: KernelVariant, argument: unknown) => Promise<unknown> | unknown;
}

/** A measured program: its name, its threads, and how to time one run of a kind in milliseconds. */
export interface Subject<Kind extends string> {
  readonly name: string;
  readonly threads: number;
  /** The kinds that it supports. */
  readonly kinds: readonly Kind[];
  readonly time: (kind: Kind) => Promise<number> | number;
  readonly stop: () => void;
}

/** The subject that times a peer; none without a peer. */
export function peerSubjects<Kind extends string>(
  peer: Peer | undefined,
  kind: Kind,
  input: string,
): readonly Subject<Kind>[] {
  if (peer === undefined) return [];
  return [{ ...peer, threads: 1, kinds: [kind], time: () => peer.time(input) }];
}

/** Times of a subject by kind, one for each round. */
export type Times<Kind extends string> = ReadonlyMap<Kind, readonly number[]>;

/** How subjects take turns. */
interface Turns {
  readonly rounds: number;
  /** Rounds before these, which are not counted. */
  readonly warmUp: number;
  /** Milliseconds of rest before each turn, while threads of the previous subject may still poll. Default 0. */
  readonly rest?: number;
}

/**
 * Lets subjects take turns: in every round each runs each of its kinds once, so that a busy machine slows all of them
 * down. Warm-up rounds are not counted. The user may set another number of rounds.
 */
export async function takeTurns<Kind extends string>(
  context: Pick<BenchContext, "rounds" | "signal">,
  subjects: readonly Subject<Kind>[],
  { rounds: usual, warmUp, rest = 0 }: Turns,
): Promise<readonly Times<Kind>[]> {
  const rounds = context.rounds ?? usual;
  const times = subjects.map(({ kinds }) => new Map(kinds.map((kind) => [kind, [] as number[]])));
  for (let round = -warmUp; round < rounds; round++)
    for (const [i, subject] of subjects.entries()) {
      if (rest > 0) await sleep(rest, undefined, { signal: context.signal });
      for (const [kind, measured] of times[i]) {
        context.signal.throwIfAborted();
        const time = await subject.time(kind);
        if (round >= 0) measured.push(time);
      }
    }
  return times;
}
