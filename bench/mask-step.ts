/**
 * Time and memory of one global mask step (snip_momentum scores, threshold, 4x1 masks, zeroed weights) through the
 * public reducer, for the linear layers of the encoders of BERT-mini and BERT-base, compared with PyTorch.
 */
import { type Backend, createBackend } from "../src/kernels/backend.ts";
import type { KernelVariant } from "../src/kernels/table.ts";
import type { Profile } from "../src/prune/config.ts";
import {
  createPruningScratch,
  onAfterOptimizerStepInto,
  onBeforeOptimizerStepInto,
  onStepBeginInto,
} from "../src/prune/hooks.ts";
import { initialisePruning } from "../src/prune/initialise.ts";
import type { LayerRecord } from "../src/prune/layer.ts";
import { parsePruningConfigOrThrow } from "../src/prune/parse.ts";
import { createPruningKernels } from "../src/train/pruning.ts";
import type { BenchContext, Benchmark, Cell } from "./benchmark.ts";
import { ratiosOf, spreadOf } from "./measure.ts";
import { peakMemory } from "./memory.ts";
import { fillNormal } from "./values.ts";

const ROUNDS = 15;
const WARM_UP = 4;
const SEED = 1;
const SUBJECTS = ["javascript", "wasm", "wasm, own arrays"] as const;
const PROFILES = ["inc", "strict"] as const;

type Subject = (typeof SUBJECTS)[number];
type Shape = readonly [rows: number, columns: number];
type ModelName = keyof typeof MODELS;

function encoder(layers: number, hidden: number): readonly Shape[] {
  const square: Shape = [hidden, hidden];
  const block: readonly Shape[] = [
    ...[square, square, square, square],
    [4 * hidden, hidden],
    [hidden, 4 * hidden],
  ];
  return Array.from({ length: layers }, () => block).flat();
}

const MODELS = { mini: encoder(4, 256), base: encoder(12, 768) } as const;

function elementsOf(shapes: readonly Shape[]): number {
  return shapes.reduce((sum, [rows, columns]) => sum + rows * columns, 0);
}

/** Makes arrays of zeros: in WASM memory, as in a training run, or as plain arrays. */
function allocator(subject: Subject, { memory }: Backend): (length: number) => () => Float32Array {
  if (subject !== "wasm")
    return (length) => {
      const values = new Float32Array(length);
      return () => values;
    };
  return (length) => {
    const region = memory.allocate(length);
    return () => memory.float32(region);
  };
}

/** A run: the loops, the kernels, the layers and the rounds. */
interface Run {
  readonly subject: Subject;
  readonly variant: KernelVariant;
  readonly model: ModelName;
  readonly profile: Profile;
  readonly rounds: number;
}

/** Prepares a run. Returns a function that times the next prune step and returns the pruned share. */
function prepare({
  subject,
  variant,
  model,
  profile,
  rounds,
}: Run): () => { time: number; ratio: number } {
  const shapes = MODELS[model];
  const backend = createBackend({ variant });
  const kernels = subject === "javascript" ? undefined : createPruningKernels(backend);
  const allocate = allocator(subject, backend);
  const arrays = shapes.map(([rows, columns], i) => {
    const [weight, gradient] = [allocate(rows * columns), allocate(rows * columns)];
    fillNormal(weight(), 0.02, 2 * i);
    fillNormal(gradient(), 0.001, 2 * i + 1);
    return { weight, gradient };
  });
  const layers = shapes.map(
    (shape, i): LayerRecord => ({
      name: `layer${i}`,
      kind: "linear",
      shape,
      data: arrays[i].weight(),
      gradient: arrays[i].gradient(),
    }),
  );
  const config = parsePruningConfigOrThrow({
    pattern: "4x1",
    pruning_type: "snip_momentum",
    pruning_scope: "global",
    target_sparsity: 0.9,
    start_step: 1,
    end_step: rounds + WARM_UP,
    pruning_frequency: 1,
  });
  let state = initialisePruning(config, layers, { profile, excludeHead: false });
  const scratch = createPruningScratch(state, kernels);
  let step = 0;
  const round = (): { time: number; ratio: number } => {
    state = onStepBeginInto(state, step, layers, scratch);
    const start = performance.now();
    state = onBeforeOptimizerStepInto(state, layers, scratch);
    const scored = performance.now() - start;
    state = onAfterOptimizerStepInto(state, layers, scratch);
    step++;
    const restart = performance.now();
    state = onStepBeginInto(state, step, layers, scratch);
    const time = scored + performance.now() - restart;
    return { time, ratio: state.pruners[0]?.lastEvent?.targetRatio ?? 0 };
  };
  // The first prune step prunes nothing; the next ones create the scratch and warm the engine up.
  for (let i = 0; i < WARM_UP; i++) round();
  return round;
}

/** The probe: peak memory of a run relative to its weights and gradients. */
function memoryOf(run: Run): number {
  const before = peakMemory();
  const round = prepare(run);
  for (let i = 0; i < 3; i++) round();
  return (peakMemory() - before) / (8 * elementsOf(MODELS[run.model]));
}

async function measure(
  context: BenchContext,
  model: ModelName,
  profile: Profile,
): Promise<readonly (readonly Cell[])[]> {
  const rounds = context.rounds ?? ROUNDS;
  const [variant] = context.variants;
  const runs = SUBJECTS.map((subject): Run => ({ subject, variant, model, profile, rounds }));
  const peer = await context.startPeer("mask_step.py", { seed: SEED, shapes: MODELS[model] });
  try {
    const prepared = runs.map((run) => ({ round: prepare(run), times: [] as number[] }));
    const peerTimes: number[] = [];
    await peer?.time("0.1");
    for (let i = 0; i < rounds; i++) {
      context.signal.throwIfAborted();
      let target = 0;
      for (const { round, times } of prepared) {
        const { time, ratio } = round();
        times.push(time);
        target = ratio;
      }
      if (peer !== undefined) peerTimes.push(await peer.time(String(target)));
    }
    const rows: (readonly Cell[])[] = [];
    for (const [i, run] of runs.entries()) {
      const { times } = prepared[i];
      const ratio = peer === undefined ? null : ratiosOf(times, peerTimes);
      // With small weights most memory is the engine's.
      const memory = model === "base" ? await context.probe("mask-step", variant, run) : null;
      rows.push([model, profile, run.subject, spreadOf(times), ratio, memory as number | null]);
    }
    if (peer !== undefined) rows.push([model, profile, peer.name, spreadOf(peerTimes), null, null]);
    return rows;
  } finally {
    peer?.stop();
  }
}

/** Scores, threshold, masks and weights of one global prune step, and their memory. */
export const maskStepBenchmark: Benchmark = {
  probe: (_variant, argument) => memoryOf(argument as Run),
  run: async (context) => {
    const rows: (readonly Cell[])[] = [];
    for (const model of ["mini", "base"] as const)
      for (const profile of PROFILES) {
        context.say(`${model}, ${profile}`);
        rows.push(...(await measure(context, model, profile)));
      }
    const columns = [
      ...[{ name: "model" }, { name: "profile" }, { name: "subject" }],
      ...[
        { name: "ms", digits: 1 },
        { name: "share of torch's time", digits: 2 },
      ],
      { name: "peak memory over weights and gradients", digits: 2 },
    ];
    const title = `One mask step: snip_momentum, 4x1, global, ${context.variants[0]} kernels`;
    return { tables: [{ title, columns, rows }], plots: [] };
  },
};
