/** A small model, a small task in GLUE's format, and the command run in-process. */

import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";
import { runCommandLine } from "../../src/cli/dispatch.ts";
import {
  type StoredTensor,
  tensorFromFloat32,
  writeSafetensors,
} from "../../src/io/safetensors.ts";
import { createTokenizer } from "../../src/io/tokenizer.ts";
import { createBackend } from "../../src/kernels/backend.ts";
import { parseModelConfigOrThrow } from "../../src/model/config.ts";
import { initialiseParameters } from "../../src/model/parameters.ts";
import { saveModelDirectory } from "../../src/node/storage.ts";

/** A directory that is removed when the test file is done. */
export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "espalier-cli-"));
  afterAll(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

const WORDS =
  "the a tree wall vine fruit grows bears stands flat tall old green slowly well not".split(" ");

/** The text of the small vocabulary. */
export const VOCABULARY: string = `${["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ...WORDS].join("\n")}\n`;

/** The small model's config.json. */
export const CONFIG: Readonly<Record<string, unknown>> = {
  model_type: "bert",
  vocab_size: 5 + WORDS.length,
  hidden_size: 16,
  num_hidden_layers: 1,
  num_attention_heads: 2,
  intermediate_size: 32,
  max_position_embeddings: 32,
};

/** Saves the small model with random weights; `config` changes it, `keeps` says which parameters stay. */
export async function writeModel(
  directory: string,
  config: object = {},
  keeps: (name: string) => boolean = () => true,
): Promise<string> {
  const source = { ...CONFIG, ...config };
  const backend = createBackend({ variant: "scalar" });
  const parameters = initialiseParameters(backend, parseModelConfigOrThrow(source), 7);
  const kept = [...parameters].filter(([name]) => keeps(name));
  const tensors = new Map(
    kept.map(([name, { value }]) => [name, { shape: value.shape, data: value.data.slice() }]),
  );
  await saveModelDirectory(directory, {
    config: source,
    tensors,
    tokenizer: createTokenizer(VOCABULARY),
  });
  return directory;
}

/** Writes tensors to two files with an index, the first three to the first one. */
export function writeShards(directory: string, tensors: ReadonlyMap<string, StoredTensor>): void {
  mkdirSync(directory);
  const files = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"];
  const fileOf = (i: number): string => files[i < 3 ? 0 : 1] ?? "";
  const all = [...tensors];
  for (const file of files) {
    const own = all.filter((_, i) => fileOf(i) === file);
    writeFileSync(join(directory, file), writeSafetensors(new Map(own), { format: "pt" }));
  }
  const weight_map = Object.fromEntries(all.map(([name], i) => [name, fileOf(i)]));
  writeFileSync(join(directory, "model.safetensors.index.json"), JSON.stringify({ weight_map }));
}

function sentence(seed: number): string {
  return Array.from({ length: 5 }, (_, index) => WORDS[(seed * 7 + index * 5) % WORDS.length]).join(
    " ",
  );
}

/** The header and rows of an MRPC file; every second pair repeats its sentence. */
export function mrpcText(rows: number): string {
  const lines = Array.from({ length: rows }, (_, row) => {
    const same = row % 2;
    return [same, row, row + 1000, sentence(row), sentence(same === 1 ? row : row + 3)].join("\t");
  });
  return `${["Quality\t#1 ID\t#2 ID\t#1 String\t#2 String", ...lines].join("\n")}\n`;
}

/** Writes train.tsv and dev.tsv. */
export function writeTask(directory: string): string {
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, "train.tsv"), mrpcText(32));
  writeFileSync(join(directory, "dev.tsv"), mrpcText(12));
  return directory;
}

/** What a command did. */
export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs `espalier` in this process; `onError` sees what goes to standard error as it comes. */
export async function espalier(
  argv: readonly string[],
  signal: AbortSignal = new AbortController().signal,
  onError: (text: string) => void = () => {},
): Promise<Ran> {
  const out: string[] = [];
  const err: string[] = [];
  const code = await runCommandLine(argv, {
    out: { write: (text) => void out.push(text), isTerminal: false, columns: 80 },
    err: {
      write: (text) => {
        err.push(text);
        onError(text);
      },
      isTerminal: false,
      columns: 80,
    },
    signal,
    workerScript: null,
    engine: null,
  });
  return { code, out: out.join(""), err: err.join("") };
}

/** [rows, 8] of which every group of four has two zeros. */
function twoOfFour(rows: number): Float32Array {
  return Float32Array.from({ length: rows * 8 }, (_, i) => (i % 4 < 2 ? 0 : 1 + (i % 7)));
}

/** A small encoder: two layers that are 2:4, an embedding and a head that are dense. */
export const ENCODER_TENSORS: ReadonlyMap<string, StoredTensor> = new Map([
  [
    "embeddings.word_embeddings.weight",
    tensorFromFloat32("F32", [9, 8], new Float32Array(72).fill(1)),
  ],
  ["encoder.0.query.weight", tensorFromFloat32("BF16", [8, 8], twoOfFour(8))],
  ["encoder.0.query.bias", tensorFromFloat32("F32", [8], new Float32Array(8))],
  ["encoder.1.query.weight", tensorFromFloat32("F16", [4, 8], twoOfFour(4))],
  ["classifier.weight", tensorFromFloat32("F32", [2, 8], new Float32Array(16).fill(3))],
]);

/** The commit of {@link cacheModel}'s snapshots. */
export const COMMIT: string = "0123456789abcdef0123456789abcdef01234567";

/** Copies the files of a directory to a model of a Hugging Face cache. Returns the snapshot, whose files are links. */
export function cacheModel(cache: string, name: string, directory: string): string {
  const model = join(cache, `models--${name.replace("/", "--")}`);
  const snapshot = join(model, "snapshots", COMMIT);
  for (const each of ["blobs", "refs"]) mkdirSync(join(model, each), { recursive: true });
  mkdirSync(snapshot, { recursive: true });
  writeFileSync(join(model, "refs", "main"), COMMIT);
  for (const [i, file] of readdirSync(directory).entries()) {
    copyFileSync(join(directory, file), join(model, "blobs", `${i}`));
    symlinkSync(join("..", "..", "blobs", `${i}`), join(snapshot, file));
  }
  return snapshot;
}
