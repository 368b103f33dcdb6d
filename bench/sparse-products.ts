/**
 * What 4x1-sparse weights save in training: each product of a linear layer from the weight's compressed form beside
 * the dense product, over the layers of BERT-mini and BERT-base and over densities; and the whole training step of
 * BERT-mini, 90 % of its encoder pruned, beside the dense step. Subjects take turns in every round, so that a busy
 * machine slows all of them down.
 *
 * Usage: npx tsx bench/sparse-training.ts [products|step] [simd|fma|scalar] [--json]
 */
import { nextUnit, openStream } from "../src/core/random.ts";
import { type Backend, type BackendOptions, createBackend } from "../src/kernels/backend.ts";
import type { KernelVariant } from "../src/kernels/table.ts";
import { parseModelConfigOrThrow } from "../src/model/config.ts";
import { initialiseParameters } from "../src/model/parameters.ts";
import type { Profile } from "../src/prune/config.ts";
import {
  createBlockSparseWeight,
  keptBlocks,
  matrixOf,
  releaseBlockSparseWeight,
} from "../src/tensor/block-sparse-weight.ts";
import { createTensor, type Tensor } from "../src/tensor/tensor.ts";
import { MODEL_CONFIGS } from "../src/train/model-configs.ts";
import { createSession } from "../src/train/session.ts";
import { trainingSettings } from "../src/train/settings.ts";
import type { SparseProductsSetting } from "../src/train/sparse-switch.ts";
import { trainStepInto } from "../src/train/step.ts";
import { sequenceClassifier } from "../src/train/trainable-model.ts";
import { formatSpread, formatTable, ratiosOf, type Spread, spreadOf } from "./measure.ts";
import { fillNormal } from "./values.ts";

const SEED = 1;

/** A linear layer: [outputs, inputs], and the tokens of a batch. */
interface Layer {
  readonly outputs: number;
  readonly inputs: number;
  readonly tokens: number;
}

const LAYERS: readonly Layer[] = [
  { outputs: 256, inputs: 256, tokens: 1024 },
  { outputs: 1024, inputs: 256, tokens: 1024 },
  { outputs: 256, inputs: 1024, tokens: 1024 },
  { outputs: 768, inputs: 768, tokens: 256 },
  { outputs: 3072, inputs: 768, tokens: 256 },
  { outputs: 768, inputs: 3072, tokens: 256 },
];
const DENSITIES = [0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8];
const PRODUCT_ROUNDS = 9;
/** The least time that a product is run in a round, in milliseconds. */
const PRODUCT_TIME = 4;

interface ProductResult extends Layer {
  readonly product: string;
  readonly density: number;
  /** Milliseconds of the dense product. */
  readonly dense: Spread;
  /** Share of the dense product's time. */
  readonly ratio: Spread;
}

function randomTensor(backend: Backend, rows: number, columns: number, seed: number): Tensor {
  const tensor = createTensor(backend, [rows, columns]);
  fillNormal(tensor.data, 1, seed);
  return tensor;
}

/** A mask of 4x1 blocks that are kept by chance. */
function blockMask({ outputs, inputs }: Layer, density: number): Uint8Array {
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

/** Milliseconds a run, over as many runs as fill {@link PRODUCT_TIME}. */
function timeOf(run: () => void): number {
  const start = performance.now();
  let runs = 0;
  let elapsed = 0;
  while (elapsed < PRODUCT_TIME) {
    run();
    runs++;
    elapsed = performance.now() - start;
  }
  return elapsed / runs;
}

/** Times runs in turn; the first two rounds (compiling, filling caches) are left out. */
function inTurns(rounds: number, runs: readonly (() => number)[]): readonly number[][] {
  const times = runs.map((): number[] => []);
  for (let round = -2; round < rounds; round++) {
    for (const [i, run] of runs.entries()) {
      const time = run();
      if (round >= 0) times[i].push(time);
    }
  }
  return times;
}

function measureProducts(backend: Backend, layer: Layer): readonly ProductResult[] {
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
  const results: ProductResult[] = [];
  for (const density of DENSITIES) {
    const blocks = keptBlocks(weight.shape, [blockMask(layer, density)]);
    const sparse = createBlockSparseWeight(backend, blocks, weight);
    const [m, n, k] = [tokens, outputs, inputs];
    const [xs, dys, ws, bs] = [x.data, dy.data, weight.data, bias.data];
    const [ys, dxs, dws] = [y.data, dx.data, dWeight.data];
    const [matrix, tile, sums] = [matrixOf(sparse), sparse.tile.data, sparse.sums.data];
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
        () => kernels.blockSparseWeightGradient(dys, xs, matrix, dws, m, 0, n / 4, tile, sums),
      ],
    };
    for (const [product, runs] of Object.entries(products)) {
      const [dense, other] = inTurns(
        PRODUCT_ROUNDS,
        runs.map((run) => () => timeOf(run)),
      );
      const ratio = ratiosOf(other, dense);
      results.push({ ...layer, product, density, dense: spreadOf(dense), ratio });
    }
    releaseBlockSparseWeight(sparse);
  }
  for (const tensor of [x, dy, weight, bias, y, dx, dWeight]) tensor.release();
  return results;
}

const BATCH = 16;
const POSITIONS = 64;
const STEP_ROUNDS = 21;
/** Steps up to the last prune step, and one more for the optimizer's first updates. */
const WARM_UP_STEPS = 6;

/** What trains: dense weights, or pruned ones with dense or with compressed products. */
type StepSubject = "dense" | `pruned, ${SparseProductsSetting}`;

const STEP_SUBJECTS: readonly StepSubject[] = ["dense", "pruned, off", "pruned, auto"];

interface StepResult {
  readonly profile: Profile;
  readonly subject: StepSubject;
  /** Milliseconds. */
  readonly time: Spread;
  /** Share of the dense step's time. */
  readonly ratio: Spread;
}

/** A full batch: the same lengths for everyone, so that nothing is padded. */
function fullBatch(vocabulary: number) {
  const count = BATCH * POSITIONS;
  return {
    batch: BATCH,
    positions: POSITIONS,
    inputIds: Int32Array.from({ length: count }, (_, i) => 1 + ((i * 7919) % (vocabulary - 1))),
    tokenTypeIds: new Int32Array(count),
    attentionMask: new Uint8Array(count).fill(1),
    labels: Int32Array.from({ length: BATCH }, (_, i) => i % 2),
  };
}

/** Prepares a training run of BERT-mini beyond its last prune step; gives a function that times its next step. */
function prepareStep(variant: KernelVariant, profile: Profile, subject: StepSubject) {
  const backend = createBackend({ variant });
  const config = parseModelConfigOrThrow(MODEL_CONFIGS["bert-mini"]);
  const model = sequenceClassifier(config, initialiseParameters(backend, config, SEED));
  const pruning = {
    pattern: "4x1",
    pruning_type: "snip_momentum",
    target_sparsity: 0.9,
    end_step: 3,
    excluded_op_names: ["pooler", "classifier"],
  };
  const settings = trainingSettings({
    profile,
    optimizer: { flavour: "transformers", learningRate: 4.5e-4 },
    pruning: subject === "dense" ? null : pruning,
    sparseProducts: subject === "pruned, auto" ? "auto" : "off",
  });
  const session = createSession(backend, model, settings);
  const batch = fullBatch(config.vocabularySize);
  for (let step = 0; step < WARM_UP_STEPS; step++) trainStepInto(session, batch);
  return () => {
    const start = performance.now();
    trainStepInto(session, batch);
    return performance.now() - start;
  };
}

function measureSteps(variant: KernelVariant): readonly StepResult[] {
  return (["inc", "strict"] as const).flatMap((profile) => {
    const runs = STEP_SUBJECTS.map((subject) => prepareStep(variant, profile, subject));
    const times = inTurns(STEP_ROUNDS, runs);
    return STEP_SUBJECTS.map((subject, i) => ({
      profile,
      subject,
      time: spreadOf(times[i]),
      ratio: ratiosOf(times[i], times[0]),
    }));
  });
}

function productTable(results: readonly ProductResult[]): string {
  return formatTable([
    ["outputs x inputs", "product", "kept", "dense ms", "share of the dense time"],
    ...results.map(({ outputs, inputs, product, density, dense, ratio }) => [
      `${outputs} x ${inputs}`,
      product,
      String(density),
      dense.median.toFixed(2),
      formatSpread(ratio, 2),
    ]),
  ]);
}

function stepTable(results: readonly StepResult[]): string {
  return formatTable([
    ["profile", "subject", "ms", "share of the dense time"],
    ...results.map(({ profile, subject, time, ratio }) => [
      profile,
      subject,
      formatSpread(time, 1),
      formatSpread(ratio, 2),
    ]),
  ]);
}

const words = process.argv.slice(2);
const asked = (words.find((word) => ["revectorized", "simd", "fma", "scalar"].includes(word)) ??
  "auto") as NonNullable<BackendOptions["variant"]>;
const { variant } = createBackend({ variant: asked }).kernels;
const layers = words.includes("step") ? [] : LAYERS;
const products = layers.flatMap((layer) => measureProducts(createBackend({ variant }), layer));
const steps = words.includes("products") ? [] : measureSteps(variant);
if (words.includes("--json"))
  console.log(JSON.stringify({ node: process.version, variant, products, steps }));
else {
  console.log(`Node ${process.version}, ${variant}: median (lowest to highest) of rounds`);
  if (products.length > 0) console.log(productTable(products));
  if (steps.length > 0) console.log(stepTable(steps));
}
