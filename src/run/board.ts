/** Handles the messages that a run's seeds post: updates metrics.jsonl and timings.json, and notifies a listener. */

import { describe } from "../core/checks.ts";
import { getOrThrow, InputError } from "../core/either.ts";
import { sumOf } from "../core/sum.ts";
import type { PhaseId } from "../experiment/events.ts";
import { isJsonObject, parseJson } from "../io/json.ts";
import { decodeLossy } from "../io/text.ts";
import { formatMetrics, type MetricsLine } from "./metrics.ts";
import type { SeedMessage, SeedResult } from "./seed.ts";
import { joinPath, type RunStorage } from "./storage.ts";

/** Callbacks that receive the progress of a run. */
export interface RunListener {
  /**
   * Called after every training step. `done` and `total` count the optimizer updates of all seeds. `loss` is the mean
   * of the seeds' latest losses.
   */
  readonly onStep: (label: string, done: number, total: number, loss: number) => void;
  readonly onEpoch: (line: MetricsLine) => void;
}

/** Wall-clock seconds, by {@link timingKey}. They are kept out of metrics.jsonl, so that it is reproducible. */
export type Timings = Readonly<Record<string, number>>;

export function timingKey({ seed, recipe, phase }: Omit<PhaseId, "pattern">): string {
  return `seed ${seed} ${phase} ${recipe}`;
}

export const METRICS_FILE = "metrics.jsonl";
export const TIMINGS_FILE = "timings.json";

/** Reads the timings of an earlier run in `directory`, if there are any. @throws InputError if the file is damaged */
export async function readTimings(storage: RunStorage, directory: string): Promise<Timings> {
  const path = joinPath(directory, TIMINGS_FILE);
  if ((await storage.kind(path)) !== "file") return {};
  const text = decodeLossy(await storage.read(path));
  const timings = getOrThrow(parseJson(path, text));
  if (isJsonObject(timings) && Object.values(timings).every((each) => typeof each === "number"))
    return timings as Timings;
  throw new InputError([{ path, expected: "seconds by phase", got: describe(timings) }]);
}

interface RunBoard {
  /** Handles a message from a seed. Resolves when the files are written. */
  readonly onMessage: (seed: number, message: SeedMessage) => Promise<void>;
  readonly timings: () => Timings;
}

function stepLabel({ phase, pattern }: PhaseId, seeds: number): string {
  if (seeds > 1) return `${seeds} seeds`;
  return phase === "dense" ? "dense" : `sparse ${pattern}`;
}

function linesOf({ phases }: Pick<SeedResult, "phases">): readonly MetricsLine[] {
  return phases.flatMap(({ epochs }) => epochs);
}

/**
 * Creates the message handler of a run, which writes to `directory`. The lines of metrics.jsonl are ordered by seed,
 * not by arrival.
 *
 * @param order - all seeds, in the order of their lines
 * @param kept - seeds of earlier runs, which post no messages
 */
export function createRunBoard(
  storage: RunStorage,
  directory: string,
  order: readonly number[],
  kept: ReadonlyMap<number, Pick<SeedResult, "phases">>,
  earlier: Timings,
  listener: Partial<RunListener> = {},
): RunBoard {
  const running = order.length - kept.size;
  const lines = new Map([...kept].map(([seed, result]) => [seed, linesOf(result)]));
  const steps = new Map<number, SeedMessage & { readonly kind: "step" }>();
  let timings = earlier;
  let written: Promise<void> = Promise.resolve();

  /** Writes both files. Seeds post messages concurrently, so each write waits for the previous one. */
  const writeFiles = (): Promise<void> => {
    written = written.then(async () => {
      const ordered = order.flatMap((seed) => lines.get(seed) ?? []);
      // Before the first epoch there is no snapshot to resume from, and a later run would refuse a directory with
      // metrics.jsonl.
      if (ordered.length > 0)
        await storage.write(joinPath(directory, METRICS_FILE), formatMetrics(ordered));
      const text = `${JSON.stringify(timings, null, 2)}\n`;
      await storage.write(joinPath(directory, TIMINGS_FILE), text);
    });
    return written;
  };
  const addSeconds = (id: Omit<PhaseId, "pattern">, seconds: number): void => {
    const key = timingKey(id);
    timings = { ...timings, [key]: (timings[key] ?? 0) + seconds };
  };
  const tellStep = (message: SeedMessage & { readonly kind: "step" }): void => {
    const all = [...steps.values()];
    const done = sumOf(all, (step) => step.done);
    const loss = sumOf(all, (step) => step.loss) / all.length;
    listener.onStep?.(stepLabel(message.phase, all.length), done, message.total * running, loss);
  };
  const onMessage = async (seed: number, message: SeedMessage): Promise<void> => {
    switch (message.kind) {
      case "started":
        lines.set(seed, message.lines);
        return writeFiles();
      case "step":
        steps.set(seed, message);
        return tellStep(message);
      case "epoch":
        lines.set(seed, [...(lines.get(seed) ?? []), message.line]);
        addSeconds(message.line, message.seconds);
        await writeFiles();
        return listener.onEpoch?.(message.line);
      case "result":
        addSeconds(message.result, message.seconds);
        return writeFiles();
      default:
        return message satisfies never;
    }
  };
  return { onMessage, timings: () => timings };
}
