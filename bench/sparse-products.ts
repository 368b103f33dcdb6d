/**
 * Products with 4x1-sparse weights in training, compared with dense products, for the layers of BERT-mini and BERT-base
 * and several densities.
 */
import { nextUnit, openStream } from "../src/core/random.ts";
import { type Backend, createBackend } from "../src/kernels/backend.ts";
import { shardsOf } from "../src/kernels/block-sparse.ts";
import {
  createBlockSparseWeight,
  keptBlocks,
  matrixOf,
  releaseBlockSparseWeight,
} from "../src/tensor/block-sparse-weight.ts";
import { createTensor, type Tensor } from "../src/tensor/tensor.ts";
import { type BenchContext, type Benchmark, type Cell, takeTurns } from "./benchmark.ts";
import { type LinearLayer, productSubject } from "./linear-layer.ts";
import { ratiosOf, spreadOf } from "./measure.ts";
import { fillNormal } from "./values.ts";

const SEED = 1;

const LAYERS: readonly LinearLayer[] = [
  { outputs: 256, inputs: 256, tokens: 1024 },
  { outputs: 1024, inputs: 256, tokens: 1024 },
  { outputs: 256, inputs: 1024, tokens: 1024 },
  { outputs: 768, inputs: 768, tokens: 256 },
  { outputs: 3072, inputs: 768, tokens: 256 },
  { outputs: 768, inputs: 3072, tokens: 256 },
];
const DENSITIES = [0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8];
const ROUNDS = 9;

function randomTensor(backend: Backend, rows: number, columns: number, seed: number): Tensor {
  const tensor = createTensor(backend, [rows, columns]);
  fillNormal(tensor.data, 1, seed);
  return tensor;
}

/** A mask of 4x1 blocks that are kept at random. */
function blockMask({ outputs, inputs }: LinearLayer, density: number): Uint8Array {
  const stream = openStream(SEED, 0);
  const mask = new Uint8Array(outputs * inputs);
  for (let row = 0; row < outputs; row += 4) {
    for (let input = 0; input < inputs; input++) {
      const bit = nextUnit(stream) < density ? 1 : 0;
      for (let r = 0; r < 4; r++) mask[(row + r) * inputs + input] = bit;
    }
  }
  return mask;
}

async function measure(
  context: BenchContext,
  backend: Backend,
  layer: LinearLayer,
): Promise<readonly (readonly Cell[])[]> {
  const { outputs, inputs, tokens } = layer;
  const { kernels } = backend;
  const [x, dy] = [
    randomTensor(backend, tokens, inputs, 1),
    randomTensor(backend, tokens, outputs, 2),
  ];
  const weight = randomTensor(backend, outputs, inputs, 3);
  const bias = randomTensor(backend, 1, outputs, 4);
  const [y, dx] = [createTensor(backend, dy.shape), createTensor(backend, x.shape)];
  const dWeight = createTensor(backend, weight.shape);
  const results: (readonly Cell[])[] = [];
  for (const density of DENSITIES) {
    const blocks = keptBlocks(weight.shape, [blockMask(layer, density)]);
    const sparse = createBlockSparseWeight(backend, blocks, weight);
    const sums = createTensor(backend, [shardsOf(tokens), sparse.blocks, 4]);
    const [m, n, k] = [tokens, outputs, inputs];
    const [xs, dys, ws, bs] = [x.data, dy.data, weight.data, bias.data];
    const [ys, dxs, dws] = [y.data, dx.data, dWeight.data];
    const [matrix, tile] = [matrixOf(sparse), sparse.tile.data];
    const products: Readonly<Record<string, readonly [dense: () => void, sparse: () => void]>> = {
      forward: [
        () => {
          kernels.gemm("nt", m, n, k, xs, 0, k, ws, 0, k, ys, 0, n, false);
          kernels.addBias(ys, bs, m, n);
        },
        () => kernels.blockSparseForward(xs, matrix, bs, ys, 0, m, tile),
      ],
      "input gradient": [
        () => kernels.gemm("nn", m, k, n, dys, 0, n, ws, 0, k, dxs, 0, k, false),
        () => kernels.blockSparseInputGradient(dys, matrix, dxs, false, 0, m, tile),
      ],
      "weight gradient": [
        () => kernels.gemm("tn", n, k, m, dys, 0, n, xs, 0, k, dws, 0, k, true),
        () => {
          kernels.blockSparseWeightSums(dys, xs, matrix, m, sums.data, tile);
          kernels.blockSparseAddSums(sums.data, shardsOf(m), matrix, dws);
        },
      ],
    };
    for (const [product, runs] of Object.entries(products)) {
      const subjects = runs.map((run, i) => productSubject(i === 0 ? "dense" : "sparse", run));
      const times = await takeTurns(context, subjects, { rounds: ROUNDS, warmUp: 2 });
      const [dense, other] = times.map((one) => one.get("run") ?? []);
      const shape = `${outputs} x ${inputs}`;
      results.push([shape, product, density, spreadOf(dense), ratiosOf(other, dense)]);
    }
    sums.release();
    releaseBlockSparseWeight(sparse);
  }
  for (const tensor of [x, dy, weight, bias, y, dx, dWeight]) tensor.release();
  return results;
}

/** Products with 4x1-sparse weights compared with dense ones, by share of kept blocks. */
export const sparseProductsBenchmark: Benchmark = {
  run: async (context) => {
    const [variant] = context.variants;
    const rows: (readonly Cell[])[] = [];
    for (const layer of LAYERS) {
      context.say(`${layer.outputs} x ${layer.inputs}`);
      rows.push(...(await measure(context, createBackend({ variant }), layer)));
    }
    const columns = [
      ...[{ name: "outputs x inputs" }, { name: "product" }, { name: "kept", digits: 2 }],
      ...[
        { name: "dense, ms", digits: 2 },
        { name: "share of the dense time", digits: 2 },
      ],
    ];
    return {
      tables: [{ title: `Products of linear layers, ${variant}, one thread`, columns, rows }],
      plots: [],
    };
  },
};
