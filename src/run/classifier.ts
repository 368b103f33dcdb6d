/** Loads a classifier from files in memory, and classifies texts with it. */
import type { StopSignal } from "../core/abort.ts";
import {
  checkFunction,
  checkInteger,
  checkNumber,
  checkOneOf,
  checkOptions,
  mismatch,
} from "../core/checks.ts";
import { TOKENIZER_KINDS, type TokenizerKind } from "../io/hugging-face.ts";
import { createThreadedBackend, MOST_THREADS, type ThreadedBackend } from "../kernels/backend.ts";
import type { StartThread } from "../kernels/simd/threads.ts";
import type { KernelVariant } from "../kernels/table.ts";
import type { ModelConfig } from "../model/config.ts";
import { typicalCosts } from "../sparse/typical-costs.ts";
import { type Classifier, createClassifier, MODEL } from "./created-classifier.ts";
import { longestInput } from "./encoded-logits.ts";
import { type ClassifierFile, checkFiles, filesIn } from "./given-files.ts";
import { computeLogits, type InferenceSettings } from "./inference.ts";
import { createMemoryStorage } from "./memory-storage.ts";
import { checkThreshold, outputMeaning } from "./model-labels.ts";
import type { OutputMeaning } from "./prediction.ts";
import { type LoadedClassifier, openClassifier } from "./sparse-classifier.ts";
import type { RunStorage } from "./storage.ts";

/** How kernels run. */
export interface KernelOptions {
  /** The kernel variant. Default `auto`: the fastest that is allowed here. */
  readonly variant?: KernelVariant | "auto" | undefined;
  /** The number of threads. More than one need `startThread`. Default 1. */
  readonly threads?: number | undefined;
  /** Starts a thread for kernels; see `startWebThread` of `espalier/nn`. */
  readonly startThread?: StartThread | undefined;
}

/** Options for {@link loadClassifier}, named as those of the command `classify`. */
export interface ClassifierOptions extends KernelOptions {
  /**
   * `auto` chooses the execution of each layer for its zeros, by costs that are the same on every machine. Default
   * `auto`.
   */
  readonly layers?: "auto" | "dense" | undefined;
  /** The number of texts that are computed at once. Default 32. */
  readonly batchSize?: number | undefined;
  /** The maximum number of tokens of a text, to which it is truncated. Default: as in training, or the model's. */
  readonly maxLength?: number | undefined;
  /** For several labels a text: labels with a larger probability are predicted. Default 0.5. */
  readonly threshold?: number | undefined;
  /** Which tokenizer to read. Default: the fast one if there is a tokenizer.json. */
  readonly tokenizer?: TokenizerKind | undefined;
}

/** The parts of a classifier for evaluations. */
export interface ClassifierParts {
  readonly model: Pick<LoadedClassifier, "classifier" | "tokenizer">;
  readonly config: ModelConfig;
  readonly meaning: OutputMeaning;
  readonly threshold: number | undefined;
  /** Returns settings whose `turn` throws after an abort or `dispose`. */
  readonly settings: (signal?: StopSignal) => InferenceSettings;
}

const parts = new WeakMap<object, ClassifierParts>();

/** Returns the parts of a classifier. @throws TypeError for another object */
export function partsOf(name: string, classifier: unknown): ClassifierParts {
  const found = parts.get(classifier as object);
  if (found === undefined) throw new TypeError(mismatch(name, "a loaded classifier", "another"));
  return found;
}

/** Starts kernels for a run. */
export type StartBackend = (options: {
  readonly variant: KernelVariant | "auto";
  readonly threads: number;
}) => Promise<ThreadedBackend>;

/** Returns a function that starts kernels on threads of the caller. */
export function backendsWith(startThread: StartThread = noThread): StartBackend {
  return (options) => createThreadedBackend({ ...options, startThread });
}

function noThread(): never {
  throw new RangeError("threads: expected 1 without `startThread`, got more");
}

const VARIANTS = ["auto", "revectorized", "fma", "simd", "scalar"] as const;

/** The names of {@link KernelOptions}. */
export const KERNEL_OPTIONS = ["variant", "threads", "startThread"] as const;

/** Checks how kernels run. `mayStart` says that threads start without the caller's help. */
export function checkKernels(
  { variant, threads, startThread }: KernelOptions,
  mayStart: boolean = false,
): void {
  if (variant !== undefined) checkOneOf("variant", variant, VARIANTS);
  if (threads !== undefined) checkInteger("threads", threads, 1, MOST_THREADS);
  if (startThread !== undefined) checkFunction("startThread", startThread);
  if (threads !== undefined && threads > 1 && startThread === undefined && !mayStart)
    throw new RangeError(mismatch("threads", "1 without `startThread`", threads));
}

const OPTIONS: readonly string[] = /* @__PURE__ */ Object.keys({
  variant: true,
  threads: true,
  startThread: true,
  layers: true,
  batchSize: true,
  maxLength: true,
  threshold: true,
  tokenizer: true,
} satisfies Record<keyof ClassifierOptions, true>);

/** Checks the options of {@link loadClassifier}. */
export function checkClassifierOptions(options: ClassifierOptions, mayStart?: boolean): void {
  checkOptions("options", options, OPTIONS);
  checkKernels(options, mayStart);
  const { layers, batchSize, maxLength, threshold, tokenizer } = options;
  if (layers !== undefined) checkOneOf("layers", layers, ["auto", "dense"]);
  if (batchSize !== undefined) checkInteger("batchSize", batchSize, 1, 4096);
  if (maxLength !== undefined) checkInteger("maxLength", maxLength, 3);
  if (threshold !== undefined) checkNumber("threshold", threshold, 0, 1);
  if (tokenizer !== undefined) checkOneOf("tokenizer", tokenizer, TOKENIZER_KINDS);
}

/**
 * Loads a classifier from the files of a Hugging Face directory: config.json, a tokenizer and weights, dense, pruned or
 * packed. The same files give the same logits in Node, workers and pages on the same kernel variant.
 *
 * @throws TypeError or RangeError for an invalid argument, InputError with all problems of the files; then no memory
 *   is taken
 *
 * @example
 * ```ts
 * import { loadClassifier } from "espalier/classifier";
 *
 * const config = { model_type: "another" };
 * const bytes = new TextEncoder().encode(JSON.stringify(config));
 * const refused = await loadClassifier([{ name: "config.json", bytes }]).catch(String);
 * if (!String(refused).includes("model_type")) throw new Error("expected to be told why");
 * ```
 */
export async function loadClassifier(
  files: readonly ClassifierFile[],
  options: ClassifierOptions = {},
): Promise<Classifier> {
  checkFiles("files", files);
  checkClassifierOptions(options);
  const storage = createMemoryStorage(new Map(await filesIn(MODEL, files)));
  return loadStoredClassifier(storage, MODEL, options, backendsWith(options.startThread));
}

/** Loads a classifier from a directory of a storage. The options are checked. */
export async function loadStoredClassifier(
  storage: RunStorage,
  directory: string,
  { variant = "auto", threads = 1, layers = "auto", ...options }: ClassifierOptions,
  startBackend: StartBackend,
): Promise<Classifier> {
  const open = await openClassifier(storage, directory, options.tokenizer);
  try {
    const { config, tokenizer, notices } = open;
    const meaning = outputMeaning(config);
    const { batchSize = 32, threshold } = options;
    checkThreshold(threshold, meaning);
    const sizes = { batchSize, maxLength: longestInput(open, options.maxLength) };
    const backend = await startBackend({ variant, threads });
    try {
      const costs = typicalCosts(backend.kernels.variant);
      const classifier = open.create(backend, { executions: layers, costs });
      return classifierOf(
        { model: { classifier, tokenizer }, config, meaning, threshold, sizes, notices },
        backend,
      );
    } catch (error) {
      backend.stop();
      throw error;
    }
  } finally {
    open.close();
  }
}

interface Loaded extends Omit<ClassifierParts, "settings"> {
  readonly sizes: Pick<InferenceSettings, "batchSize" | "maxLength">;
  readonly notices: readonly string[];
}

function classifierOf(
  { sizes, notices, ...loaded }: Loaded,
  { kernels, stop }: ThreadedBackend,
): Classifier {
  const { model } = loaded;
  const { classifier, turnFor } = createClassifier({
    ...loaded,
    notices,
    variant: kernels.variant,
    logits: (rows, turn, placeOf) =>
      computeLogits(model, rows, { ...sizes, turn }, (_, i) => placeOf(i)),
    release: () => {
      model.classifier.release();
      stop();
    },
  });
  parts.set(classifier, {
    ...loaded,
    settings: (signal) => ({ ...sizes, turn: turnFor(signal) }),
  });
  return classifier;
}
