/** Fine-tunes and prunes a classifier from rows and a model in memory. */
import { checkSignal, type StopSignal } from "../core/abort.ts";
import { checkInteger, checkKind, checkObject, checkString, succeeds } from "../core/checks.ts";
import { getOrThrow, InputError, type Problem } from "../core/either.ts";
import type { PhaseId, PhaseResult } from "../experiment/events.ts";
import type { FinetuningRequest } from "../experiment/finetuning-request.ts";
import { backendsWith, checkKernels, KERNEL_OPTIONS, type KernelOptions } from "./classifier.ts";
import { prepareFinetuning } from "./finetuning.ts";
import {
  type ClassifierFile,
  type ClassifierRows,
  checkFiles,
  checkRows,
  filesIn,
  filesOf,
} from "./given-files.ts";
import { createMemoryStorage, type MemoryStorage } from "./memory-storage.ts";
import type { MetricsLine } from "./metrics.ts";
import { phaseDirectory, type RunPlan, resolveRun } from "./plan.ts";
import { type FileOption, requestProblems, rowFormProblems } from "./request-checks.ts";
import { namingOptions, renamed } from "./request-problems.ts";
import { type SeedPlatform, type SeedResult, seedMessages } from "./seed.ts";
import { findSnapshot, snapshotSeeds } from "./snapshot.ts";
import { joinPath, type RunStorage } from "./storage.ts";
import { type GivenInputs, INPUTS, placed, type RequestedFiles } from "./training-inputs.ts";
import { createTurn } from "./turn.ts";

/** The settings of a run that are no inputs. */
export interface TrainingOptions extends Omit<FinetuningRequest, FileOption>, KernelOptions {
  /** Default 42. */
  readonly seed?: number | undefined;
  /** Stops the run after the current step. The last event is then an `end` that is not completed. */
  readonly signal?: StopSignal | undefined;
  /** A snapshot of a run with the same rows, model and settings. */
  readonly resumeFrom?: readonly ClassifierFile[] | undefined;
}

/**
 * Options for {@link fineTuneClassifier}, named as those of the command `finetune`. The settings are those of the recipe
 * `generic` by default.
 */
export interface FineTuneClassifierOptions
  extends GivenInputs<readonly ClassifierFile[], ClassifierRows>,
    TrainingOptions {}

/** An event of {@link fineTuneClassifier}, as plain data. It shares no memory with the run: it may be changed or transferred. */
export type FineTuningEvent =
  /** The first event: all inputs are valid. */
  | { readonly type: "start"; readonly notices: readonly string[] }
  /** An optimizer update. `done` and `total` count those of all phases. */
  | {
      readonly type: "step";
      readonly phase: PhaseId;
      readonly done: number;
      readonly total: number;
      readonly loss: number;
      /** The largest of the pruners' target ratios, each at the latest prune step; null in dense phases. */
      readonly targetSparsity: number | null;
      /** The share of weights that masks prune, in the layers that pruners own; null in dense phases. */
      readonly reachedSparsity: number | null;
    }
  /** An epoch, with the line that metrics.jsonl has for it. */
  | { readonly type: "epoch"; readonly metrics: MetricsLine }
  /** A phase has ended. `name` is its directory: `dense`, `sparse`, or `sparse-PATTERN` for several patterns. */
  | {
      readonly type: "model";
      readonly name: string;
      readonly files: readonly ClassifierFile<Uint8Array>[];
      readonly result: PhaseResult;
    }
  /** The last event, with all models by name. A run that diverged or was stopped is not completed. */
  | {
      readonly type: "end";
      readonly completed: boolean;
      /** Why training diverged; null if it did not. */
      readonly diverged: string | null;
      readonly models: Readonly<Record<string, readonly ClassifierFile<Uint8Array>[]>>;
    };

/** A run. Iterating over it trains; leaving the loop frees all memory. */
export interface FineTuningRun extends AsyncIterableIterator<FineTuningEvent> {
  /**
   * Returns a copy of the latest snapshot as plain data, or null if there is none yet. A run makes one after each
   * evaluation, after each phase, and when the signal stops it. Its files are those of the command's `--out`, which
   * `--resume` continues.
   */
  snapshot(): readonly ClassifierFile<Uint8Array>[] | null;
}

/**
 * Fine-tunes a dense classifier, then prunes a copy of it while it is distilled from the dense one. The models have the
 * bytes that the command `finetune` writes with the same options, seed and kernel variant. Files in `options` are not
 * copied: they must not be changed or transferred until the run has ended.
 *
 * @throws TypeError or RangeError for an invalid argument. The first iteration throws an InputError with all problems of
 *   rows, models and settings; then no memory is taken
 */
export function fineTuneClassifier(options: FineTuneClassifierOptions): FineTuningRun {
  checkTraining(options, { rows: checkRows, files: checkFiles }, false);
  const inputs = createMemoryStorage();
  const kernels = { startBackend: backendsWith(options.startThread) };
  return trainingRun(kernels, options, async () => [inputs, await placed(inputs, options)]);
}

const OWN = [...INPUTS, ...KERNEL_OPTIONS, "seed", "signal", "resumeFrom"];

/** Checks the form of all options. @throws InputError with all settings that are unknown or wrong */
export function checkTraining<Files, Rows>(
  options: GivenInputs<Files, Rows> & TrainingOptions,
  check: {
    readonly rows: (name: string, value: unknown) => void;
    readonly files: (name: string, value: unknown) => void;
  },
  mayStart: boolean,
): void {
  checkObject("options", options);
  if (options.data === undefined) checkObject("options", options, "rows");
  for (const name of ["rows", "validationRows", "testRows"] as const)
    if (options[name] !== undefined) check.rows(name, options[name]);
  for (const name of ["data", "model", "teacher"] as const)
    if (options[name] !== undefined) check.files(name, options[name]);
  const { vocab, pruningConfig, classWeights, seed, signal, resumeFrom } = options;
  if (vocab !== undefined) checkString("vocab", vocab);
  const isPlain = (): boolean =>
    pruningConfig === undefined ||
    (!Array.isArray(pruningConfig) && JSON.stringify(pruningConfig).startsWith("{"));
  checkKind(succeeds(isPlain), "pruningConfig", "an object of plain data", pruningConfig);
  const isList = (): boolean =>
    classWeights === undefined ||
    classWeights === "balanced" ||
    (Array.isArray(classWeights) && classWeights.findIndex((one) => typeof one !== "number") < 0);
  checkKind(succeeds(isList), "classWeights", "balanced, or a list of numbers", classWeights);
  if (seed !== undefined) checkInteger("seed", seed);
  if (signal !== undefined) checkSignal("signal", signal);
  if (resumeFrom !== undefined) checkFiles("resumeFrom", resumeFrom);
  checkKernels(options, mayStart);
  const problems = [...requestProblems(options, OWN), ...rowFormProblems(options)];
  if (problems.length > 0) throw new InputError(problems);
}

/** The directory of a run in its storage. */
const RUN = "run";

/** Returns a storage with the inputs of a run, and their paths in it. */
type PlaceInputs = () => Promise<readonly [storage: RunStorage, files: RequestedFiles]>;

/** Creates a run, which reads its inputs when it begins. */
export function trainingRun(
  platform: Omit<SeedPlatform, "storage">,
  options: TrainingOptions,
  place: PlaceInputs,
): FineTuningRun {
  const written = createMemoryStorage();
  const events = trainingEvents(platform, written, options, place);
  return Object.assign(events, {
    snapshot: () => {
      const files = filesOf(written.files, RUN);
      return files.some(({ name }) => name.startsWith("snapshots/")) ? files : null;
    },
  });
}

async function* trainingEvents(
  platform: Omit<SeedPlatform, "storage">,
  storage: MemoryStorage,
  options: TrainingOptions,
  place: PlaceInputs,
): AsyncGenerator<FineTuningEvent, void, void> {
  const { seed = 42, threads = 1, signal = new AbortController().signal, resumeFrom } = options;
  const { plan, notices } = await planned(options, place);
  for (const [path, bytes] of await filesIn(RUN, resumeFrom ?? [])) storage.files.set(path, bytes);
  if (resumeFrom !== undefined && (await findSnapshot(storage, RUN, seed)) === undefined)
    throw new InputError([await missingSnapshot(storage, seed)]);
  yield { type: "start", notices };
  if (signal.aborted) {
    yield { type: "end", completed: false, diverged: null, models: {} };
    return;
  }
  const turn = createTurn();
  // The snapshot of a run with several seeds has its own directory for the models of a seed.
  let directory = RUN;
  const task = {
    plan,
    seed,
    directory: RUN,
    models: "",
    resume: resumeFrom !== undefined,
    threads,
  };
  for await (const message of seedMessages({ ...platform, storage }, task, signal)) {
    switch (message.kind) {
      case "started":
        directory = joinPath(RUN, message.models);
        break;
      case "step": {
        const { kind: _, ...step } = message;
        yield { type: "step", ...step };
        await turn();
        break;
      }
      case "epoch":
        yield { type: "epoch", metrics: structuredClone(message.line) };
        break;
      case "result": {
        const { result } = message;
        const name = phaseDirectory(plan, result);
        yield {
          type: "model",
          name,
          files: filesOf(storage.files, joinPath(directory, name)),
          result: structuredClone(result),
        };
        break;
      }
      case "end":
        yield endOf(storage, directory, plan, message.result);
        return;
      default:
        message satisfies never;
    }
  }
}

async function missingSnapshot(storage: RunStorage, seed: number): Promise<Problem> {
  const seeds = await snapshotSeeds(storage, RUN);
  const got = seeds.length === 0 ? "no snapshot" : `snapshots of seed ${seeds.join(", ")}`;
  return { path: "resumeFrom", expected: `a snapshot of seed ${seed}`, got };
}

/** Reads the inputs of a run and plans it. @throws InputError with all problems */
async function planned(options: TrainingOptions, place: PlaceInputs) {
  return namingOptions(async () => {
    const [storage, files] = await place();
    const request = { ...settingsOf(options), ...files };
    const { description, notices } = getOrThrow(await prepareFinetuning(storage, request));
    return { plan: resolveRun(description), notices: notices.map(renamed) };
  });
}

/** Returns the options that are settings of a request. */
function settingsOf(options: TrainingOptions): Omit<FinetuningRequest, FileOption> {
  const isSetting = (key: string): boolean => key === "variant" || !OWN.includes(key);
  return Object.fromEntries(Object.entries(options).filter(([key]) => isSetting(key)));
}

function endOf(
  { files }: MemoryStorage,
  directory: string,
  plan: RunPlan,
  { completed, diverged, phases }: SeedResult,
): FineTuningEvent {
  const ended = phases.filter(({ result }) => result !== null);
  const models = ended.map((phase) => {
    const name = phaseDirectory(plan, phase);
    return [name, filesOf(files, joinPath(directory, name))] as const;
  });
  return { type: "end", completed, diverged, models: Object.fromEntries(models) };
}
