/** A small model with random weights in a storage. */
import { createTokenizer } from "../../src/io/tokenizer.ts";
import { createBackend } from "../../src/kernels/backend.ts";
import { parseModelConfigOrThrow } from "../../src/model/config.ts";
import { initialiseParameters } from "../../src/model/parameters.ts";
import { saveModelDirectory } from "../../src/run/model-directory.ts";
import type { RunStorage } from "../../src/run/storage.ts";
import { CONFIG, VOCABULARY } from "../cli/fixtures.ts";

/** Saves a model, and returns its tensors by name. */
export async function saveSmallModel(
  storage: RunStorage,
  directory: string,
  config: object = CONFIG,
): Promise<
  ReadonlyMap<string, { readonly shape: readonly number[]; readonly data: Float32Array }>
> {
  const source = { ...config };
  const backend = createBackend({ variant: "scalar" });
  const parameters = initialiseParameters(backend, parseModelConfigOrThrow(source), 7);
  const tensors = new Map(
    [...parameters].map(([name, { value }]) => [
      name,
      { shape: value.shape, data: value.data.slice() },
    ]),
  );
  const tokenizer = createTokenizer(VOCABULARY);
  await saveModelDirectory(storage, directory, { config: source, tensors, tokenizer });
  return tensors;
}
