/**
 * Bytes of a pruned BERT-mini on disk, plain, packed and compressed, and the time to load a classifier, for every
 * pattern.
 */
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import type { PackOptions } from "../src/checkpoint/packed-tensor.ts";
import {
  type StoredTensor,
  tensorFromFloat32,
  toFloat32,
  writeSafetensors,
} from "../src/io/safetensors.ts";
import { type Backend, createBackend } from "../src/kernels/backend.ts";
import { parameterList } from "../src/model/parameters.ts";
import { packCheckpoint } from "../src/node/checkpoint-copies.ts";
import { openCheckpointOrThrow } from "../src/node/checkpoint-reader.ts";
import { createSparseClassifier } from "../src/sparse/classifier.ts";
import { type CostModel, measureCosts } from "../src/sparse/cost-model.ts";
import type { BenchContext, Benchmark, Cell } from "./benchmark.ts";
import { PRUNED_MODELS, prunedReader } from "./inference.ts";
import { spreadOf } from "./measure.ts";
import { bertMini } from "./workload.ts";

/** How a file is packed. */
type Packing = Pick<PackOptions, "dtype" | "quantize">;

const FORMS: Readonly<Record<string, Packing | null>> = {
  plain: null,
  packed: {},
  "packed, float16": { dtype: "F16" },
  "packed, 8 bits": { quantize: true },
};
const ROUNDS = 5;

/** Milliseconds to load a classifier from a file. */
async function loadTime(path: string, backend: Backend, costs: CostModel): Promise<number> {
  const start = performance.now();
  const checkpoint = await openCheckpointOrThrow(path);
  const entries = new Map(checkpoint.entries.map((entry) => [entry.name, entry]));
  const classifier = createSparseClassifier(
    backend,
    bertMini(),
    (name) => {
      const entry = entries.get(name);
      if (entry === undefined) throw new RangeError(`${name}: expected a tensor, got none`);
      return { shape: entry.shape, data: toFloat32(checkpoint.read(entry)) };
    },
    { costs },
  );
  const time = performance.now() - start;
  classifier.release();
  checkpoint.close();
  return time;
}

async function measure(
  context: BenchContext,
  folder: string,
): Promise<readonly (readonly Cell[])[]> {
  const config = bertMini();
  const backend = createBackend({ variant: context.variants[0] });
  const costs = measureCosts(backend);
  const rows: (readonly Cell[])[] = [];
  for (const pruned of PRUNED_MODELS) {
    const read = prunedReader(config, pruned);
    const tensors = new Map<string, StoredTensor>();
    for (const { name } of parameterList(config)) {
      const { shape, data } = read(name);
      tensors.set(name, tensorFromFloat32("F32", shape, data));
    }
    const plain = join(folder, "plain.safetensors");
    writeFileSync(plain, writeSafetensors(tensors, { format: "pt" }));
    const whole = statSync(plain).size;
    for (const [form, packing] of Object.entries(FORMS)) {
      context.signal.throwIfAborted();
      const path = packing === null ? plain : join(folder, "packed.safetensors");
      if (packing !== null) {
        const checkpoint = await openCheckpointOrThrow(plain);
        await packCheckpoint({ checkpoint, from: plain, to: path, ...packing });
        checkpoint.close();
      }
      const { size } = statSync(path);
      const gzip = gzipSync(readFileSync(path)).length;
      const times: number[] = [];
      for (let round = 0; round < (context.rounds ?? ROUNDS); round++)
        times.push(await loadTime(path, backend, costs));
      rows.push([
        ...[pruned.pattern, pruned.sparsity, form, size, size / whole, gzip, gzip / whole],
        spreadOf(times),
      ]);
      if (packing !== null) rmSync(path);
    }
  }
  return rows;
}

/** Bytes of pruned models plain, packed and compressed, and the time to load them. */
export const packingBenchmark: Benchmark = {
  run: async (context) => {
    const folder = mkdtempSync(join(tmpdir(), "espalier-packing-"));
    try {
      const rows = await measure(context, folder);
      const columns = [
        ...[{ name: "pattern" }, { name: "sparsity", digits: 2 }, { name: "file" }],
        ...[{ name: "bytes" }, { name: "of plain", digits: 3 }],
        ...[{ name: "gzip" }, { name: "gzip of plain", digits: 3 }],
        { name: "load, ms", digits: 0 },
      ];
      return { tables: [{ title: "BERT-mini in files", columns, rows }], plots: [] };
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
};
