/**
 * Times the operations beside the product at the sizes of a BERT-mini training step.
 * Usage: npx tsx bench/kernels.ts [auto|scalar|simd|fma]
 */
import { nextUnit, openStream } from "../src/core/random.ts";
import { type Backend, type BackendOptions, createBackend } from "../src/kernels/backend.ts";
import type { AdamWConstants, DropoutKey, Kernels } from "../src/kernels/table.ts";

const WARM_UP_RUNS = 5;
const TIMED_RUNS = 21;

/** Sizes of the arrays that a case needs, and what it runs on them. */
interface Case {
  readonly name: string;
  readonly arrays: readonly number[];
  readonly run: (kernels: Kernels, arrays: readonly Float32Array[]) => void;
}

const MEBI = 1024 * 1024;
const HIDDEN = 256;
const TOKENS = 1024;
const VOCABULARY = 30522;
const PARAMETERS = 11_171_072;
const KEY: DropoutKey = { seedLow: 42, seedHigh: 0, step: 1, operation: 1024 };
const ADAMW: AdamWConstants = {
  learningRate: 1e-5,
  beta1: 0.9,
  beta2: 0.999,
  epsilon: 1e-8,
  weightDecay: 0.01,
  c1: 0.1,
  c2: 0.001,
};

/** Attention of `batch` examples of `positions` tokens in four heads. */
function softmaxCase(batch: number, positions: number): Case {
  const size = batch * 4 * positions * positions;
  return {
    name: `attention softmax ${batch * 4 * positions} x ${positions}`,
    arrays: [size, batch * positions, size],
    run: (k, [x, bias, y]) => {
      const rows = 4 * positions;
      for (let b = 0; b < batch; b++) {
        const [offset, biasOffset] = [b * rows * positions, b * positions];
        k.attentionSoftmaxForward(x, bias, 0.125, y, offset, biasOffset, rows, positions);
      }
    },
  };
}

function dropoutCase(rows: number, columns: number): Case {
  return {
    name: `dropout ${rows} x ${columns}`,
    arrays: [rows * columns, rows * columns],
    run: (k, [x, y]) => k.dropout(x, y, 0, rows, columns, 0, 1024, 0.1, KEY, 0),
  };
}

function idsOf(count: number): Int32Array {
  return Int32Array.from({ length: count }, (_, i) => (i * 7919) % VOCABULARY);
}

function cases({ memory }: Backend): readonly Case[] {
  const idRegion = memory.allocate(TOKENS);
  memory.int32(idRegion).set(idsOf(TOKENS));
  const ids = (): Int32Array => memory.int32(idRegion);
  const dense = TOKENS * HIDDEN;
  const table = VOCABULARY * HIDDEN;
  const vector = [MEBI, MEBI];
  return [
    { name: "GELU 1 Mi", arrays: vector, run: (k, [x, y]) => k.geluForward(x, y) },
    {
      name: "GELU backward 1 Mi",
      arrays: [...vector, MEBI],
      run: (k, [x, dy, dx]) => k.geluBackward(x, dy, dx),
    },
    { name: "tanh 1 Mi", arrays: vector, run: (k, [x, y]) => k.tanhForward(x, y) },
    softmaxCase(16, 128),
    softmaxCase(16, 61),
    {
      name: "attention softmax backward 8192 x 128",
      arrays: [MEBI, MEBI, MEBI],
      run: (k, [p, dP, dS]) => k.attentionSoftmaxBackward(p, dP, 0.125, dS, 0, 8192, 128),
    },
    {
      name: "layer norm with residual 1024 x 256",
      arrays: [dense, dense, HIDDEN, HIDDEN, dense, dense, TOKENS],
      run: (k, [x, residual, gamma, beta, y, xhat, rstd]) =>
        k.layerNormForward(x, residual, gamma, beta, 1e-12, y, xhat, rstd, TOKENS, HIDDEN),
    },
    {
      name: "layer norm backward 1024 x 256",
      arrays: [dense, dense, TOKENS, HIDDEN, dense, HIDDEN, HIDDEN],
      run: (k, [dy, xhat, rstd, gamma, dx, dGamma, dBeta]) =>
        k.layerNormBackward(dy, xhat, rstd, gamma, dx, dGamma, dBeta, TOKENS, HIDDEN),
    },
    dropoutCase(4096, 256),
    dropoutCase(17189, 61),
    {
      name: "AdamW (torch) 11.17 M",
      arrays: [PARAMETERS, PARAMETERS, PARAMETERS, PARAMETERS],
      run: (k, [p, g, m, v]) => k.adamwTorch(p, g, m, v, ADAMW),
    },
    {
      name: "AdamW (transformers) 11.17 M",
      arrays: [PARAMETERS, PARAMETERS, PARAMETERS, PARAMETERS],
      run: (k, [p, g, m, v]) => k.adamwTransformers(p, g, m, v, ADAMW),
    },
    {
      name: "gather rows 1024 x 256",
      arrays: [table, dense],
      run: (k, [rows, y]) => k.gatherRows(rows, ids(), y, HIDDEN, false),
    },
    {
      name: "scatter-add rows 1024 x 256",
      arrays: [dense, table],
      run: (k, [dy, rows]) => k.scatterAddRows(dy, ids(), rows, HIDDEN),
    },
    { name: "fill 7.8 M", arrays: [table], run: (k, [y]) => k.fill(y, 0) },
    {
      name: "add bias 1024 x 1024",
      arrays: [MEBI, 1024],
      run: (k, [y, bias]) => k.addBias(y, bias, 1024, 1024),
    },
    {
      name: "add column sums 1024 x 1024",
      arrays: [MEBI, 1024],
      run: (k, [x, out]) => k.addColumnSums(x, out, 1024, 1024),
    },
    { name: "add 1 Mi", arrays: [MEBI, MEBI, MEBI], run: (k, [a, b, y]) => k.add(a, b, y) },
    {
      name: "sum of squared differences 1 Mi",
      arrays: vector,
      run: (k, [a, b]) => k.sumSquaredDifference(a, b),
    },
  ];
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
}

/** Median milliseconds of a case on seeded random arrays in (0, 1). */
function time({ kernels, memory }: Backend, { arrays, run }: Case): number {
  const regions = arrays.map((length) => memory.allocate(length));
  const views = regions.map((region) => memory.float32(region));
  const stream = openStream(1, 1);
  const pattern = Float32Array.from({ length: 4096 }, () => nextUnit(stream));
  for (const view of views) {
    for (let i = 0; i < view.length; i++) view[i] = pattern[i % pattern.length];
  }
  for (let i = 0; i < WARM_UP_RUNS; i++) run(kernels, views);
  const times = Array.from({ length: TIMED_RUNS }, () => {
    const start = performance.now();
    run(kernels, views);
    return performance.now() - start;
  });
  for (const region of regions) memory.free(region);
  return median(times);
}

const variant = (process.argv[2] ?? "auto") as NonNullable<BackendOptions["variant"]>;
const backend = createBackend({ variant });
console.log(`${backend.kernels.variant}, median of ${TIMED_RUNS} runs`);
for (const one of cases(backend)) {
  console.log(`${one.name.padEnd(40)} ${time(backend, one).toFixed(3).padStart(8)} ms`);
}
