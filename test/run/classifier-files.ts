/** A small model and rows for the tests of classifiers in memory. */

import type { ClassifierFile, ClassifierRow } from "../../src/run/given-files.ts";
import { filesOf } from "../../src/run/given-files.ts";
import { createMemoryStorage } from "../../src/run/memory-storage.ts";
import { CONFIG } from "../cli/fixtures.ts";
import { saveSmallModel } from "./small-model.ts";

/** The files of the small model with random weights; `config` changes it. */
export async function modelFiles(
  config: object = {},
): Promise<readonly ClassifierFile<Uint8Array>[]> {
  const storage = createMemoryStorage();
  await saveSmallModel(storage, "m", { ...CONFIG, ...config });
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

/** Rows as a file of the GLUE task SST-2. */
export function glueFile(name: string, rows: readonly ClassifierRow[]): ClassifierFile<Uint8Array> {
  const lines = rows.map(({ text, label }) => `${text}\t${label === "oak" ? 1 : 0}\n`);
  return { name, bytes: new TextEncoder().encode(`sentence\tlabel\n${lines.join("")}`) };
}
