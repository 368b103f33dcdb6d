/** Time to find the k-th smallest of many scores: histograms in plain JavaScript and on WASM, sorting, torch. */
import { createBackend } from "../src/kernels/backend.ts";
import { createSelectionScratch, kthSmallest } from "../src/prune/threshold.ts";
import { createPruningKernels } from "../src/train/pruning.ts";
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

const ROUNDS = 9;
const WARM_UP = 1;
/** Numbers of scores: the encoders of BERT-mini and BERT-base. */
const COUNTS = [3_200_000, 85_000_000];
/** Sorting 85 million scores takes 15 seconds. */
const MOST_SORTED = 10_000_000;
const SEED = 1;

function subjectOf(name: string, find: () => number): Subject<"find"> {
  const time = (): number => {
    const start = performance.now();
    find();
    return performance.now() - start;
  };
  return { name, threads: 1, kinds: ["find"], time, stop: () => undefined };
}

/** The methods, by name. */
function finders(scores: Float32Array, k: number): ReadonlyMap<string, () => number> {
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

/** Products of two normally distributed numbers, which spread over many powers of two. */
function scoresOf(count: number): Float32Array {
  const scores = new Float32Array(count);
  const factors = new Float32Array(count);
  fillNormal(scores, 0.02, SEED);
  fillNormal(factors, 0.001, SEED + 1);
  for (let i = 0; i < count; i++) scores[i] = Math.abs(scores[i] * factors[(i * 7919) % count]);
  return scores;
}

async function measure(
  context: BenchContext,
  count: number,
): Promise<readonly (readonly Cell[])[]> {
  const k = count >> 1;
  const found = finders(scoresOf(count), k);
  const answers = new Set([...found.values()].map((find) => find()));
  if (answers.size !== 1) throw new Error(`expected one k-th smallest, got ${[...answers]}`);
  const own = [...found].map(([name, find]) => subjectOf(name, find));
  const peer = await context.startPeer("kth_value.py", { seed: SEED, count, k });
  const subjects = [...own, ...peerSubjects(peer, "find", "0")];
  try {
    const times = await takeTurns(context, subjects, { rounds: ROUNDS, warmUp: WARM_UP });
    const timesOf = (i: number): readonly number[] => times[i]?.get("find") ?? [];
    return subjects.map(({ name }, i): readonly Cell[] => {
      const isOwn = i < own.length;
      const ratio = isOwn && peer !== undefined ? ratiosOf(timesOf(i), timesOf(own.length)) : null;
      return [count / 1e6, name, spreadOf(timesOf(i)), ratio];
    });
  } finally {
    peer?.stop();
  }
}

/** The k-th smallest of millions of scores. */
export const selectionBenchmark: Benchmark = {
  run: async (context) => {
    const rows: (readonly Cell[])[] = [];
    for (const count of COUNTS) {
      context.say(`${count / 1e6} million scores`);
      rows.push(...(await measure(context, count)));
    }
    const columns = [
      ...[{ name: "millions", digits: 1 }, { name: "subject" }],
      ...[
        { name: "ms", digits: 1 },
        { name: "share of torch's time", digits: 3 },
      ],
    ];
    return { tables: [{ title: "The k-th smallest score, k a half", columns, rows }], plots: [] };
  },
};
