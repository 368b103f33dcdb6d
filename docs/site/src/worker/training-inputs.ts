/** The inputs of a run: the generated task as files, or the visitor's, with a vocabulary from the rows. */
import { generateDemoTask } from "../../../../src/experiment/demo-task.ts";
import { createRowReader } from "../../../../src/io/rows/row-reader.ts";
import { splitWords } from "../../../../src/io/words.ts";
import { startWebThread } from "../../../../src/kernels/simd/threads.ts";
import type { FineTuneClassifierOptions } from "../../../../src/run/classifier-training.ts";
import { createMemoryStorage } from "../../../../src/run/memory-storage.ts";
import { readRows } from "../../../../src/run/row-file.ts";
import type { GivenFile } from "./protocol.ts";
import { threadCount } from "./thread-count.ts";
import { settingOptions } from "./training-options.ts";
import type { OwnRows, TrainRequest } from "./training-protocol.ts";

/** The files of a run beside those of a model, with the names in the command line that the page shows. */
export interface TrainingFiles {
  readonly rows: GivenFile;
  readonly validationRows: GivenFile | null;
  /** A vocab.txt; null if the run starts from a model. */
  readonly vocabulary: GivenFile | null;
}

const SPECIAL_TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];
/** The most words of a vocabulary from rows. */
const MOST_WORDS = 8000;
const WORDS = { lowercase: true, stripAccents: true, splitChinese: true };

function textFile(path: string, lines: readonly string[]): GivenFile {
  return { path, content: new Blob([lines.map((line) => `${line}\n`).join("")]) };
}

function generatedFiles(): TrainingFiles {
  const { train, dev, vocabulary } = generateDemoTask();
  const lines = (rows: typeof train) => rows.map((row) => JSON.stringify(row));
  return {
    rows: textFile("train.jsonl", lines(train)),
    validationRows: textFile("validation.jsonl", lines(dev)),
    vocabulary: { path: "vocab.txt", content: new Blob([vocabulary]) },
  };
}

/** Returns the tokens of texts: the special ones, single characters, and words, the most frequent first. */
export function vocabularyOf(texts: Iterable<string>): readonly string[] {
  const words = new Map<string, number>();
  const characters = new Set<string>();
  for (const text of texts)
    for (const word of splitWords(text, WORDS)) {
      words.set(word, (words.get(word) ?? 0) + 1);
      for (const character of word) characters.add(character);
    }
  const single = [...characters].sort();
  const frequent = [...words]
    .filter(([word, count]) => count > 1 && !characters.has(word))
    .sort(([a, count], [b, other]) => other - count || (a < b ? -1 : 1))
    .slice(0, MOST_WORDS);
  const inside = single.map((character) => `##${character}`);
  return [...SPECIAL_TOKENS, ...single, ...inside, ...frequent.map(([word]) => word)];
}

/** Makes a vocabulary of rows. Problems in the rows are those that the run finds later. */
async function vocabularyFile({ path, content }: GivenFile): Promise<GivenFile> {
  const storage = createMemoryStorage(
    new Map([[path, new Uint8Array(await content.arrayBuffer())]]),
  );
  const reader = createRowReader({ name: path, options: {}, needsLabels: true });
  const texts: string[] = [];
  await readRows(storage, path, reader, (rows) => {
    for (const { text, textPair } of rows) texts.push(text, textPair ?? "");
  });
  return textFile("vocab.txt", vocabularyOf(texts));
}

/** Makes the files of a run. */
export async function trainingFiles(own: OwnRows | null): Promise<TrainingFiles> {
  if (own === null) return generatedFiles();
  const { rows, validationRows, model } = own;
  return { rows, validationRows, vocabulary: model.length > 0 ? null : await vocabularyFile(rows) };
}

function startKernelThread(): Worker {
  return new Worker(new URL("../../../../src/worker.ts", import.meta.url), { type: "module" });
}

/** Returns the options of a run. */
export async function trainingOptions(
  { settings, own }: TrainRequest,
  { rows, validationRows, vocabulary }: TrainingFiles,
): Promise<FineTuneClassifierOptions> {
  const named = ({ path, content }: GivenFile) => ({ name: path, bytes: content });
  const model = own?.model.filter(({ path }) => !path.includes("/")) ?? [];
  return {
    ...settingOptions(settings, own === null ? "generated" : model.length > 0 ? "model" : "words"),
    seed: settings.seed,
    variant: settings.variant,
    // The models have the same bytes on any number of threads.
    threads: threadCount(),
    startThread: startWebThread(startKernelThread),
    rows: named(rows),
    ...(validationRows !== null && { validationRows: named(validationRows) }),
    ...(model.length > 0 && { model: model.map(named) }),
    ...(vocabulary !== null && { vocab: await vocabulary.content.text() }),
  };
}
