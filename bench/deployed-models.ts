/** The classifier of the deployment benchmarks, pruned and dense, in the files that each engine reads. */
import { execFile } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { refuseInput } from "../src/core/either.ts";
import { nextBelow, openStream } from "../src/core/random.ts";
import { encode, type Tokenizer } from "../src/io/tokenizer.ts";
import { availableVariants } from "../src/kernels/backend.ts";
import { nodeStorage } from "../src/node/storage.ts";
import { createNodeBackend } from "../src/node/threaded-backend.ts";
import { openClassifier } from "../src/run/sparse-classifier.ts";
import { padExamples } from "../src/train/examples.ts";
import type { BenchContext } from "./benchmark.ts";
import { writeSeededClassifiers } from "./seeded-classifier.ts";
import { fullBatch, sentenceLengths } from "./workload.ts";

/** The shape of a batch, and how it is measured. */
interface BatchShape {
  readonly lengths: readonly number[];
  readonly rounds: number;
  /** Milliseconds to fill with runs in each turn. */
  readonly fill: number;
}

/** The measured batches by name. */
export const BATCHES: Readonly<Record<string, BatchShape>> = {
  "1x16": { lengths: fullBatch(1, 16), rounds: 15, fill: 40 },
  "1x32": { lengths: fullBatch(1, 32), rounds: 15, fill: 40 },
  "1x128": { lengths: fullBatch(1, 128), rounds: 9, fill: 60 },
  "32x64": { lengths: fullBatch(32, 64), rounds: 5, fill: 0 },
  "32-sentences": { lengths: sentenceLengths(32), rounds: 7, fill: 0 },
};

/** The batches that are also measured from text. */
export const TEXT_BATCHES: readonly string[] = ["1x32", "32x64", "32-sentences"];

/** Texts, and their tokens for a model. */
export interface DeployedBatch {
  readonly name: string;
  readonly texts: readonly string[];
  readonly rows: readonly (readonly number[])[];
  readonly padId: number;
}

/** A model directory, its input, and the logits of each batch on dense kernels. */
export interface DeployedModel {
  readonly directory: string;
  readonly batches: readonly DeployedBatch[];
  readonly logits: ReadonlyMap<string, Float32Array>;
}

/** ONNX files of the models. */
export interface OnnxFiles {
  /** A directory as transformers.js reads it: the dense model in float32 and, if they are there, 8-bit weights. */
  readonly directory: string;
  readonly dense: string;
  readonly pruned: string;
  /** The dense model with 8-bit weights, as for transformers.js; undefined without a program that quantizes. */
  readonly denseInt8: string | undefined;
  /** The pruned model with 8-bit weights and inputs; undefined without a program that quantizes. */
  readonly prunedInt8: string | undefined;
  /** The pruned model with 8-bit weights, like `denseInt8`. */
  readonly prunedDynamic: string | undefined;
  /** The number of inputs. */
  readonly inputs: number;
}

/** A directory with packed weights. */
export interface PackedModel {
  readonly directory: string;
  /** Whether weights have eight bits, with which they are computed. */
  readonly isInt8: boolean;
  /** Whether espalier/runtime reads it, which needs a tokenizer.json. */
  readonly fitsRuntime: boolean;
}

/** What the subjects of the deployment benchmarks load. */
export interface DeployedModels {
  /** The name of the pruned model. */
  readonly title: string;
  readonly pruned: DeployedModel;
  readonly dense: DeployedModel;
  /** The pruned model as it is stored: as given if that is packed, or else without loss and in eight bits. */
  readonly packed: readonly PackedModel[];
  /** Null if no peers run. */
  readonly onnx: OnnxFiles | null;
}

/** The command, which lies beside this program. */
const COMMAND: string = fileURLToPath(new URL("./cli.js", import.meta.url));
const run = promisify(execFile);
const SEED = 1;

/** Runs this library's command. Returns the JSON that it prints. */
export async function runCommand(...argv: readonly string[]): Promise<unknown> {
  const { stdout } = await run(process.execPath, [COMMAND, ...argv, "--json"]);
  return JSON.parse(stdout);
}

/** Words that are one token each, at the beginning of a text and within. */
function createWordSource(tokenizer: Tokenizer): () => string {
  const words = tokenizer.vocabulary.tokens
    .map((token) => token.replace(/^[Ġ▁]/u, ""))
    .filter((token) => /^[a-z]+$/.test(token));
  const stream = openStream(SEED, 3);
  return () => {
    for (let tries = 0; tries < 1000 && words.length > 0; tries++) {
      const word = words[nextBelow(stream, words.length)] ?? "";
      if (encode(tokenizer, `${word} ${word}`).inputIds.length === 4) return word;
    }
    return refuseInput("--model", "words of one token in its vocabulary", "none");
  };
}

function textsOf(
  tokenizer: Tokenizer,
  maxPositions: number,
): ReadonlyMap<string, readonly string[]> {
  const nextWord = createWordSource(tokenizer);
  const fitting = Object.entries(BATCHES).filter(([, { lengths }]) =>
    lengths.every((length) => length <= maxPositions),
  );
  return new Map(
    fitting.map(([name, { lengths }]) => [
      name,
      lengths.map((length) => Array.from({ length: length - 2 }, nextWord).join(" ")),
    ]),
  );
}

/** Opens a model, and computes the logits of its batches. Without texts, its own vocabulary gives them. */
async function deploy(
  option: string,
  directory: string,
  given?: ReadonlyMap<string, readonly string[]>,
): Promise<DeployedModel & { readonly texts: ReadonlyMap<string, readonly string[]> }> {
  const open = await openClassifier(nodeStorage, directory, undefined);
  const variant = availableVariants().includes("simd") ? "simd" : "scalar";
  const backend = await createNodeBackend({ variant });
  try {
    const { config, tokenizer } = open;
    const texts = given ?? textsOf(tokenizer, config.maxPositions);
    const padId = config.padTokenId;
    const batches = [...texts].map(([name, lines]): DeployedBatch => {
      const rows = lines.map((text) => Array.from(encode(tokenizer, text).inputIds));
      const lengths = BATCHES[name]?.lengths ?? [];
      if (rows.some((row, i) => row.length !== lengths[i]))
        refuseInput(option, "a tokenizer with the words of --model as single tokens", directory);
      return { name, texts: lines, rows, padId };
    });
    const classifier = open.create(backend, { executions: "dense" });
    const logits = new Map(
      batches.map(({ name, rows }) => {
        const examples = rows.map((row) => ({
          inputIds: row,
          tokenTypeIds: row.map(() => 0),
          label: 0,
        }));
        return [name, classifier.logits(padExamples(examples, padId))];
      }),
    );
    classifier.release();
    return { directory, batches, logits, texts };
  } finally {
    open.close();
    backend.stop();
  }
}

const TOKENIZER_FILES = ["config.json", "tokenizer.json", "tokenizer_config.json"];

/** Exports both models, and quantizes them if onnxruntime is installed. */
async function exportModels(
  context: BenchContext,
  folder: string,
  { pruned, dense }: Pick<DeployedModels, "pruned" | "dense">,
): Promise<OnnxFiles> {
  const directory = join(folder, "onnx-model");
  mkdirSync(join(directory, "onnx"), { recursive: true });
  for (const name of TOKENIZER_FILES) {
    const file = join(dense.directory, name);
    if (existsSync(file)) copyFileSync(file, join(directory, name));
  }
  const files = {
    dense: join(directory, "onnx", "model.onnx"),
    denseInt8: join(directory, "onnx", "model_quantized.onnx"),
    pruned: join(folder, "pruned.onnx"),
    prunedInt8: join(folder, "pruned-int8.onnx"),
    prunedDynamic: join(folder, "pruned-dynamic.onnx"),
  };
  const written = await runCommand("export", dense.directory, "--out", files.dense);
  await runCommand("export", pruned.directory, "--out", files.pruned);
  const { batches } = pruned;
  const quantize = async (from: string, to: string, method: string) => {
    const peer = await context.startPeer("quantize_onnx.py", { from, to, method, batches });
    peer?.stop();
    return peer === undefined ? undefined : to;
  };
  return {
    ...files,
    directory,
    inputs: (written as { readonly inputs: readonly string[] }).inputs.length,
    denseInt8: await quantize(files.dense, files.denseInt8, "dynamic"),
    prunedInt8: await quantize(files.pruned, files.prunedInt8, "static"),
    prunedDynamic: await quantize(files.pruned, files.prunedDynamic, "dynamic"),
  };
}

const PACKED_WEIGHTS = "model.packed.safetensors";

/** Packs a model directory, unless it is packed. */
async function packModel(directory: string, folder: string): Promise<readonly PackedModel[]> {
  const fitsRuntime = existsSync(join(directory, "tokenizer.json"));
  const file = join(directory, PACKED_WEIGHTS);
  if (existsSync(file)) {
    const bytes = readFileSync(file);
    const header = bytes.toString("utf8", 8, 8 + Number(bytes.readBigUInt64LE()));
    return [{ directory, isInt8: /"dtype":\s*"I8"/.test(header), fitsRuntime }];
  }
  const [whole, int8] = ["packed", "packed-int8"].map((name) => join(folder, name));
  await runCommand("pack", directory, "--out", whole);
  await runCommand("pack", directory, "--out", int8, "--int8");
  return [
    { directory: whole, isInt8: false, fitsRuntime },
    { directory: int8, isInt8: true, fitsRuntime },
  ];
}

/** Prepares the models in a temporary folder while `use` runs. */
export async function withDeployedModels<T>(
  context: BenchContext,
  use: (models: DeployedModels, folder: string) => Promise<T>,
): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), "espalier-deployment-"));
  try {
    context.say("models");
    const given = context.model ?? (await writeSeededClassifiers(folder));
    const { texts, ...pruned } = await deploy("--model", given.pruned);
    const dense = await deploy("--dense", given.dense, texts);
    const packed = await packModel(given.pruned, folder);
    const onnx = context.runsPeers ? await exportModels(context, folder, { pruned, dense }) : null;
    const title =
      context.model === null ? "Seeded classifier, 4x1 at 90 %" : basename(context.model.pruned);
    return await use({ title, pruned, dense, packed, onnx }, folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
