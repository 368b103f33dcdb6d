/** The files of a site that classifies text with a model. */

import { writePacked } from "../checkpoint/pack.ts";
import { PACKED_WEIGHTS } from "../checkpoint/packed-checkpoint.ts";
import { getOrThrow, InputError, isLeft } from "../core/either.ts";
import { HUGGING_FACE_FILES, readFastTokenizer } from "../io/hugging-face.ts";
import { EXAMPLE_PAGE, EXAMPLE_SCRIPT } from "./example-page.ts";
import { openClassifier } from "./sparse-classifier.ts";
import { joinPath, type RunStorage, readDirectory } from "./storage.ts";
import { openStoredCheckpoint } from "./stored-checkpoint.ts";
import { writeModelFile } from "./written-model-file.ts";

/** What a bundle takes from the package: the scripts of the runtime, and the kernels of each variant by file name. */
export interface BundleParts {
  readonly runtime: Uint8Array;
  /** The script of tokenizers that are not BERT's. */
  readonly tokenizers: Uint8Array;
  readonly kernels: ReadonlyMap<string, Uint8Array>;
}

/** The files of a model that the runtime reads besides the weights. */
const MODEL_FILES: readonly string[] = [
  HUGGING_FACE_FILES.config,
  HUGGING_FACE_FILES.tokenizer,
  HUGGING_FACE_FILES.tokenizerConfig,
  HUGGING_FACE_FILES.specialTokens,
  HUGGING_FACE_FILES.addedTokens,
];

/**
 * Makes the files of a site, by their paths: the model in one file, packed without loss unless it is packed already, the
 * runtime, the kernels and an example page.
 *
 * @throws InputError with the problems of the model
 */
export async function bundleFiles(
  storage: RunStorage,
  directory: string,
  { runtime, tokenizers, kernels }: BundleParts,
): Promise<ReadonlyMap<string, Uint8Array | string>> {
  const open = await openClassifier(storage, directory, "fast");
  open.close();
  const files = await readDirectory(storage, directory, (name) => MODEL_FILES.includes(name));
  const isBert = !isLeft(readFastTokenizer(files, null));
  const weights = await packedWeights(storage, directory);
  const model = getOrThrow(writeModelFile(joinPath(directory, PACKED_WEIGHTS), weights, files));
  return new Map<string, Uint8Array | string>([
    ["model.safetensors", model],
    ["runtime.js", runtime],
    ...(isBert ? [] : [["runtime-tokenizers.js", tokenizers] as const]),
    ...[...kernels].map(([name, bytes]) => [`kernels/${name}`, bytes] as const),
    ["index.html", EXAMPLE_PAGE],
    ["page.js", EXAMPLE_SCRIPT],
  ]);
}

/** Returns packed weights: those of the directory, or its checkpoint packed without loss. */
async function packedWeights(storage: RunStorage, directory: string): Promise<Uint8Array> {
  const opened = await (storage.openCheckpoint?.(directory) ??
    openStoredCheckpoint(storage, directory));
  if (isLeft(opened)) throw new InputError(opened.left);
  const checkpoint = opened.right;
  try {
    if (checkpoint.layout === "packed") return await storage.read(checkpoint.path);
    const pieces: (readonly [bytes: Uint8Array, position: number])[] = [];
    await writePacked({ checkpoint }, async ({ files: [file] }) => {
      await file?.write(async (bytes, position) => {
        pieces.push([bytes.slice(), position]);
      }, -1);
      return [];
    });
    const end = pieces.reduce((most, [bytes, at]) => Math.max(most, at + bytes.length), 0);
    const packed = new Uint8Array(end);
    for (const [bytes, position] of pieces) packed.set(bytes, position);
    return packed;
  } finally {
    checkpoint.close();
  }
}
