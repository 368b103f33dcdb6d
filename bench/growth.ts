/** Growth of the cost of a training step with sequence length, batch, layers and hidden width. */
import type { LinePlot } from "../src/report/line-plot.ts";
import { type BenchContext, type Benchmark, type Cell, takeTurns } from "./benchmark.ts";
import { spreadOf } from "./measure.ts";
import { bertMini, fullBatch, ownSubject, type Workload } from "./workload.ts";

const ROUNDS = 5;
const WARM_UP = 2;

/** The extents of a training step. By default BERT-mini with 16 sequences of 64 tokens. */
export interface Extents {
  readonly length: number;
  readonly batch: number;
  readonly layers: number;
  readonly hidden: number;
}

/** An extent's name. */
export type Axis = keyof Extents;

/** The step that the others are compared with. */
const BASE: Extents = { length: 64, batch: 16, layers: 4, hidden: 256 };

/** The values that each extent takes. */
export const AXES: Readonly<Record<Axis, readonly number[]>> = {
  length: [16, 32, 64, 128, 256, 512],
  batch: [1, 4, 16, 64],
  layers: [1, 2, 4, 8],
  hidden: [64, 128, 256, 512],
};

/** The base with one extent changed. */
export function extentsAt(axis: Axis, value: number): Extents {
  return { ...BASE, [axis]: value };
}

/** The workload of these extents. */
export function workloadOf({ length, batch, layers, hidden }: Extents): Workload {
  return { config: bertMini({ layers, hidden }), lengths: fullBatch(batch, length) };
}

/** Times of a step along an axis, in turns. */
async function measure(context: BenchContext, axis: Axis): Promise<readonly (readonly number[])[]> {
  const [variant] = context.variants;
  const threads = Math.min(...context.threads);
  const subjects = [];
  for (const value of AXES[axis]) {
    const workload = workloadOf(extentsAt(axis, value));
    const subject = await ownSubject(variant, threads, workload);
    subjects.push({ ...subject, kinds: ["step"] as const });
  }
  try {
    const times = await takeTurns(context, subjects, { rounds: ROUNDS, warmUp: WARM_UP });
    return times.map((one) => one.get("step") ?? []);
  } finally {
    for (const { stop } of subjects) stop();
  }
}

/** The exponent of growth between two points: 1 if the cost is proportional. */
export function growth(from: readonly [number, number], to: readonly [number, number]): number {
  return Math.log(to[1] / from[1]) / Math.log(to[0] / from[0]);
}

/** A row for each value of an axis: the cost, and its growth from the previous value. */
export function growthRows<T extends Cell>(
  axis: Axis,
  costs: readonly T[],
  costOf: (cost: T) => number,
): readonly (readonly Cell[])[] {
  const points = AXES[axis].map((value, i) => [value, costOf(costs[i])] as const);
  return points.map(([value], i) => [
    axis,
    value,
    costs[i],
    i === 0 ? null : growth(points[i - 1], points[i]),
  ]);
}

/** The curve of a cost along an axis. */
export function growthPlot(title: string, axis: Axis, costs: readonly number[]): LinePlot {
  const points = AXES[axis].map((value, i) => [value, costs[i]] as const);
  return {
    title,
    xLabel: axis,
    yRange: { low: 0, high: 0 },
    series: [{ name: axis, color: 0, points }],
  };
}

/** The step's time against sequence length, batch, layers and hidden width. */
export const growthBenchmark: Benchmark = {
  run: async (context) => {
    const rows: (readonly Cell[])[] = [];
    const plots: LinePlot[] = [];
    for (const axis of Object.keys(AXES) as Axis[]) {
      context.say(axis);
      const spreads = (await measure(context, axis)).map(spreadOf);
      rows.push(...growthRows(axis, spreads, ({ median }) => median));
      const medians = spreads.map(({ median }) => median);
      plots.push(growthPlot(`Training step against ${axis}, ms`, axis, medians));
    }
    const columns = [
      ...[{ name: "extent" }, { name: "value" }],
      ...[
        { name: "ms", digits: 1 },
        { name: "exponent", digits: 2 },
      ],
    ];
    const title = `Training step, ${context.variants[0]}; one extent of BERT-mini on 16 x 64 tokens changes`;
    return { tables: [{ title, columns, rows }], plots };
  },
};
