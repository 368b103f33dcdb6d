/**
 * Whole models at inference: BERT-mini and the shapes of DistilBERT and BERT-base, dense and pruned to several patterns,
 * with the executions of the cost model, compared with other engines on the dense BERT-mini.
 */
import type { KernelVariant } from "../src/kernels/table.ts";
import { type ModelConfig, parseModelConfigOrThrow } from "../src/model/config.ts";
import { type NamedValues, parameterList } from "../src/model/parameters.ts";
import { createNodeBackend } from "../src/node/threaded-backend.ts";
import { createSparseClassifier } from "../src/sparse/classifier.ts";
import {
  type BenchContext,
  type Benchmark,
  type Cell,
  type PeerScript,
  type Subject,
  takeTurns,
} from "./benchmark.ts";
import { ratiosOf, spreadOf } from "./measure.ts";
import { fillNormal, unitAt } from "./values.ts";
import { bertMini, fullBatch, randomBatch, sentenceLengths } from "./workload.ts";

const BASE = { vocab_size: 30522, max_position_embeddings: 512 };

const MODELS: Readonly<Record<string, ModelConfig>> = {
  "BERT-mini": bertMini(),
  DistilBERT: parseModelConfigOrThrow({ ...BASE, model_type: "distilbert" }),
  "BERT-base": parseModelConfigOrThrow({ ...BASE, model_type: "bert" }),
};

/** The pattern of a model, and the share of zeros in the linear layers of its encoder. */
interface Pruned {
  readonly pattern: "dense" | "4x1" | "8x1" | "2:4" | "1xchannel";
  readonly sparsity: number;
}

/** Texts of these lengths. */
interface Batch {
  readonly name: string;
  readonly lengths: readonly number[];
  /** Tokens for which executions are chosen. Default: the library's default. */
  readonly tokens?: number;
}

interface Case {
  readonly model: string;
  readonly batch: Batch;
  readonly pruned: readonly Pruned[];
  readonly rounds: number;
}

const DENSE: Pruned = { pattern: "dense", sparsity: 0 };
const FOUR_BY_ONE = [0.5, 0.8, 0.9, 0.95].map((sparsity): Pruned => ({ pattern: "4x1", sparsity }));
const OTHERS: readonly Pruned[] = [
  { pattern: "8x1", sparsity: 0.9 },
  { pattern: "2:4", sparsity: 0.5 },
  { pattern: "1xchannel", sparsity: 0.5 },
];

/** The measured forms of BERT-mini. */
export const PRUNED_MODELS: readonly Pruned[] = [DENSE, ...FOUR_BY_ONE, ...OTHERS];

/** A batch without padding. Executions are chosen for its number of tokens. */
function full(examples: number, length: number): Batch {
  const tokens = examples * length;
  return { name: `${examples}x${length}`, lengths: fullBatch(examples, length), tokens };
}

/** Sentences of many lengths, as in commands: tiles are not full, and executions are the default. */
const SENTENCES: Batch = { name: "32 sentences", lengths: sentenceLengths(32) };

const CASES: readonly Case[] = [
  { model: "BERT-mini", batch: full(32, 64), pruned: PRUNED_MODELS, rounds: 9 },
  { model: "BERT-mini", batch: full(1, 32), pruned: PRUNED_MODELS, rounds: 25 },
  { model: "BERT-mini", batch: full(32, 16), pruned: [DENSE, ...FOUR_BY_ONE], rounds: 9 },
  { model: "BERT-mini", batch: full(32, 128), pruned: [DENSE, ...FOUR_BY_ONE], rounds: 7 },
  { model: "BERT-mini", batch: SENTENCES, pruned: [DENSE, ...FOUR_BY_ONE], rounds: 9 },
  { model: "DistilBERT", batch: full(1, 128), pruned: [DENSE, ...FOUR_BY_ONE.slice(1)], rounds: 7 },
  { model: "BERT-base", batch: full(1, 128), pruned: [DENSE, ...FOUR_BY_ONE.slice(1)], rounds: 7 },
];

const WARM_UP = 3;

/** Whether a weight is kept: at random for each block. */
function isKept({ pattern, sparsity }: Pruned, row: number, column: number, columns: number) {
  const chance = (place: number): boolean => unitAt(place) >= sparsity;
  switch (pattern) {
    case "dense":
      return true;
    case "4x1":
      return chance(Math.floor(row / 4) * columns + column);
    case "8x1":
      return chance(Math.floor(row / 8) * columns + column);
    case "2:4":
      // Two neighbours of every four, at a random position.
      return (column + Math.floor(4 * unitAt(row * columns + column - (column % 4)))) % 4 < 2;
    case "1xchannel":
      return chance(row);
    default:
      return pattern satisfies never;
  }
}

/** Seeded values of a parameter; linear weights of the encoder are pruned. */
export function prunedReader(config: ModelConfig, pruned: Pruned): (name: string) => NamedValues {
  const list = new Map(parameterList(config).map((one) => [one.name, one]));
  return (name) => {
    const one = list.get(name);
    if (one === undefined) throw new RangeError(`${name}: expected a parameter, got none`);
    const { shape, module, role } = one;
    const data = new Float32Array(shape.reduce((product, extent) => product * extent, 1));
    fillNormal(data, 0.02, name.length);
    const columns = shape[1] ?? 1;
    if (role === "weight" && module.kind === "linear" && /\.layer\./.test(name))
      for (let i = 0; i < data.length; i++)
        if (!isKept(pruned, Math.floor(i / columns), i % columns, columns)) data[i] = 0;
    if (module.kind === "layerNorm" && role === "weight") data.fill(1);
    return { shape, data };
  };
}

/** This library on a batch. */
async function ownSubject(
  variant: KernelVariant,
  threads: number,
  config: ModelConfig,
  pruned: Pruned,
  { lengths, tokens }: Batch,
): Promise<Subject<"forward">> {
  const backend = await createNodeBackend({ variant, threads });
  const classifier = createSparseClassifier(backend, config, prunedReader(config, pruned), {
    ...(tokens === undefined ? {} : { tokens }),
    ...(pruned.pattern === "dense" ? { executions: "dense" } : {}),
  });
  const batch = randomBatch(lengths, config.vocabularySize);
  return {
    name: variant,
    threads,
    kinds: ["forward"] as const,
    time: () => {
      const start = performance.now();
      classifier.logits(batch);
      return performance.now() - start;
    },
    stop: () => {
      classifier.release();
      backend.stop();
    },
  };
}

/** Engines that compute BERT-mini densely, on one thread. */
const PEERS: readonly { readonly script: PeerScript; readonly more?: object }[] = [
  { script: "training_step.py" },
  { script: "tfjs.mjs" },
  { script: "onnxruntime.mjs", more: { runtime: "web" } },
  { script: "onnxruntime.mjs", more: { runtime: "node" } },
];

async function startPeers(
  context: BenchContext,
  { model, batch: { lengths } }: Case,
  subjects: Subject<"forward">[],
): Promise<void> {
  if (model !== "BERT-mini") return;
  const vocabulary = BASE.vocab_size;
  for (const { script, more } of PEERS) {
    const peer = await context.startPeer(script, { threads: 1, lengths, vocabulary, ...more });
    if (peer === undefined) continue;
    const time = (): Promise<number> => peer.time("forward");
    subjects.push({ name: peer.name, threads: 1, kinds: ["forward"], time, stop: peer.stop });
  }
}

async function measure(
  context: BenchContext,
  variant: KernelVariant,
  one: Case,
): Promise<readonly (readonly Cell[])[]> {
  const config = MODELS[one.model] ?? bertMini();
  const subjects: Subject<"forward">[] = [];
  try {
    for (const pruned of one.pruned)
      subjects.push(await ownSubject(variant, 1, config, pruned, one.batch));
    const own = subjects.length;
    await startPeers(context, one, subjects);
    const { rounds } = one;
    const times = await takeTurns(context, subjects, { rounds, warmUp: WARM_UP });
    const forward = times.map((time) => time.get("forward") ?? []);
    const dense = forward[0] ?? [];
    const native = subjects.findIndex(({ name }) => name.startsWith("onnxruntime-node"));
    const onnx = native < own ? undefined : forward[native];
    return subjects.map((subject, i): readonly Cell[] => {
      const pruned = one.pruned[i];
      const name = pruned === undefined ? subject.name : `${subject.name} ${pruned.pattern}`;
      return [
        ...[one.model, one.batch.name, name, pruned?.sparsity ?? null],
        ...[spreadOf(forward[i]), ratiosOf(dense, forward[i])],
        onnx === undefined ? null : ratiosOf(onnx, forward[i]),
      ];
    });
  } finally {
    for (const { stop } of subjects) stop();
  }
}

/** Whole models at inference, dense and pruned, compared with other engines. */
export const inferenceBenchmark: Benchmark = {
  run: async (context) => {
    const rows: (readonly Cell[])[] = [];
    for (const variant of context.variants)
      for (const one of CASES) {
        context.say(`${variant}: ${one.model}, ${one.batch.name}`);
        rows.push(...(await measure(context, variant, one)));
      }
    const columns = [
      ...[{ name: "model" }, { name: "batch" }, { name: "subject" }],
      ...[
        { name: "sparsity", digits: 2 },
        { name: "ms", digits: 2 },
      ],
      ...[
        { name: "speed over own dense", digits: 2 },
        { name: "speed over onnxruntime-node", digits: 2 },
      ],
    ];
    return { tables: [{ title: "A forward pass, one thread", columns, rows }], plots: [] };
  },
};
