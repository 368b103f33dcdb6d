/** All operations except the product, at the sizes of a training step of BERT-mini. */
import { nextUnit, openStream } from "../src/core/random.ts";
import { type Backend, createBackend } from "../src/kernels/backend.ts";
import type { Memory } from "../src/kernels/simd/memory.ts";
import type { AdamWConstants, DropoutKey, Kernels, KernelVariant } from "../src/kernels/table.ts";
import {
  type BenchContext,
  type Benchmark,
  type Cell,
  type Subject,
  takeTurns,
} from "./benchmark.ts";
import { spreadOf } from "./measure.ts";

const ROUNDS = 21;
const WARM_UP = 5;

/** The sizes of a case's arrays, and what it runs on them. */
interface Case {
  readonly name: string;
  readonly arrays: readonly number[];
  readonly run: (kernels: Kernels, arrays: readonly Float32Array[], ids: Int32Array) => void;
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

function makeCases(): readonly Case[] {
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
      run: (k, [rows, y], ids) => k.gatherRows(rows, ids, y, HIDDEN, false),
    },
    {
      name: "scatter-add rows 1024 x 256",
      arrays: [dense, table],
      run: (k, [dy, rows], ids) => k.scatterAddRows(dy, ids, rows, HIDDEN),
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

const CASES = makeCases();

/** Seeded numbers in (0, 1) in a memory. */
function random(memory: Memory, length: number): () => Float32Array {
  const region = memory.allocate(length);
  const stream = openStream(1, 1);
  const pattern = Float32Array.from({ length: 4096 }, () => nextUnit(stream));
  const view = memory.float32(region);
  for (let i = 0; i < length; i++) view[i] = pattern[i % pattern.length];
  return () => memory.float32(region);
}

/** A variant on a case. */
function subjectOf(variant: KernelVariant, { arrays, run }: Case): Subject<"run"> {
  const { kernels, memory }: Backend = createBackend({ variant });
  const made = arrays.map((length) => random(memory, length));
  const idRegion = memory.allocate(TOKENS);
  memory.int32(idRegion).set(idsOf(TOKENS));
  const views = made.map((view) => view());
  const ids = memory.int32(idRegion);
  const time = (): number => {
    const start = performance.now();
    run(kernels, views, ids);
    return performance.now() - start;
  };
  return { name: variant, threads: 1, kinds: ["run"], time, stop: () => undefined };
}

async function measure(context: BenchContext, one: Case): Promise<readonly Cell[]> {
  const subjects = context.variants.map((variant) => subjectOf(variant, one));
  const times = await takeTurns(context, subjects, { rounds: ROUNDS, warmUp: WARM_UP });
  return [one.name, ...times.map((measured) => spreadOf(measured.get("run") ?? []))];
}

/** All operations except the product, at the sizes of a training step. */
export const kernelsBenchmark: Benchmark = {
  run: async (context) => {
    const rows: (readonly Cell[])[] = [];
    for (const one of CASES) {
      context.say(one.name);
      rows.push(await measure(context, one));
    }
    const columns = [
      { name: "operation" },
      ...context.variants.map((variant) => ({ name: `${variant}, ms`, digits: 3 })),
    ];
    return { tables: [{ title: "Operations, one thread", columns, rows }], plots: [] };
  },
};
