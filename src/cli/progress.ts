/** Shows progress: a bar that is redrawn in place on a terminal, or a plain line every ten seconds otherwise. */

import type { TextOutput } from "./console.ts";

interface ProgressState {
  readonly label: string;
  readonly done: number;
  readonly total: number;
  readonly loss: number | null;
  /** The recent rate in units per second; 0 if it is unknown. */
  readonly rate: number;
  readonly unit: string;
}

/** Shows the progress of one run. */
interface Progress {
  readonly update: (label: string, done: number, total: number, loss: number | null) => void;
  /** Writes a line that stays above the bar. */
  readonly note: (line: string) => void;
  /** Removes the bar from the terminal. */
  readonly finish: () => void;
}

/** The minimum time in milliseconds between redraws on a terminal, or between lines on other outputs (`LINE`). */
const REDRAW = 100;
const LINE = 10_000;
/** The approximate length of the period over which the rate is measured, in milliseconds. */
const RATE_WINDOW = 5_000;
const BAR_WIDTH = 24;
const CLEAR_LINE = "\r\u001b[2K";

/** Formats a number of seconds as `1:02:03` or `2:03`; `--:--` if it is not finite. */
export function formatDuration(seconds: number): string {
  if (!Number.isFinite(seconds)) return "--:--";
  const whole = Math.max(0, Math.round(seconds));
  const twoDigits = (value: number): string => String(value).padStart(2, "0");
  const minutes = Math.floor(whole / 60);
  const rest = twoDigits(whole % 60);
  if (minutes < 60) return `${minutes}:${rest}`;
  return `${Math.floor(minutes / 60)}:${twoDigits(minutes % 60)}:${rest}`;
}

/** Formats the figures that follow the bar: steps, rate, remaining time and loss. */
function progressFigures(state: ProgressState): string {
  const left = state.rate > 0 ? (state.total - state.done) / state.rate : Number.NaN;
  const rate = `${state.rate.toFixed(state.rate < 10 ? 2 : 0)} ${state.unit}/s`;
  const loss = state.loss === null ? "" : `  loss ${state.loss.toFixed(4)}`;
  return `${state.done}/${state.total}  ${rate}  ETA ${formatDuration(left)}${loss}`;
}

/** Formats the line with the bar, truncated to fit into `columns` characters. */
export function progressBar(state: ProgressState, columns: number): string {
  const share = state.total > 0 ? Math.min(1, state.done / state.total) : 0;
  const filled = Math.round(share * BAR_WIDTH);
  const bar = "█".repeat(filled) + "░".repeat(BAR_WIDTH - filled);
  return `${state.label} ${bar} ${progressFigures(state)}`.slice(0, Math.max(1, columns - 1));
}

/**
 * Returns functions that show progress on `output`.
 *
 * @param now returns the time of a monotonic clock in milliseconds
 * @param unit the plural name of the units that are counted
 * @param quiet milliseconds before anything is shown. Shorter work shows nothing
 */
export function createProgress(
  output: TextOutput,
  now: () => number = () => performance.now(),
  unit: string = "steps",
  quiet: number = 0,
): Progress {
  const began = now();
  let samples: readonly (readonly [time: number, done: number])[] = [];
  let lastWrite = -Infinity;
  let drawn = false;

  const rate = (time: number, done: number): number => {
    const last = samples.at(-1);
    if (last !== undefined && done < last[1]) samples = [];
    const recent = samples.filter(([at]) => time - at <= RATE_WINDOW);
    // Keep one sample from before the window, so that slow runs have a rate, too.
    const before = samples.slice(0, samples.length - recent.length).slice(-1);
    samples = [...before, ...recent, [time, done]];
    const [first] = samples;
    return first === undefined || time <= first[0]
      ? 0
      : (1000 * (done - first[1])) / (time - first[0]);
  };
  const clear = (): void => {
    if (drawn) output.write(CLEAR_LINE);
    drawn = false;
  };
  return {
    update: (label, done, total, loss) => {
      const time = now();
      if (time - began < quiet) {
        rate(time, done);
        return;
      }
      const waited = time - lastWrite;
      if (done < total && waited < (output.isTerminal ? REDRAW : LINE)) return;
      const state = { label, done, total, loss, rate: rate(time, done), unit };
      lastWrite = time;
      if (output.isTerminal) {
        output.write(CLEAR_LINE + progressBar(state, output.columns));
        drawn = true;
      } else output.write(`${label}  ${progressFigures(state)}\n`);
    },
    note: (line) => {
      clear();
      output.write(`${line}\n`);
    },
    finish: clear,
  };
}
