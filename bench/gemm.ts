/**
 * Speed of the matrix product, through the table of operations, on the shapes of BERT-mini: GFLOPS as median
 * (and range) over rounds, for every variant that runs here. Usage: npx tsx bench/gemm.ts [variant...]
 */
import { nextUnit, openStream } from "../src/core/random.ts";
import { availableVariants, type Backend, createBackend } from "../src/kernels/backend.ts";
import type { Memory, Region } from "../src/kernels/memory.ts";
import type { KernelVariant, ProductForm } from "../src/kernels/table.ts";

interface Case {
  readonly name: string;
  readonly form: ProductForm;
  readonly m: number;
  readonly n: number;
  readonly k: number;
  /** Products a run: attention has one per example and head. */
  readonly count: number;
}

const ROUNDS = 15;
const SECONDS_A_ROUND = 0.03;
const SEED = 1;

function linear(name: string, form: ProductForm, m: number, n: number, k: number): Case {
  return { name, form, m, n, k, count: 1 };
}

/** The two products of attention over 16 examples and 4 heads of width 64. */
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
  const a = random(memory, count * m * k);
  const b = random(memory, count * k * n);
  const c = memory.allocate(count * m * n);
  const aStride = form === "tn" ? m : k;
  const bStride = form === "nt" ? k : n;
  return () => {
    const [left, right, out] = [memory.float32(a), memory.float32(b), memory.float32(c)];
    for (let i = 0; i < count; i++) {
      const offsets = [i * m * k, i * k * n, i * m * n] as const;
      kernels.gemm(
        form,
        m,
        n,
        k,
        left,
        offsets[0],
        aStride,
        right,
        offsets[1],
        bStride,
        out,
        offsets[2],
        n,
        false,
      );
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

/** GFLOPS of each round, the first one (compiling, filling caches) left out. */
function measure(run: () => void, { m, n, k, count }: Case): number[] {
  const rates: number[] = [];
  for (let round = 0; round <= ROUNDS; round++) {
    const start = performance.now();
    let runs = 0;
    let elapsed = 0;
    while (elapsed < SECONDS_A_ROUND * 1000) {
      run();
      runs++;
      elapsed = performance.now() - start;
    }
    if (round > 0) rates.push((2 * m * n * k * count * runs) / elapsed / 1e6);
  }
  return rates.sort((x, y) => x - y);
}

function report(variant: KernelVariant): void {
  const backend = createBackend({ variant });
  console.log(`${variant}: GFLOPS as median (lowest to highest of ${ROUNDS} rounds)`);
  for (const product of CASES) {
    const { name, form, m, n, k, count } = product;
    const rates = measure(prepare(backend, product), product);
    const [low, median, high] = [0, ROUNDS >> 1, ROUNDS - 1].map((i) => rates[i].toFixed(1));
    const shape = `${count > 1 ? `${count} of ` : ""}${m} x ${n} x ${k}`;
    console.log(
      `  ${form} ${name.padEnd(9)} ${shape.padEnd(22)} ${median.padStart(6)} (${low} to ${high})`,
    );
  }
}

const asked = process.argv.slice(2);
console.log(`Node ${process.version}, sizes as m x n x k`);
const names: readonly KernelVariant[] = ["revectorized", ...availableVariants()];
for (const variant of names.filter((name) =>
  asked.length === 0 ? name !== "revectorized" : asked.includes(name),
))
  report(variant);
