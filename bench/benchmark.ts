/** What a benchmark is given, and what it gives back: tables of spreads, and curves. */
import { setTimeout as sleep } from "node:timers/promises";
import type { KernelVariant } from "../src/kernels/table.ts";
import type { LinePlot } from "../src/report/line-plot.ts";
import type { Spread } from "./measure.ts";
import type { Peer } from "./peers/peer.ts";

/** Peers by the programs that start them, in bench/peers/. */
export const PEER_SCRIPTS = [
  "training_step.py",
  "mask_step.py",
  "kth_value.py",
  "linear.py",
  "jax_js.mjs",
  "tfjs.mjs",
  "onnxruntime.mjs",
] as const;
/** One of them. */
export type PeerScript = (typeof PEER_SCRIPTS)[number];

/** The surroundings of a benchmark. */
export interface BenchContext {
  /** Kernels to measure, the fastest first. */
  readonly variants: readonly KernelVariant[];
  /** Numbers of threads to measure. */
  readonly threads: readonly number[];
  /** Rounds in which all subjects take turns; null: as many as the benchmark finds right. */
  readonly rounds: number | null;
  /** Starts a peer; undefined where peers are not asked for, or this one is not installed. */
  readonly startPeer: (script: PeerScript, request: unknown) => Promise<Peer | undefined>;
  /** Runs the benchmark's probe on a case in a process of its own, under this engine's flags. */
  readonly probe: (name: string, variant: KernelVariant, argument: unknown) => Promise<unknown>;
  /** Says what is being measured. */
  readonly say: (text: string) => void;
  /** Aborted when the user asks to stop: the benchmark then throws it. */
  readonly signal: AbortSignal;
}

/** A cell of a table. A spread is shown as `median (lowest to highest)`. */
export type Cell = string | number | Spread | null;

/** A column: its name in results and headings, and the digits after the point that it shows. */
export interface Column {
  readonly name: string;
  readonly digits?: number;
}

/** Measurements, one to a row. */
export interface BenchTable {
  readonly title: string;
  readonly columns: readonly Column[];
  readonly rows: readonly (readonly Cell[])[];
}

/** What a benchmark found. */
export interface BenchReport {
  readonly tables: readonly BenchTable[];
  readonly plots: readonly LinePlot[];
}

/** A benchmark of the command. */
export interface Benchmark {
  readonly run: (context: BenchContext) => Promise<BenchReport>;
  /** Measures one case in a process of its own, which `context.probe` starts; the result is JSON. */
  readonly probe?: (variant: KernelVariant, argument: unknown) => Promise<unknown> | unknown;
}

/** Who is measured: its name, its threads, and a way to time one run of a kind in milliseconds. */
export interface Subject<Kind extends string> {
  readonly name: string;
  readonly threads: number;
  /** What of the kinds it can do. */
  readonly kinds: readonly Kind[];
  readonly time: (kind: Kind) => Promise<number> | number;
  readonly stop: () => void;
}

/** Times of a subject by kind, one for each round. */
export type Times<Kind extends string> = ReadonlyMap<Kind, readonly number[]>;

/** How subjects take turns. */
interface Turns {
  readonly rounds: number;
  /** Rounds before these, which are not counted. */
  readonly warmUp: number;
  /** Milliseconds of rest before each turn: for threads of the one before, which may go on looking for work. Default 0. */
  readonly rest?: number;
}

/**
 * Lets subjects take turns: in every round each does each of its kinds once, so that a machine that gets busy slows
 * all of them down. The first rounds are not counted; `rounds` more are, unless the user asks for another number.
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
