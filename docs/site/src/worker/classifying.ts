/** Classifies texts with the runtime that sites load, on kernels of the site. */
import fma from "espalier/kernels/fma.wasm?url";
import simd from "espalier/kernels/simd.wasm?url";
import { type Classification, fastestVariant, loadClassifier } from "espalier/runtime";
import { refuseInput } from "../../../../src/core/either.ts";
import type { Classifier } from "../../../../src/run/created-classifier.ts";
import type { Classified, GivenFile, GivenText, LoadedClassifier, Variant } from "./protocol.ts";
import type { TaskRun } from "./task-run.ts";

/** A loaded classifier. */
export interface LoadedRuntime {
  readonly facts: LoadedClassifier;
  classify(texts: readonly GivenText[], run: TaskRun): Promise<Classified>;
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
    classify: async (texts, { signal, onProgress }) => {
      const began = performance.now();
      const found: Classification[] = [];
      for (let begin = 0; begin < texts.length; begin += CHUNK) {
        onProgress({ done: begin, total: texts.length });
        found.push(...(await classifier.classify(texts.slice(begin, begin + CHUNK))));
        // A turn of the event loop, so that a message to cancel arrives.
        await new Promise((resolve) => setTimeout(resolve));
        signal.throwIfAborted();
      }
      return {
        milliseconds: performance.now() - began,
        rows: found.map((one, i) => ({
          ...(texts[i] ?? { text: "" }),
          answer: answerOf(one),
          probabilities: one.probabilities,
        })),
      };
    },
  };
}
