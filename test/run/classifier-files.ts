/** A small model and rows for the tests of classifiers in memory. */

import { createTokenizer } from "../../src/io/tokenizer.ts";
import { createBackend } from "../../src/kernels/backend.ts";
import { parseModelConfigOrThrow } from "../../src/model/config.ts";
import { initialiseParameters } from "../../src/model/parameters.ts";
import type { ClassifierFile, ClassifierRow } from "../../src/run/given-files.ts";
import { filesOf } from "../../src/run/given-files.ts";
import { createMemoryStorage } from "../../src/run/memory-storage.ts";
import { saveModelDirectory } from "../../src/run/model-directory.ts";
import { CONFIG, VOCABULARY } from "../cli/fixtures.ts";

/** The files of the small model with random weights; `config` changes it. */
export async function modelFiles(
  config: object = {},
): Promise<readonly ClassifierFile<Uint8Array>[]> {
  const source = { ...CONFIG, ...config };
  const backend = createBackend({ variant: "scalar" });
  const parameters = initialiseParameters(backend, parseModelConfigOrThrow(source), 7);
  const tensors = new Map(
    [...parameters].map(([name, { value }]) => [
      name,
      { shape: value.shape, data: value.data.slice() },
    ]),
  );
  const storage = createMemoryStorage();
  await saveModelDirectory(storage, "m", {
    config: source,
    tensors,
    tokenizer: createTokenizer(VOCABULARY),
  });
  return filesOf(storage.files, "m");
}

const WORDS = { oak: "tree", brick: "wall", grape: "vine", apple: "fruit" } as const;
const FILLERS = ["the old", "a tall", "not flat", "slowly green", "well the"];

/** Rows whose texts end with the word of their label. */
export function labelledRows(
  count: number,
): readonly (ClassifierRow & { readonly label: string })[] {
  const labels = ["oak", "brick", "grape", "apple"] as const;
  return Array.from({ length: count }, (_, i) => {
    const label = labels[i % 4] ?? "oak";
    return { text: `${FILLERS[i % 5]} ${WORDS[label]}`, label };
  });
}

/** Rows as a file in CSV. */
export function csvFile(name: string, rows: readonly ClassifierRow[]): ClassifierFile<Uint8Array> {
  const lines = rows.map(({ text, label }) => `"${text}",${label}\n`);
  return { name, bytes: new TextEncoder().encode(`text,label\n${lines.join("")}`) };
}
