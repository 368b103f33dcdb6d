/** Classifies texts with the runtime that sites load, on kernels of the site. */
import fma from "espalier/kernels/fma.wasm?url";
import simd from "espalier/kernels/simd.wasm?url";
import { type Classification, fastestVariant, loadClassifier } from "espalier/runtime";
import { PACKED_WEIGHTS } from "../../../../src/checkpoint/packed-checkpoint.ts";
import { refuseInput } from "../../../../src/core/either.ts";
import { sumOf } from "../../../../src/core/sum.ts";
import type { Classifier } from "../../../../src/run/created-classifier.ts";
import { FILE_PREFIX, separateFiles } from "../../../../src/run/model-file.ts";
import { openGiven } from "./given-checkpoint.ts";
import type {
  Classified,
  DenseComparison,
  GivenFile,
  GivenText,
  LoadedClassifier,
  Variant,
} from "./protocol.ts";
import type { TaskRun } from "./task-run.ts";

/** A loaded classifier. */
export interface LoadedRuntime {
  readonly facts: LoadedClassifier;
  classify(texts: readonly GivenText[], run: TaskRun): Promise<Classified>;
  /** Times the texts beside the same weights in dense form, without skipping zeros. */
  compareDense(texts: readonly GivenText[], run: TaskRun): Promise<DenseComparison>;
  dispose(): void;
}

const KERNELS: Readonly<Record<Variant, string>> = { simd, fma };

/** Texts between two looks for messages. */
const CHUNK = 32;

/** The model's files without those of subfolders; a single file is a model in one file. */
function modelOf(files: readonly GivenFile[]) {
  const [only, ...others] = files;
  if (only !== undefined && others.length === 0) return only.content;
  return files
    .filter(({ path }) => !path.includes("/"))
    .map(({ path, content }) => ({ name: path, bytes: content }));
}

/** The files of a model for code that reads no model in one file. */
async function separateModel(files: readonly GivenFile[]) {
  const model = modelOf(files);
  if (Array.isArray(model)) return model;
  const { checkpoint } = await openGiven(files);
  const small = [...separateFiles(checkpoint).files].map(([name, bytes]) => ({ name, bytes }));
  return [...small, { name: PACKED_WEIGHTS, bytes: model as Blob }];
}

function answerOf({ labels, logits, probabilities }: Classification): string {
  if (probabilities.length === 0) return logits.map((value) => value.toFixed(4)).join(", ");
  return labels.length > 0 ? labels.join(", ") : "none";
}

/** Loads a model with the runtime of sites, which does not read vocab.txt, or with the code that does. */
async function loadModel(files: readonly GivenFile[], variant: Variant): Promise<Classifier> {
  const model = modelOf(files);
  const has = (name: string): boolean => files.some(({ path }) => path === name);
  if (Array.isArray(model) && has("vocab.txt") && !has("tokenizer.json")) {
    const { loadClassifier: loadAny } = await import("../../../../src/run/classifier.ts");
    return loadAny(model, { variant });
  }
  const kernels = fetch(new URL(KERNELS[variant], import.meta.url));
  return loadClassifier(model, { kernels });
}

/** Classifies in chunks, between which messages arrive. */
async function classifyChunks(
  classifier: Classifier,
  texts: readonly GivenText[],
  { signal, onProgress }: TaskRun,
): Promise<{ readonly found: readonly Classification[]; readonly milliseconds: number }> {
  const began = performance.now();
  const found: Classification[] = [];
  for (let begin = 0; begin < texts.length; begin += CHUNK) {
    onProgress({ done: begin, total: texts.length });
    found.push(...(await classifier.classify(texts.slice(begin, begin + CHUNK))));
    // A turn of the event loop, so that a message to cancel arrives.
    await new Promise((resolve) => setTimeout(resolve));
    signal.throwIfAborted();
  }
  return { found, milliseconds: performance.now() - began };
}

/** The bytes of a model's weights as 32-bit numbers. */
async function denseBytes(files: readonly GivenFile[]): Promise<number> {
  const { survey } = await openGiven(files);
  const weights = survey.filter(({ name }) => !name.startsWith(FILE_PREFIX));
  return 4 * sumOf(weights, ({ shape }) => shape.reduce((product, extent) => product * extent, 1));
}

async function timeBeside(
  classifier: Classifier,
  dense: Classifier,
  texts: readonly GivenText[],
  run: TaskRun,
): Promise<Pick<DenseComparison, "own" | "dense">> {
  // The first texts make both engines ready.
  for (const one of [classifier, dense]) await one.classify(texts.slice(0, 1));
  const own = await classifyChunks(classifier, texts, run);
  const other = await classifyChunks(dense, texts, run);
  return { own: own.milliseconds, dense: other.milliseconds };
}

export async function loadRuntime(
  files: readonly GivenFile[],
  variant: Variant,
): Promise<LoadedRuntime> {
  const fastest = fastestVariant();
  if (fastest === undefined || (variant === "fma" && fastest !== "fma"))
    refuseInput("variant", `kernels that this browser runs (${fastest ?? "none"})`, variant);
  const classifier = await loadModel(files, variant);
  const { labels, notices } = classifier;
  return {
    facts: { labels, variant: classifier.variant, notices },
    dispose: () => classifier.dispose(),
    classify: async (texts, run) => {
      const { found, milliseconds } = await classifyChunks(classifier, texts, run);
      const rows = found.map((one, i) => ({
        ...(texts[i] ?? { text: "" }),
        answer: answerOf(one),
        probabilities: one.probabilities,
      }));
      return { milliseconds, rows };
    },
    compareDense: async (texts, run) => {
      const { loadClassifier: loadAny } = await import("../../../../src/run/classifier.ts");
      const dense = await loadAny(await separateModel(files), { variant, layers: "dense" });
      try {
        const times = await timeBeside(classifier, dense, texts, run);
        const bytes = await denseBytes(files);
        return {
          ...times,
          ownBytes: sumOf(files, ({ content }) => content.size),
          denseBytes: bytes,
        };
      } finally {
        dense.dispose();
      }
    },
  };
}
