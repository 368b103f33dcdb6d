/**
 * Linear layers of pruned weights at inference on one thread: every execution compared with the dense product of the same
 * kernels and of PyTorch, by pattern, sparsity and shape; and the choice of the cost model.
 */
import { type Backend, createBackend } from "../src/kernels/backend.ts";
import type { LinePlot } from "../src/report/line-plot.ts";
import { type CostModel, chooseExecution, measureCosts } from "../src/sparse/cost-model.ts";
import {
  type FloatExecution,
  formatExecution,
  linearFacts,
  prepareProduct,
} from "../src/sparse/execution.ts";
import { createTensor, type Tensor } from "../src/tensor/tensor.ts";
import { type BenchContext, type Benchmark, type Cell, takeTurns } from "./benchmark.ts";
import { type LinearLayer, PRODUCT_TIME, productSubject } from "./linear-layer.ts";
import { ratiosOf, spreadOf } from "./measure.ts";
import { fillNormal, unitAt } from "./values.ts";

/** Layers of BERT-mini, BERT-base and DistilBERT, with a batch and with a single token. */
const LAYERS: readonly LinearLayer[] = [
  { outputs: 1024, inputs: 256, tokens: 128 },
  { outputs: 256, inputs: 1024, tokens: 128 },
  { outputs: 768, inputs: 768, tokens: 128 },
  { outputs: 3072, inputs: 768, tokens: 128 },
  { outputs: 768, inputs: 768, tokens: 1 },
];

const SPARSITIES = [0.5, 0.8, 0.9, 0.95];
/** The plotted layer, and its lower sparsities, at which dense products are faster. */
const PLOTTED = LAYERS[2] ?? { outputs: 0, inputs: 0, tokens: 0 };
const LOW_SPARSITIES = [0, 0.25];

/** The patterns, and the best execution for each. 2:4 has only one sparsity. */
const PATTERNS: readonly {
  readonly name: string;
  readonly execution: FloatExecution;
  readonly sparsities: readonly number[];
}[] = [
  { name: "1x1", execution: { kind: "blocks", height: 1 }, sparsities: SPARSITIES },
  { name: "2x1", execution: { kind: "blocks", height: 2 }, sparsities: SPARSITIES },
  { name: "4x1", execution: { kind: "blocks", height: 4 }, sparsities: SPARSITIES },
  { name: "8x1", execution: { kind: "blocks", height: 8 }, sparsities: SPARSITIES },
  { name: "16x1", execution: { kind: "blocks", height: 16 }, sparsities: SPARSITIES },
  { name: "2:4", execution: { kind: "blocks", height: 1 }, sparsities: [0.5] },
  { name: "1xchannel", execution: { kind: "compacted" }, sparsities: SPARSITIES },
];

const ROUNDS = 9;
const WARM_UP = 2;

/** Whether a weight is kept: at random for each block, or two of four for 2:4. */
function keeper(pattern: string, sparsity: number, { inputs }: LinearLayer) {
  const chance = (place: number): boolean => unitAt(place) >= sparsity;
  if (pattern === "1xchannel") return (row: number): boolean => chance(row);
  if (pattern === "2:4")
    return (row: number, column: number): boolean => {
      const group = row * inputs + (column - (column % 4));
      const order = [0, 1, 2, 3].sort((a, b) => unitAt(group + a) - unitAt(group + b));
      return order.indexOf(column % 4) >= 2;
    };
  const height = Number.parseInt(pattern, 10);
  return (row: number, column: number): boolean =>
    chance(Math.floor(row / height) * inputs + column);
}

function prunedWeight(pattern: string, sparsity: number, layer: LinearLayer): Float32Array {
  const weight = new Float32Array(layer.outputs * layer.inputs);
  fillNormal(weight, 1, 3);
  const keeps = keeper(pattern, sparsity, layer);
  for (let i = 0; i < weight.length; i++)
    if (!keeps(Math.floor(i / layer.inputs), i % layer.inputs)) weight[i] = 0;
  return weight;
}

/** The arrays of a product. */
interface Operands {
  readonly x: Tensor;
  readonly bias: Tensor;
  readonly y: Tensor;
}

/** The dense product of a weight. */
function denseRun(backend: Backend, layer: LinearLayer, weight: Tensor, { x, bias, y }: Operands) {
  const { kernels } = backend;
  const { tokens: m, outputs: n, inputs: k } = layer;
  return (): void => {
    kernels.gemm("nt", m, n, k, x.data, 0, k, weight.data, 0, k, y.data, 0, n, false);
    kernels.addBias(y.data, bias.data, m, n);
  };
}

async function measure(
  context: BenchContext,
  backend: Backend,
  costs: ReadonlyMap<number, CostModel>,
  layer: LinearLayer,
): Promise<readonly (readonly Cell[])[]> {
  const { outputs, inputs, tokens } = layer;
  const shape = [outputs, inputs] as const;
  const operands: Operands = {
    x: createTensor(backend, [tokens, inputs]),
    bias: createTensor(backend, [outputs]),
    y: createTensor(backend, [tokens, outputs]),
  };
  fillNormal(operands.x.data, 1, 1);
  const model = costs.get(tokens);
  const peer = await context.startPeer("linear.py", { tokens, inputs, outputs });
  const rows: (readonly Cell[])[] = [];
  for (const { name, execution, sparsities } of PATTERNS) {
    const low = layer === PLOTTED && sparsities === SPARSITIES ? LOW_SPARSITIES : [];
    for (const sparsity of [...low, ...sparsities]) {
      const data = prunedWeight(name, sparsity, layer);
      const weight = createTensor(backend, shape, data);
      const run = denseRun(backend, layer, weight, operands);
      const { x, bias, y } = operands;
      const facts = linearFacts(data, shape);
      const chosen = model === undefined ? execution : chooseExecution(model, facts, tokens);
      const prepared = [execution, chosen].map((one) =>
        one.kind === "dense" ? null : prepareProduct(backend, data, shape, one),
      );
      const subjects = [
        productSubject("dense", run),
        ...prepared.map((one) =>
          productSubject("sparse", one === null ? run : () => one.product(x, bias, y, tokens)),
        ),
        ...(peer === undefined
          ? []
          : [
              {
                name: peer.name,
                threads: 1,
                kinds: ["run"] as const,
                time: () => peer.time(String(PRODUCT_TIME)),
                stop: () => undefined,
              },
            ]),
      ];
      const times = await takeTurns(context, subjects, { rounds: ROUNDS, warmUp: WARM_UP });
      const [dense = [], sparse = [], taken = [], theirs] = times.map(
        (one) => one.get("run") ?? [],
      );
      rows.push([
        `${outputs} x ${inputs}`,
        ...[tokens, name, sparsity, spreadOf(dense), ratiosOf(dense, sparse)],
        theirs === undefined ? null : ratiosOf(theirs, sparse),
        ...[formatExecution(chosen), ratiosOf(dense, taken)],
      ]);
      for (const one of prepared) one?.release();
      weight.release();
    }
  }
  peer?.stop();
  for (const tensor of Object.values(operands)) tensor.release();
  return rows;
}

/** The speed of a pattern relative to the dense product of the plotted layer, by sparsity. */
interface Curve {
  readonly pattern: string;
  readonly points: readonly (readonly [sparsity: number, speed: number])[];
}

function curvesOf(rows: readonly (readonly Cell[])[]): readonly Curve[] {
  const shape = `${PLOTTED.outputs} x ${PLOTTED.inputs}`;
  const own = rows.filter(([name, tokens]) => name === shape && tokens === PLOTTED.tokens);
  const names = [...new Set(own.map(([, , pattern]) => String(pattern)))];
  return names
    .map((pattern) => ({
      pattern,
      points: own
        .filter((row) => row[2] === pattern)
        .map(([, , , sparsity, , speed]): readonly [number, number] => [
          Number(sparsity),
          typeof speed === "object" && speed !== null ? speed.median : 0,
        ]),
    }))
    .filter(({ points }) => points.length > 1);
}

function plotOf(variant: string, curves: readonly Curve[]): LinePlot {
  const shape = `${PLOTTED.outputs} x ${PLOTTED.inputs}`;
  return {
    title: `Speed over dense, ${shape}, ${PLOTTED.tokens} tokens, ${variant}`,
    xLabel: "sparsity",
    yRange: { low: 0, high: 0 },
    series: curves.map(({ pattern, points }, color) => ({ name: pattern, color, points })),
  };
}

/** The sparsity from which a pattern is faster than dense, by linear interpolation of its times. */
function breakEven({ points }: Curve): number | null {
  for (const [i, [sparsity, speed]] of points.entries()) {
    if (speed < 1) continue;
    const [before, slower] = points[i - 1] ?? [sparsity, 1];
    if (before === sparsity) return sparsity;
    const [time, longer] = [1 / speed, 1 / slower];
    return before + ((sparsity - before) * (longer - 1)) / (longer - time);
  }
  return null;
}

/** Linear layers of pruned weights at inference, compared with dense ones, by pattern and sparsity. */
export const sparseLinearBenchmark: Benchmark = {
  run: async (context) => {
    const tables = [];
    const plots: LinePlot[] = [];
    const ends: (readonly Cell[])[] = [];
    for (const variant of context.variants) {
      const backend = createBackend({ variant });
      const costs = new Map(
        [...new Set(LAYERS.map(({ tokens }) => tokens))].map((tokens) => [
          tokens,
          measureCosts(backend, tokens),
        ]),
      );
      const rows: (readonly Cell[])[] = [];
      for (const layer of LAYERS) {
        context.say(`${variant}: ${layer.outputs} x ${layer.inputs}, ${layer.tokens} tokens`);
        rows.push(...(await measure(context, backend, costs, layer)));
      }
      const columns = [
        ...[{ name: "outputs x inputs" }, { name: "tokens" }, { name: "pattern" }],
        ...[
          { name: "sparsity", digits: 2 },
          { name: "dense, ms", digits: 3 },
        ],
        ...[
          { name: "speed over dense", digits: 2 },
          { name: "speed over torch dense", digits: 2 },
        ],
        ...[{ name: "the model takes" }, { name: "its speed over dense", digits: 2 }],
      ];
      tables.push({ title: `Linear layers at inference, ${variant}, one thread`, columns, rows });
      const curves = curvesOf(rows);
      plots.push(plotOf(variant, curves));
      for (const curve of curves) ends.push([variant, curve.pattern, breakEven(curve)]);
    }
    const columns = [{ name: "kernels" }, { name: "pattern" }, { name: "sparsity", digits: 2 }];
    tables.push({
      title: "Sparsity from which a pattern is faster than dense",
      columns,
      rows: ends,
    });
    return { tables, plots };
  },
};
