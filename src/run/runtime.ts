/** Loads a classifier from memory onto kernels that the caller provides. Contains neither kernels nor training. */

import { pipe } from "fp-ts/function";
import { byteSource } from "../checkpoint/byte-source.ts";
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import { openSafetensors } from "../checkpoint/open-safetensors.ts";
import { PACKED_WEIGHTS, unpacking } from "../checkpoint/packed-checkpoint.ts";
import {
  checkInteger,
  checkKeys,
  checkKind,
  checkNumber,
  isTypedArray,
  mismatch,
  succeeds,
} from "../core/checks.ts";
import {
  chain,
  type Either,
  getOrThrow,
  isLeft,
  left,
  type Problem,
  refuse,
  right,
} from "../core/either.ts";
import { HUGGING_FACE_FILES, readFastTokenizer } from "../io/hugging-face.ts";
import { encodeFast, type Pipeline } from "../io/tokenizer/fast-tokenizer.ts";
import type { Encoding, FastTokenizer } from "../io/tokenizer.ts";
import { createModuleBackend } from "../kernels/simd/instance.ts";
import { inferenceKernels } from "../kernels/simd/kernels.ts";
import { classifierWith } from "../sparse/classifier.ts";
import { typicalCosts } from "../sparse/typical-costs.ts";
import { completeClassifier } from "./complete-classifier.ts";
import { type Classifier, createClassifier, MODEL } from "./created-classifier.ts";
import { computeEncodedLogits, longestInput } from "./encoded-logits.ts";
import { type ClassifierFile, checkFiles, contentOf, type FileContent } from "./given-files.ts";
import { separateFiles } from "./model-file.ts";
import { checkThreshold, outputMeaning } from "./model-labels.ts";
import { type FileMap, inDirectory } from "./storage.ts";
import { storedModel } from "./stored-model.ts";

/** Options for {@link loadClassifier}. */
export interface RuntimeOptions {
  /**
   * The kernels: a file `espalier/kernels/VARIANT.wasm` as a compiled `WebAssembly.Module`, its bytes, a `Response` or
   * `Blob` of them, their `URL`, or a promise of one of these.
   */
  readonly kernels: object;
  /** The number of texts that are computed at once. Default 32. */
  readonly batchSize?: number | undefined;
  /** The maximum number of tokens of a text, to which it is truncated. Default: as in training, or the model's. */
  readonly maxLength?: number | undefined;
  /** For several labels a text: labels with a larger probability are predicted. Default 0.5. */
  readonly threshold?: number | undefined;
}

const OPTIONS: readonly string[] = /* @__PURE__ */ Object.keys({
  kernels: true,
  batchSize: true,
  maxLength: true,
  threshold: true,
} satisfies Record<keyof RuntimeOptions, true>);

/** A model: the files of a directory, or the one file that `espalier bundle` writes, and a promise of it. */
type GivenModel = readonly ClassifierFile[] | FileContent | Promise<FileContent>;

/**
 * Loads a classifier for inference: from config.json, tokenizer.json and weights in safetensors, plain or packed, or
 * from the file that `espalier bundle` writes. The results are those of `espalier/classifier` on the same kernel
 * variant.
 *
 * @throws TypeError or RangeError for an invalid argument, InputError with all problems of the files
 *
 * @example
 * ```ts
 * import { fastestVariant, loadClassifier } from "espalier/runtime";
 *
 * const model = new Uint8Array(8);
 * const kernels = new Uint8Array(8);
 * const refused = await loadClassifier(model, { kernels }).catch(String);
 * if (!String(refused).includes("model")) throw new Error("expected to be told why");
 * // In a page:
 * //   const kernels = fetch(`${fastestVariant()}.wasm`);
 * //   const classifier = await loadClassifier(fetch("model.safetensors"), { kernels });
 * //   const [{ label }] = await classifier.classify(["A text."]);
 * console.log(fastestVariant());
 * ```
 */
export async function loadClassifier(
  model: GivenModel,
  options: RuntimeOptions,
): Promise<Classifier> {
  checkKeys("options", options, OPTIONS);
  const { batchSize = 32, threshold } = options;
  checkInteger("batchSize", batchSize, 1, 4096);
  if (options.maxLength !== undefined) checkInteger("maxLength", options.maxLength, 3);
  if (threshold !== undefined) checkNumber("threshold", threshold, 0, 1);
  const [{ files, weights }, module] = await Promise.all([
    readModel(model),
    readKernels(await options.kernels),
  ]);
  const tokenizer = pipe(await readTokenizer(files), inDirectory(MODEL));
  const stored = getOrThrow(storedModel(MODEL, files, weights, tokenizer));
  const open = completeClassifier(MODEL, stored);
  const meaning = outputMeaning(open.config);
  checkThreshold(threshold, meaning);
  const maxLength = longestInput(open, options.maxLength);
  const backend = createModuleBackend("kernels", module, "auto", inferenceKernels);
  const { variant } = backend.kernels;
  const classifier = classifierWith(
    backend,
    open.config,
    open.read,
    () => typicalCosts(variant),
    {},
  );
  const { pipeline } = getOrThrow(tokenizer);
  return createClassifier({
    ...{ config: open.config, meaning, threshold, variant, notices: open.notices },
    logits: (rows, turn, placeOf) => {
      const encoded = rows.map(({ text, textPair }) =>
        encodingOf(pipeline, text, textPair ?? undefined, maxLength),
      );
      return computeEncodedLogits(classifier, encoded, { batchSize, turn }, placeOf);
    },
    release: classifier.release,
  }).classifier;
}

/** Reads the tokenizer. The code of parts that BERT's tokenizers do not have is loaded only for a file with such parts. */
async function readTokenizer(files: FileMap): Promise<Either<readonly Problem[], FastTokenizer>> {
  const plain = readFastTokenizer(files, null);
  if (!isLeft(plain)) return plain;
  try {
    const { OTHER_PARTS } = await import("../io/tokenizer/other-parts.ts");
    return readFastTokenizer(files, OTHER_PARTS);
  } catch (cause) {
    const expected = "this file of espalier beside the runtime";
    const missing = { path: "runtime-tokenizers.js", expected, got: String(cause) };
    return left([...plain.left, missing]);
  }
}

function encodingOf(
  pipeline: Pipeline,
  text: string,
  textPair: string | undefined,
  maxLength: number,
): Encoding {
  const { inputIds, tokenTypeIds } = encodeFast(pipeline, text, textPair, { maxLength });
  return { inputIds: Int32Array.from(inputIds), tokenTypeIds: Int32Array.from(tokenTypeIds) };
}

interface ReadModel {
  readonly files: FileMap;
  readonly weights: Either<readonly Problem[], Checkpoint>;
}

async function readModel(given: GivenModel): Promise<ReadModel> {
  const model = await given;
  if (succeeds(() => Array.isArray(model))) {
    const listed = model as readonly ClassifierFile[];
    checkFiles("model", listed);
    const files = new Map(
      await Promise.all(
        listed.map(async ({ name, bytes }) => [name, await contentOf(bytes)] as const),
      ),
    );
    const names = [HUGGING_FACE_FILES.weights, PACKED_WEIGHTS];
    const name = names.find((one) => files.has(one));
    const bytes = name === undefined ? undefined : files.get(name);
    if (name === undefined || bytes === undefined)
      return { files, weights: refuse(MODEL, `${names.join(" or ")}`, "neither") };
    return { files, weights: openWeights(`${MODEL}/${name}`, bytes) };
  }
  const bytes = await readContent("model", model as FileContent, "a list of files");
  const { files, weights } = separateFiles(getOrThrow(openWeights(MODEL, bytes)));
  return { files, weights: right(weights) };
}

function openWeights(path: string, bytes: Uint8Array): Either<readonly Problem[], Checkpoint> {
  return pipe(openSafetensors(byteSource(path, bytes), path), chain(unpacking));
}

/** Reads bytes that may be a response of a server. */
async function readContent(name: string, given: FileContent, other: string): Promise<Uint8Array> {
  const isContent =
    isTypedArray(given, "Uint8Array") ||
    succeeds(() => "arrayBuffer" in given && typeof given.arrayBuffer === "function");
  checkKind(isContent, name, `a Uint8Array, a Blob, a Response or ${other}`, given);
  const { ok, status, url } = given as { ok?: boolean; status?: number; url?: string };
  if (ok === false)
    throw new RangeError(mismatch(name, "a file", `the status ${status} from ${url}`));
  return contentOf(given);
}

/** Compiles kernels. A compiled module stays as it is. */
async function readKernels(given: object): Promise<object> {
  if (given instanceof WebAssembly.Module) return given;
  const content = given instanceof URL ? await fetch(given) : (given as FileContent);
  const bytes = await readContent("kernels", content, "a URL or a WebAssembly.Module");
  return WebAssembly.compile(bytes as Uint8Array<ArrayBuffer>).catch((cause: unknown) => {
    const expected = "a module that may be compiled here";
    throw new RangeError(mismatch("kernels", expected, String(cause)), { cause });
  });
}
