/**
 * The memory of a training step: of the process, for tensors, and the allocations of settled steps on the JavaScript
 * heap and in WebAssembly's memory.
 */
import { readFileSync } from "node:fs";
import type { KernelVariant } from "../src/kernels/table.ts";
import { initialiseParameters } from "../src/model/parameters.ts";
import { createNodeBackend } from "../src/node/threaded-backend.ts";
import { createSession } from "../src/train/session.ts";
import { trainingSettings } from "../src/train/settings.ts";
import { trainStepInto } from "../src/train/step.ts";
import { sequenceClassifier } from "../src/train/trainable-model.ts";
import type { BenchContext, Benchmark, Cell } from "./benchmark.ts";
import {
  AXES,
  type Axis,
  type Extents,
  extentsAt,
  growthPlot,
  growthRows,
  workloadOf,
} from "./growth.ts";
import { spreadOf, threadsText } from "./measure.ts";
import { randomBatch } from "./workload.ts";

const MEBI = 2 ** 20;
const KIBI = 2 ** 10;
/** Steps up to the peak, and steps until the engine has optimised the code. */
const FIRST_STEPS = 3;
const SETTLING_STEPS = 200;
const SETTLED_STEPS = 40;

/** A case for a separate process. */
interface Request {
  readonly extents: Extents;
  readonly threads: number;
  /** Whether to continue until steps have settled. */
  readonly settles: boolean;
}

/** Bytes. */
interface Footprint {
  /** The peak of the process, without the memory of Node at the start. */
  readonly peak: number;
  /** Weights, gradients and moments. */
  readonly state: number;
  /** Reserved for tensors at the end of the first steps. */
  readonly tensors: number;
  /** Allocated by each settled step. */
  readonly heap: readonly number[];
  /** Growth of the memory of tensors over these steps. */
  readonly grown: number;
}

/**
 * The peak memory of this process in bytes. getrusage reports at least the memory of the parent when it started this
 * process, so on Linux the value of the address space is used.
 */
export function peakMemory(): number {
  try {
    const [, kilobytes] = /VmHWM:\s*(\d+)/.exec(readFileSync("/proc/self/status", "utf8")) ?? [];
    return Number(kilobytes) * KIBI;
  } catch {
    return process.resourceUsage().maxRSS * KIBI;
  }
}

/** Bytes that settled steps allocate, by the growth of the heap. Steps with a garbage collection are ignored. */
function heapOfSteps(step: () => void): readonly number[] {
  const grown = Array.from({ length: SETTLED_STEPS }, () => {
    const before = process.memoryUsage().heapUsed;
    step();
    return process.memoryUsage().heapUsed - before;
  });
  return grown.filter((bytes) => bytes > 0);
}

async function footprint(variant: KernelVariant, request: Request): Promise<Footprint> {
  const before = peakMemory();
  const { config, lengths } = workloadOf(request.extents);
  const backend = await createNodeBackend({ variant, threads: request.threads });
  const model = sequenceClassifier(config, initialiseParameters(backend, config, 1));
  const session = createSession(backend, model, trainingSettings({ seed: 1 }));
  const batch = randomBatch(lengths, config.vocabularySize);
  const state = backend.memory.usage().used;
  for (let i = 0; i < FIRST_STEPS; i++) trainStepInto(session, batch);
  const peak = peakMemory() - before;
  const tensors = backend.memory.usage().reserved;
  const settling = request.settles ? SETTLING_STEPS : 0;
  for (let i = 0; i < settling; i++) trainStepInto(session, batch);
  const reserved = backend.memory.usage().reserved;
  const heap = request.settles ? heapOfSteps(() => trainStepInto(session, batch)) : [];
  const grown = backend.memory.usage().reserved - reserved;
  backend.stop();
  return { peak, state, tensors, heap, grown };
}

async function measure(context: BenchContext, request: Request): Promise<Footprint> {
  context.signal.throwIfAborted();
  return (await context.probe("memory", context.variants[0], request)) as Footprint;
}

/** Batches for settled steps: 16 x 128, the largest of BERT-mini, and a small one that settles sooner. */
async function settledRows(context: BenchContext): Promise<readonly (readonly Cell[])[]> {
  const rows: (readonly Cell[])[] = [];
  for (const threads of context.threads)
    for (const length of [64, 128]) {
      context.say(`16x${length}, ${threadsText(threads)}`);
      const extents = extentsAt("length", length);
      const { peak, state, tensors, heap, grown } = await measure(context, {
        extents,
        threads,
        settles: true,
      });
      const kibibytes = spreadOf(heap.map((bytes) => bytes / KIBI));
      const memory = [peak / MEBI, state / MEBI, tensors / MEBI];
      rows.push([`16x${length}`, threads, ...memory, kibibytes, grown / KIBI]);
    }
  return rows;
}

/** Memory of a training step, allocations of settled steps, and the growth of both. */
export const memoryBenchmark: Benchmark = {
  probe: (variant, argument) => footprint(variant, argument as Request),
  run: async (context) => {
    const settled = await settledRows(context);
    const rows: (readonly Cell[])[] = [];
    const plots = [];
    const threads = Math.min(...context.threads);
    for (const axis of Object.keys(AXES) as Axis[]) {
      context.say(axis);
      const peaks: number[] = [];
      for (const value of AXES[axis]) {
        const extents = extentsAt(axis, value);
        const { peak } = await measure(context, { extents, threads, settles: false });
        peaks.push(peak / MEBI);
      }
      rows.push(...growthRows(axis, peaks, (peak) => peak));
      plots.push(growthPlot(`Peak memory of a training step against ${axis}, MiB`, axis, peaks));
    }
    return {
      tables: [
        {
          title: `Memory of a training step of BERT-mini, ${context.variants[0]}`,
          columns: [
            ...[{ name: "batch" }, { name: "threads" }],
            { name: "peak beyond Node, MiB", digits: 0 },
            { name: "weights, gradients, moments, MiB", digits: 0 },
            { name: "reserved for tensors, MiB", digits: 0 },
            { name: "JavaScript heap a settled step, KiB", digits: 1 },
            { name: "growth of tensors' memory, KiB", digits: 0 },
          ],
          rows: settled,
        },
        {
          title: "Peak memory beyond Node; one extent of BERT-mini on 16 x 64 tokens changes",
          columns: [
            ...[{ name: "extent" }, { name: "value" }],
            ...[
              { name: "MiB", digits: 0 },
              { name: "exponent", digits: 2 },
            ],
          ],
          rows,
        },
      ],
      plots,
    };
  },
};
