/**
 * Time and memory of one global mask step (snip_momentum scores, threshold, 4x1 masks, zeroed weights) through
 * the public reducer, over the linear layers of BERT-mini and of BERT-base's encoder, side by side with the same
 * step in PyTorch where that is installed.
 *
 * Usage: npx tsx bench/mask-step.ts [mini|base] [--json]
 */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type Backend, createBackend } from "../src/kernels/backend.ts";
import type { Profile } from "../src/prune/config.ts";
import { initialisePruning } from "../src/prune/initialise.ts";
import type { LayerRecord } from "../src/prune/layer.ts";
import { parsePruningConfigOrThrow } from "../src/prune/parse.ts";
import {
  createPruningScratch,
  onAfterOptimizerStepInto,
  onBeforeOptimizerStepInto,
  onStepBeginInto,
} from "../src/prune/pipeline.ts";
import { createPruningKernels } from "../src/train/pruning-kernels.ts";
import { formatSpread, formatTable, ratiosOf, type Spread, spreadOf } from "./measure.ts";
import { startPeer, UNTRIMMED_HEAP } from "./peers/peer.ts";
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

/** Makes arrays of zeros: in WASM memory, where a training run has them, or in memory of their own. */
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

/** Sets a run up and returns a function that times its next prune step and tells the share it pruned. */
function prepare(
  subject: Subject,
  shapes: readonly Shape[],
  profile: Profile,
): () => { time: number; ratio: number } {
  const backend = createBackend();
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
    end_step: ROUNDS + WARM_UP,
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
  // The first prune step has nothing to prune; the next ones make the scratch and let the engine compile.
  for (let i = 0; i < WARM_UP; i++) round();
  return round;
}

interface Measurement {
  readonly model: ModelName;
  readonly profile: Profile;
  readonly subject: string;
  /** Milliseconds. */
  readonly time: Spread;
  readonly ratio: Spread | null;
  /** Peak memory over that of weights and gradients. */
  readonly memory: number | null;
}

/** Peak memory of a run in a process of its own, over that of its weights and gradients. */
function memoryOf(subject: Subject, model: ModelName, profile: Profile): number {
  const arguments_ = [...process.execArgv, fileURLToPath(import.meta.url)];
  const child = spawnSync(process.execPath, [...arguments_, "--memory", subject, model, profile], {
    encoding: "utf8",
  });
  return Number(child.stdout);
}

/**
 * Bytes that this process has had in memory at most. What the system says of resources used (getrusage) is at
 * least what the parent had when it started this process, so Linux is asked for the address space's own.
 */
function peakMemory(): number {
  try {
    const [, kilobytes] = /VmHWM:\s*(\d+)/.exec(readFileSync("/proc/self/status", "utf8")) ?? [];
    return Number(kilobytes) * 1024;
  } catch {
    return process.resourceUsage().maxRSS * 1024;
  }
}

/** The child's part of {@link memoryOf}. */
function reportMemory(subject: Subject, model: ModelName, profile: Profile): void {
  const before = peakMemory();
  const round = prepare(subject, MODELS[model], profile);
  for (let i = 0; i < 3; i++) round();
  const peak = peakMemory() - before;
  process.stdout.write(String(peak / (8 * elementsOf(MODELS[model]))));
}

async function measure(model: ModelName, profile: Profile): Promise<Measurement[]> {
  const shapes = MODELS[model];
  const peer = await startPeer("mask_step.py", { seed: SEED, shapes }, UNTRIMMED_HEAP);
  const runs = SUBJECTS.map((subject) => ({
    subject,
    round: prepare(subject, shapes, profile),
    times: [] as number[],
  }));
  const peerTimes: number[] = [];
  await peer?.time(0.1);
  for (let i = 0; i < ROUNDS; i++) {
    let target = 0;
    for (const { round, times } of runs) {
      const { time, ratio } = round();
      times.push(time);
      target = ratio;
    }
    if (peer !== undefined) peerTimes.push(await peer.time(target));
  }
  peer?.stop();
  const measured = runs.map(({ subject, times }): Measurement => {
    const ratio = peer === undefined ? null : ratiosOf(times, peerTimes);
    const memory = model === "base" ? memoryOf(subject, model, profile) : null;
    return { model, profile, subject, time: spreadOf(times), ratio, memory };
  });
  if (peer === undefined) return measured;
  const time = spreadOf(peerTimes);
  return [...measured, { model, profile, subject: peer.name, time, ratio: null, memory: null }];
}

function row({ model, profile, subject, time, ratio, memory }: Measurement): string[] {
  return [
    model,
    profile,
    subject,
    formatSpread(time, 1),
    ratio === null ? "" : formatSpread(ratio, 2),
    memory === null ? "" : memory.toFixed(2),
  ];
}

async function main(): Promise<void> {
  const asked = process.argv.slice(2);
  if (asked[0] === "--memory") {
    reportMemory(asked[1] as Subject, asked[2] as ModelName, asked[3] as Profile);
    return;
  }
  const models = (["mini", "base"] as const).filter((name) => asked.includes(name));
  const results: Measurement[] = [];
  for (const model of models.length === 0 ? (["mini", "base"] as const) : models)
    for (const profile of PROFILES) results.push(...(await measure(model, profile)));
  if (asked.includes("--json")) {
    console.log(JSON.stringify({ node: process.version, rounds: ROUNDS, results }));
    return;
  }
  console.log(`Node ${process.version}, ${ROUNDS} rounds: median (lowest to highest)`);
  const heading = ["model", "profile", "subject", "ms", "of torch's time", "peak memory"];
  console.log(formatTable([heading, ...results.map(row)]));
}

await main();
