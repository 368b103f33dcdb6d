/** Speed of the matrix product on the shapes of BERT-mini. */
import { nextUnit, openStream } from "../src/core/random.ts";
import { type Backend, createBackend } from "../src/kernels/backend.ts";
import type { Memory, Region } from "../src/kernels/simd/memory.ts";
import type { KernelVariant, ProductForm } from "../src/kernels/table.ts";
import {
  type BenchContext,
  type Benchmark,
  type Cell,
  type Subject,
  takeTurns,
} from "./benchmark.ts";
import { spreadOf } from "./measure.ts";

interface Case {
  readonly name: string;
  readonly form: ProductForm;
  readonly m: number;
  readonly n: number;
  readonly k: number;
  /** Products per run: attention has one for each example and head. */
  readonly count: number;
}

const ROUNDS = 15;
const MILLISECONDS_A_ROUND = 30;
const SEED = 1;

function linear(name: string, form: ProductForm, m: number, n: number, k: number): Case {
  return { name, form, m, n, k, count: 1 };
}

/** The products of attention over 16 examples and 4 heads of width 64. */
function attention(positions: number): readonly Case[] {
  const shape = { m: positions, count: 64 };
  return [
    { name: "scores", form: "nt", n: positions, k: 64, ...shape },
    { name: "context", form: "nn", n: 64, k: positions, ...shape },
    { name: "d values", form: "tn", n: 64, k: positions, ...shape },
  ];
}

const CASES: readonly Case[] = [
  linear("forward", "nt", 1024, 256, 256),
  linear("forward", "nt", 1024, 1024, 256),
  linear("forward", "nt", 1024, 256, 1024),
  linear("forward", "nt", 2048, 1024, 256),
  linear("d input", "nn", 1024, 256, 256),
  linear("d input", "nn", 1024, 256, 1024),
  linear("d input", "nn", 2048, 1024, 256),
  linear("d weight", "tn", 256, 256, 1024),
  linear("d weight", "tn", 1024, 256, 1024),
  linear("d weight", "tn", 256, 1024, 2048),
  ...attention(64),
  ...attention(128),
  ...attention(37),
  linear("head", "nt", 16, 2, 256),
];

/** Makes a function that runs a case once. */
function prepare({ kernels, memory }: Backend, { form, m, n, k, count }: Case): () => void {
  const [a, b] = [random(memory, count * m * k), random(memory, count * k * n)];
  const c = memory.reserve(count * m * n);
  const aStride = form === "tn" ? m : k;
  const bStride = form === "nt" ? k : n;
  return () => {
    const [x, y, z] = [memory.float32(a), memory.float32(b), memory.float32(c)];
    for (let i = 0; i < count; i++) {
      const [xAt, yAt, zAt] = [i * m * k, i * k * n, i * m * n];
      kernels.gemm(form, m, n, k, x, xAt, aStride, y, yAt, bStride, z, zAt, n, false);
    }
  };
}

function random(memory: Memory, length: number): Region {
  const region = memory.allocate(length);
  const stream = openStream(SEED, 0);
  memory.float32(region).forEach((_, i, values) => {
    values[i] = 2 * nextUnit(stream) - 1;
  });
  return region;
}

/** A variant on a case. Its time is the mean over the runs of a round. */
function subjectOf(variant: KernelVariant, product: Case): Subject<"run"> {
  const run = prepare(createBackend({ variant }), product);
  const time = (): number => {
    const start = performance.now();
    let [runs, elapsed] = [0, 0];
    while (elapsed < MILLISECONDS_A_ROUND) {
      run();
      runs++;
      elapsed = performance.now() - start;
    }
    return elapsed / runs;
  };
  return { name: variant, threads: 1, kinds: ["run"], time, stop: () => undefined };
}

async function measure(context: BenchContext, product: Case): Promise<readonly Cell[]> {
  const { name, form, m, n, k, count } = product;
  const subjects = context.variants.map((variant) => subjectOf(variant, product));
  const times = await takeTurns(context, subjects, { rounds: ROUNDS, warmUp: 1 });
  const rates = times.map((one) =>
    spreadOf((one.get("run") ?? []).map((time) => (2 * m * n * k * count) / time / 1e6)),
  );
  const shape = `${count > 1 ? `${count} of ` : ""}${m} x ${n} x ${k}`;
  return [form, name, shape, ...rates];
}

/** The matrix product on the shapes of BERT-mini, in GFLOPS. */
export const gemmBenchmark: Benchmark = {
  run: async (context) => {
    const rows: (readonly Cell[])[] = [];
    for (const product of CASES) {
      context.say(`${product.form} ${product.m} x ${product.n} x ${product.k}`);
      rows.push(await measure(context, product));
    }
    const columns = [
      ...[{ name: "form" }, { name: "product" }, { name: "m x n x k" }],
      ...context.variants.map((variant) => ({ name: `${variant}, GFLOPS`, digits: 1 })),
    ];
    return { tables: [{ title: "Matrix products, one thread", columns, rows }], plots: [] };
  },
};
