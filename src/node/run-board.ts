/** Gathers what the seeds of a run post: keeps metrics.jsonl and timings.json current, and tells a listener. */

import { join } from "node:path";
import { describe } from "../core/checks.ts";
import { getOrThrow, InputError } from "../core/either.ts";
import type { PhaseId, PhaseResult } from "../experiment/events.ts";
import { isJsonObject, parseJson } from "../io/json.ts";
import { kindOfPath, readBytes, writeFileAtomically } from "./files.ts";
import { formatMetrics, type MetricsLine } from "./metrics.ts";
import type { SeedMessage } from "./seed-task.ts";

/** What a run tells as it goes. */
export interface RunListener {
  /** Optimizer updates over all seeds, done and planned, and the mean of the seeds' latest losses. */
  readonly onStep: (label: string, done: number, total: number, loss: number) => void;
  readonly onEpoch: (line: MetricsLine) => void;
  readonly onResult: (result: PhaseResult) => void;
}

/** Wall-clock seconds of each phase, by {@link timingKey}. They are no part of the metrics. */
export type Timings = Readonly<Record<string, number>>;

/** The name of a phase of a seed in timings.json. */
export function timingKey({ seed, recipe, phase }: Omit<PhaseId, "pattern">): string {
  return `seed ${seed} ${phase} ${recipe}`;
}

const METRICS_FILE = "metrics.jsonl";
const TIMINGS_FILE = "timings.json";

/**
 * The timings that an earlier run left in `directory`; none where there are none.
 *
 * @throws InputError where the file is damaged
 */
export async function readTimings(directory: string): Promise<Timings> {
  const path = join(directory, TIMINGS_FILE);
  if ((await kindOfPath(path)) !== "file") return {};
  const timings = getOrThrow(parseJson(path, new TextDecoder().decode(await readBytes(path))));
  if (isJsonObject(timings) && Object.values(timings).every((each) => typeof each === "number"))
    return timings as Timings;
  throw new InputError([{ path, expected: "seconds by phase", got: describe(timings) }]);
}

/** The state of every seed as far as it was posted. */
export interface RunBoard {
  readonly onMessage: (index: number, message: SeedMessage) => void;
  readonly timings: () => Timings;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function stepLabel({ phase, pattern }: PhaseId, seeds: number): string {
  if (seeds > 1) return `${seeds} seeds`;
  return phase === "dense" ? "dense" : `sparse ${pattern}`;
}

/**
 * A board for `seeds` seeds that writes into `directory`. The lines of metrics.jsonl are in the order of seeds,
 * whichever came first.
 */
export function createRunBoard(
  directory: string,
  seeds: number,
  earlier: Timings,
  listener: RunListener,
): RunBoard {
  const lines = new Map<number, readonly MetricsLine[]>();
  const steps = new Map<number, SeedMessage & { readonly kind: "step" }>();
  let timings = earlier;

  const writeMetrics = (): void => {
    const ordered = Array.from({ length: seeds }, (_, index) => lines.get(index) ?? []).flat();
    writeFileAtomically(join(directory, METRICS_FILE), formatMetrics(ordered));
  };
  const addSeconds = (id: Omit<PhaseId, "pattern">, seconds: number): void => {
    const key = timingKey(id);
    timings = { ...timings, [key]: (timings[key] ?? 0) + seconds };
    const text = `${JSON.stringify(timings, null, 2)}\n`;
    writeFileAtomically(join(directory, TIMINGS_FILE), text);
  };
  const tellStep = (message: SeedMessage & { readonly kind: "step" }): void => {
    const all = [...steps.values()];
    const done = sum(all.map((step) => step.done));
    const loss = sum(all.map((step) => step.loss)) / all.length;
    listener.onStep(stepLabel(message.phase, all.length), done, message.total * seeds, loss);
  };
  const onMessage = (index: number, message: SeedMessage): void => {
    switch (message.kind) {
      case "resumed":
        lines.set(index, message.lines);
        writeMetrics();
        break;
      case "step":
        steps.set(index, message);
        tellStep(message);
        break;
      case "epoch":
        lines.set(index, [...(lines.get(index) ?? []), message.line]);
        writeMetrics();
        addSeconds(message.line, message.seconds);
        listener.onEpoch(message.line);
        break;
      case "result":
        addSeconds(message.result, message.seconds);
        listener.onResult(message.result);
        break;
      default:
        message satisfies never;
    }
  };
  return { onMessage, timings: () => timings };
}
