/** What esbuild makes of each entry, and of single functions, for those who bundle the package. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { beforeAll, describe, expect, it } from "vitest";
import { DIST, ENTRY_STEMS, requireBuild } from "./distribution.ts";
import { bundledFolders, esbuildSize } from "./minified.ts";

beforeAll(requireBuild);

/**
 * Bytes of all of an entry, minified and compressed. Raise one only with a reason. About 0.6 kB of each are the checks of
 * arguments, with the nearest names of unknown options.
 */
const ENTRY_LIMITS: Readonly<Record<string, number>> = {
  espalier: 19_950,
  // 2 kB are the metrics and losses of several labels and of values, 1 kB the updates of several batches and the best model.
  // 7 kB are SiLU and the GELU of tanh in three WASM modules, 18 kB products with 8-bit weights, 2 kB the architectures.
  // 4 kB are pruning of attention heads.
  "espalier/nn": 198_950,
  // 1.6 kB are the architectures. 0.3 kB are layouts packed in one pass over a weight.
  // 1.8 kB are matrices of integers with scales of rows, and sub-layers of them without idle units.
  "espalier/sparse": 23_400,
  // Half of the increase from 43 kB is the Unicode tables of fast tokenizers.
  "espalier/io": 88_000,
  // 14 kB are one-shot pruning of files, with the parser of configurations.
  // 1.4 kB are integers with scales of rows, 0.3 kB checksums.
  "espalier/checkpoint": 56_000,
  "espalier/calibrate": 12_000,
  // Everything of a run but its report: kernels, training, tokenizers, row files.
  "espalier/classifier": 331_500,
  // See below for its size with kernels. Without splitting, bundlers join the code of tokenizers that are not BERT's to
  // it: 23 kB.
  "espalier/runtime": 76_300,
  // 60 kB are fine-tuning from paths: the readers of rows, the tasks of GLUE and the recipes. 1.3 kB are names of models,
  // 0.7 kB rows in memory as files of a task and as gzip data, 1.9 kB reports for phones and refusals of models before
  // their weights are read, 1.5 kB integers with scales of rows,
  // and smaller vocabularies. 4 kB are pruning of attention heads.
  "espalier/node": 382_300,
  "espalier/reference": 26_000,
};

describe.each(Object.keys(ENTRY_STEMS))("all of %s", (entry) => {
  it("stays below its limit", async () => {
    const { gzip } = await esbuildSize(`export * from "${entry}";`);
    expect(gzip).toBeGreaterThan(1_000);
    expect(gzip).toBeLessThan(ENTRY_LIMITS[entry] ?? 0);
  });
});

/** Bytes of a single function with what it needs, minified: bundlers drop the rest of the entry. */
const FUNCTION_LIMITS: readonly (readonly [name: string, entry: string, most: number])[] = [
  ["readSafetensors", "espalier/io", 8_000],
  ["createTokenizer", "espalier/io", 4_000],
  // Half of it is the table of tasks.
  ["parseGlueTsv", "espalier/io", 5_600],
  // Messages name the content of other files. 1 kB are the names of encoders.
  ["readHuggingFaceModel", "espalier/io", 12_100],
  ["verifyPattern", "espalier/checkpoint", 5_400],
  // The table of profiles names every stage of pruning.
  ["planPruning", "espalier/checkpoint", 27_500],
  // A third of it is the table of model types.
  ["tensorFacts", "espalier/checkpoint", 14_100],
  // 4 kB are integers with scales of rows.
  ["packTensor", "espalier/checkpoint", 28_300],
  ["unpack", "espalier/sparse", 4_300],
];

describe.each(FUNCTION_LIMITS)("%s of %s", (name, entry, most) => {
  it("brings only what it needs", async () => {
    const { minified } = await esbuildSize(`export { ${name} } from "${entry}";`);
    expect(minified).toBeGreaterThan(100);
    expect(minified).toBeLessThan(most);
  });
});

describe("what a site downloads for inference", () => {
  const gzipped = (name: string): number =>
    gzipSync(readFileSync(join(DIST, name)), { level: 9 }).length;

  it.each(["simd", "fma", "revectorized"])("the runtime with kernels (%s)", (variant) => {
    const total = gzipped("runtime.js") + gzipped(`kernels/${variant}.wasm`);
    expect(total).toBeGreaterThan(40_000);
    expect(total).toBeLessThan(60_000);
  });

  it("has code of inference only", async () => {
    const folders = await bundledFolders("src/runtime.ts");
    expect(folders).toEqual(
      [
        "autograd checkpoint core experiment io io/tokenizer kernels kernels/scalar kernels/simd",
        "kernels/wasm model run sparse tensor train train/metrics",
      ].flatMap((line) => line.split(" ")),
    );
  });
});
