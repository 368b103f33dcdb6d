/** Time to prune a checkpoint of 1 GiB into a copy, beside a script that does the same with PyTorch. */
import { execFile } from "node:child_process";
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { layOutSafetensors } from "../src/io/safetensors.ts";
import {
  type BenchContext,
  type Benchmark,
  type Cell,
  peerSubjects,
  type Subject,
  takeTurns,
} from "./benchmark.ts";
import { ratiosOf, spreadOf } from "./measure.ts";
import { fillNormal } from "./values.ts";

const ROUNDS = 3;
const WARM_UP = 1;
const LAYERS = 16;
const SIDE = 4096;
const SHARE = 0.5;
const PATTERNS = ["2:4", "4x1"];
/** The command, which lies beside this program. */
const COMMAND: string = fileURLToPath(new URL("./cli.js", import.meta.url));

const run = promisify(execFile);

function writeCheckpoint(path: string): void {
  const size = { dtype: "F32", shape: [SIDE, SIDE], byteLength: 4 * SIDE * SIDE } as const;
  const names = Array.from({ length: LAYERS }, (_, i) => `layers.${i}.weight`);
  const { header } = layOutSafetensors(new Map(names.map((name) => [name, size])));
  const values = new Float32Array(SIDE * SIDE);
  const file = openSync(path, "w");
  writeSync(file, header);
  for (let layer = 0; layer < LAYERS; layer++) {
    fillNormal(values, 0.02, layer + 1);
    writeSync(file, new Uint8Array(values.buffer));
  }
  closeSync(file);
}

/** Milliseconds that the command takes. */
async function timeToPrune(
  from: string,
  to: string,
  pattern: string,
  threads: number,
): Promise<number> {
  const options = { pattern, sparsity: SHARE, threads, out: to };
  const argv = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const start = performance.now();
  await run(process.execPath, [COMMAND, "prune", from, ...argv, "--json"]);
  const time = performance.now() - start;
  rmSync(to);
  return time;
}

async function measure(
  context: BenchContext,
  folder: string,
  pattern: string,
): Promise<readonly (readonly Cell[])[]> {
  const from = join(folder, "model.safetensors");
  const to = join(folder, "pruned.safetensors");
  const peer = await context.startPeer("prune_checkpoint.py", { from, to, pattern, share: SHARE });
  const own = context.threads.map(
    (threads): Subject<"prune"> => ({
      ...{ name: "espalier", threads, kinds: ["prune"], stop: () => undefined },
      time: () => timeToPrune(from, to, pattern, threads),
    }),
  );
  const subjects = [...own, ...peerSubjects(peer, "prune", "0")];
  try {
    const times = await takeTurns(context, subjects, { rounds: ROUNDS, warmUp: WARM_UP });
    const timesOf = (i: number): readonly number[] => times[i]?.get("prune") ?? [];
    return subjects.map(({ name, threads }, i): readonly Cell[] => {
      const ofPeer = i < own.length && peer ? ratiosOf(timesOf(i), timesOf(own.length)) : null;
      const ofOne = i > 0 && i < own.length ? ratiosOf(timesOf(0), timesOf(i)) : null;
      return [pattern, name, threads, spreadOf(timesOf(i)), ofPeer, ofOne];
    });
  } finally {
    peer?.stop();
  }
}

/** Pruning a checkpoint of 1 GiB. */
export const checkpointBenchmark: Benchmark = {
  run: async (context) => {
    const folder = mkdtempSync(join(tmpdir(), "espalier-checkpoint-"));
    try {
      writeCheckpoint(join(folder, "model.safetensors"));
      const rows: (readonly Cell[])[] = [];
      for (const pattern of PATTERNS) rows.push(...(await measure(context, folder, pattern)));
      const columns = [
        ...[{ name: "pattern" }, { name: "subject" }, { name: "threads" }],
        ...[
          { name: "ms", digits: 0 },
          { name: "share of torch's time", digits: 2 },
          { name: "speed over one thread", digits: 2 },
        ],
      ];
      return { tables: [{ title: "A checkpoint of 1 GiB, pruned", columns, rows }], plots: [] };
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
};
