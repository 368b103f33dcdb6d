/**
 * Time to find the k-th smallest of many scores: histograms in plain JavaScript and on WASM, sorting, and
 * torch.kthvalue where PyTorch is installed, side by side.
 *
 * Usage: npx tsx bench/selection.ts [millions of scores...] [--json]
 */
import { createBackend } from "../src/kernels/backend.ts";
import { createSelectionScratch, kthSmallest } from "../src/prune/threshold.ts";
import { createPruningKernels } from "../src/train/pruning-kernels.ts";
import { formatSpread, formatTable, ratiosOf, type Spread, spreadOf } from "./measure.ts";
import { startPeer } from "./peers/peer.ts";
import { fillNormal } from "./values.ts";

const ROUNDS = 9;
/** Sorting 85 million takes a quarter of a minute. */
const MOST_SORTED = 10_000_000;
const SEED = 1;

interface Measurement {
  readonly scores: number;
  readonly subject: string;
  /** Milliseconds. */
  readonly time: Spread;
  readonly ratio: Spread | null;
}

function timed(run: () => void): number {
  const start = performance.now();
  run();
  return performance.now() - start;
}

/** What finds the k-th smallest, by name. */
function subjects(scores: Float32Array, k: number): ReadonlyMap<string, () => number> {
  const plain = createSelectionScratch();
  const compiled = createSelectionScratch(createPruningKernels(createBackend()));
  const chunks = [scores];
  const found = new Map<string, () => number>([
    ["javascript", () => kthSmallest(chunks, k, plain)],
    ["wasm", () => kthSmallest(chunks, k, compiled)],
  ]);
  if (scores.length <= MOST_SORTED) found.set("sort", () => scores.slice().sort()[k - 1]);
  return found;
}

async function measure(count: number): Promise<Measurement[]> {
  const scores = new Float32Array(count);
  const factors = new Float32Array(count);
  fillNormal(scores, 0.02, SEED);
  fillNormal(factors, 0.001, SEED + 1);
  for (let i = 0; i < count; i++) scores[i] = Math.abs(scores[i] * factors[(i * 7919) % count]);
  const k = count >> 1;
  const peer = await startPeer("kth_value.py", { seed: SEED, count, k });
  const runs = [...subjects(scores, k)].map(([subject, find]) => ({
    subject,
    find,
    times: [] as number[],
  }));
  const answers = new Set(runs.map(({ find }) => find()));
  if (answers.size !== 1) throw new Error(`expected one k-th smallest, got ${[...answers]}`);
  const peerTimes: number[] = [];
  await peer?.time(0);
  for (let round = 0; round < ROUNDS; round++) {
    for (const { find, times } of runs) times.push(timed(find));
    if (peer !== undefined) peerTimes.push(await peer.time(0));
  }
  peer?.stop();
  const measured = runs.map(({ subject, times }): Measurement => {
    const ratio = peer === undefined ? null : ratiosOf(times, peerTimes);
    return { scores: count, subject, time: spreadOf(times), ratio };
  });
  if (peer === undefined) return measured;
  return [
    ...measured,
    { scores: count, subject: peer.name, time: spreadOf(peerTimes), ratio: null },
  ];
}

function row({ scores, subject, time, ratio }: Measurement): string[] {
  const millions = (scores / 1e6).toFixed(1);
  return [millions, subject, formatSpread(time, 1), ratio === null ? "" : formatSpread(ratio, 3)];
}

const asked = process.argv.slice(2);
const sizes = asked.filter((argument) => !argument.startsWith("--")).map((text) => Number(text));
const results: Measurement[] = [];
for (const millions of sizes.length === 0 ? [3.2, 85] : sizes)
  results.push(...(await measure(Math.round(millions * 1e6))));
if (asked.includes("--json")) {
  console.log(JSON.stringify({ node: process.version, rounds: ROUNDS, results }));
} else {
  console.log(`Node ${process.version}, ${ROUNDS} rounds: median (lowest to highest)`);
  console.log(formatTable([["millions", "subject", "ms", "of torch's time"], ...results.map(row)]));
}
