/**
 * Prunes a synthetic checkpoint in shards that is larger than the memory limit, and prints time and peak memory beside
 * those of `cp` of the same files:
 *
 *     npx tsx scripts/large-checkpoint.ts DIR [GIB]
 *
 * Needs the built command, and room for the checkpoint twice.
 */
import { execFileSync, spawnSync } from "node:child_process";
import {
  closeSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { layOutSafetensors, type TensorSize } from "../src/io/safetensors.ts";
import { formatTable } from "../src/report/table.ts";

const COMMAND = fileURLToPath(new URL("../dist/cli.js", import.meta.url));
const SHARDS = 4;
/** 64 MiB a tensor. */
const [ROWS, COLUMNS] = [4096, 4096];
const TENSOR_BYTES = 4 * ROWS * COLUMNS;

/** Bell-shaped weights of all magnitudes, as in a trained layer, from a counter and a seed. */
function fillWeights(seed: number, out: Float32Array): void {
  let state = (seed * 2_654_435_761) >>> 0;
  const next = (): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
  for (let i = 0; i < out.length; i++) out[i] = (next() + next() + next() + next() - 2) * 0.1;
}

function makeCheckpoint(directory: string, gibibytes: number): void {
  mkdirSync(directory, { recursive: true });
  const perShard = Math.max(1, Math.round((gibibytes * 2 ** 30) / TENSOR_BYTES / SHARDS));
  const weightMap: Record<string, string> = {};
  const values = new Float32Array(ROWS * COLUMNS);
  for (let shard = 0; shard < SHARDS; shard++) {
    const file = `model-0000${shard + 1}-of-0000${SHARDS}.safetensors`;
    const names = Array.from(
      { length: perShard },
      (_, i) => `layer.${shard * perShard + i}.weight`,
    );
    const size: TensorSize = { dtype: "F32", shape: [ROWS, COLUMNS], byteLength: TENSOR_BYTES };
    const { header, order } = layOutSafetensors(new Map(names.map((name) => [name, size])));
    const descriptor = openSync(join(directory, file), "w");
    writeSync(descriptor, header);
    for (const name of order) {
      weightMap[name] = file;
      fillWeights(Number(name.split(".")[1]) + 1, values);
      const bytes = new Uint8Array(values.buffer);
      for (let at = 0; at < bytes.length; ) at += writeSync(descriptor, bytes, at);
    }
    closeSync(descriptor);
  }
  const index = {
    metadata: { total_size: perShard * SHARDS * TENSOR_BYTES },
    weight_map: weightMap,
  };
  writeFileSync(join(directory, "model.safetensors.index.json"), JSON.stringify(index));
}

/** Seconds and peak memory in MiB of a run of the command. */
function measure(
  scratch: string,
  argv: readonly string[],
): readonly [seconds: number, peak: number] {
  const report = join(scratch, "peak.txt");
  const hook = `import { writeFileSync } from "node:fs"; process.on("exit", () => writeFileSync(${JSON.stringify(report)}, String(process.resourceUsage().maxRSS)));`;
  const began = performance.now();
  const { status, stderr } = spawnSync(
    process.execPath,
    ["--import", `data:text/javascript,${encodeURIComponent(hook)}`, COMMAND, ...argv],
    { encoding: "utf8", maxBuffer: 2 ** 26 },
  );
  if (status !== 0)
    throw new Error(`espalier ${argv[0]}: expected exit code 0, got ${status}: ${stderr}`);
  return [(performance.now() - began) / 1000, Number(readFileSync(report, "utf8")) / 1024];
}

function main(scratch: string, gibibytes: number): void {
  const [from, to] = [join(scratch, "large"), join(scratch, "pruned")];
  makeCheckpoint(from, gibibytes);
  const rows: string[][] = [];
  const began = performance.now();
  execFileSync("cp", ["-r", from, to]);
  execFileSync("sync", [to]);
  const copying = (performance.now() - began) / 1000;
  rmSync(to, { recursive: true });
  rows.push(["cp", copying.toFixed(1), "1.00", "-"]);
  for (const [name, more] of [
    ["2:4, global", ["--pattern", "2:4"]],
    ["4x1, global", ["--pattern", "4x1"]],
    ["4x1, local", ["--pattern", "4x1", "--scope", "local"]],
  ] as const) {
    const argv = ["prune", from, ...more, "--sparsity", "0.5", "--out", to, "--json"];
    const [seconds, peak] = measure(scratch, argv);
    rows.push([name, seconds.toFixed(1), (seconds / copying).toFixed(2), peak.toFixed(0)]);
    const pattern = more[1];
    const check = [
      "verify",
      to,
      "--pattern",
      pattern,
      "--min-sparsity",
      "0.5",
      "--exact",
      "--json",
    ];
    const [checking, checkingPeak] = measure(scratch, check);
    const figures = [checking, checking / copying, checkingPeak];
    rows.push([`verify ${pattern}`, ...figures.map((figure, i) => figure.toFixed([1, 2, 0][i]))]);
    rmSync(to, { recursive: true });
  }
  rmSync(from, { recursive: true });
  const header = [`${gibibytes} GiB`, "seconds", "of cp", "peak MiB"];
  process.stdout.write(`${formatTable({ header, rows })}\n`);
}

const [directory, size = "4"] = process.argv.slice(2);
if (directory === undefined || !(Number(size) > 0)) {
  process.stderr.write("usage: large-checkpoint.ts DIR [GIB]\n");
  process.exitCode = 2;
} else main(directory, Number(size));
