/**
 * Every operation but the product on WASM: turns arrays into addresses and constants into float32. Class
 * logits are too few to be worth a function, and filling is as fast in the engine itself.
 */

import type { KernelModule } from "./kernel-module.ts";
import { scalarKernels } from "./scalar.ts";
import type { AdamWConstants, Kernels } from "./table.ts";

/** A function of the module: addresses, sizes and constants in the order of its definition in wasm/. */
type WasmFunction<Result = void> = (...values: number[]) => Result;

type FunctionName =
  | "add"
  | "addBias"
  | "addColumnSums"
  | "addScaled"
  | "addScaledDifference"
  | "scale"
  | "multiply"
  | "geluForward"
  | "geluBackward"
  | "tanhForward"
  | "tanhBackward"
  | "reluForward"
  | "reluBackward"
  | "attentionSoftmaxForward"
  | "attentionSoftmaxBackward"
  | "layerNormForward"
  | "layerNormResidualForward"
  | "layerNormBackward"
  | "dropout"
  | "gatherRows"
  | "gatherAddRows"
  | "scatterAddRows"
  | "adamwTorch"
  | "adamwTransformers";

interface Wasm {
  readonly run: Readonly<Record<FunctionName, WasmFunction>> & {
    readonly sumSquaredDifference: WasmFunction<number>;
  };
  readonly at: KernelModule["addressOf"];
}

/** The kernels that are not products. */
export function elementwiseKernels(module: KernelModule): Omit<Kernels, "variant" | "gemm"> {
  const wasm: Wasm = {
    run: module.exports as unknown as Wasm["run"],
    at: module.addressOf,
  };
  return {
    fill: scalarKernels.fill,
    softmaxRows: scalarKernels.softmaxRows,
    ...arithmetic(wasm),
    ...activations(wasm),
    ...attentionSoftmax(wasm),
    ...layerNorm(wasm),
    ...dropout(wasm),
    ...embedding(wasm),
    ...adamw(wasm),
  };
}

type ArithmeticName =
  | "add"
  | "addBias"
  | "addColumnSums"
  | "addScaled"
  | "addScaledDifference"
  | "multiply"
  | "scale"
  | "sumSquaredDifference";

function arithmetic({ run, at }: Wasm): Pick<Kernels, ArithmeticName> {
  return {
    add: (a, b, y) => run.add(at(a), at(b), at(y), y.length),
    multiply: (a, b, y) => run.multiply(at(a), at(b), at(y), y.length),
    scale: (x, factor, y) => run.scale(at(x), factor, at(y), y.length),
    addScaled: (x, factor, y) => run.addScaled(at(x), factor, at(y), y.length),
    addBias: (y, bias, rows, columns) => run.addBias(at(y), at(bias), rows, columns),
    addColumnSums: (x, out, rows, columns) => run.addColumnSums(at(x), at(out), rows, columns),
    sumSquaredDifference: (a, b) => run.sumSquaredDifference(at(a), at(b), a.length),
    addScaledDifference: (a, b, factor, da) =>
      run.addScaledDifference(at(a), at(b), factor, at(da), da.length),
  };
}

type ActivationName =
  | "geluForward"
  | "geluBackward"
  | "tanhForward"
  | "tanhBackward"
  | "reluForward"
  | "reluBackward";

function activations({ run, at }: Wasm): Pick<Kernels, ActivationName> {
  return {
    geluForward: (x, y) => run.geluForward(at(x), at(y), y.length),
    geluBackward: (x, dy, dx) => run.geluBackward(at(x), at(dy), at(dx), dx.length),
    tanhForward: (x, y) => run.tanhForward(at(x), at(y), y.length),
    tanhBackward: (y, dy, dx) => run.tanhBackward(at(y), at(dy), at(dx), dx.length),
    reluForward: (x, y) => run.reluForward(at(x), at(y), y.length),
    reluBackward: (y, dy, dx) => run.reluBackward(at(y), at(dy), at(dx), dx.length),
  };
}

type SoftmaxName = "attentionSoftmaxForward" | "attentionSoftmaxBackward";

function attentionSoftmax({ run, at }: Wasm): Pick<Kernels, SoftmaxName> {
  return {
    attentionSoftmaxForward: (scores, keyBias, scale, probabilities, batch, heads, positions) => {
      const rows = heads * positions;
      const exampleBytes = rows * positions * 4;
      for (let example = 0; example < batch; example++) {
        run.attentionSoftmaxForward(
          at(scores) + example * exampleBytes,
          at(keyBias) + example * positions * 4,
          scale,
          at(probabilities) + example * exampleBytes,
          rows,
          positions,
        );
      }
    },
    attentionSoftmaxBackward: (probabilities, dProbabilities, scale, dScores, rows, columns) =>
      run.attentionSoftmaxBackward(
        at(probabilities),
        at(dProbabilities),
        scale,
        at(dScores),
        rows,
        columns,
      ),
  };
}

type LayerNormName = "layerNormForward" | "layerNormBackward";

function layerNorm({ run, at }: Wasm): Pick<Kernels, LayerNormName> {
  return {
    layerNormForward: (x, residual, gamma, beta, epsilon, y, xhat, rstd, rows, columns) => {
      const [forward, residualAddress] =
        residual === null
          ? [run.layerNormForward, 0]
          : [run.layerNormResidualForward, at(residual)];
      forward(
        at(x),
        residualAddress,
        at(gamma),
        at(beta),
        epsilon,
        at(y),
        at(xhat),
        at(rstd),
        rows,
        columns,
      );
    },
    layerNormBackward: (dy, xhat, rstd, gamma, dx, dGamma, dBeta, rows, columns) =>
      run.layerNormBackward(
        at(dy),
        at(xhat),
        at(rstd),
        at(gamma),
        at(dx),
        at(dGamma),
        at(dBeta),
        rows,
        columns,
      ),
  };
}

/** Positions that one Philox block serves on average: four blocks draw for 32. */
const POSITIONS_PER_BLOCK = 8;

function dropout({ run, at }: Wasm): Pick<Kernels, "dropout"> {
  return {
    dropout: (x, y, offset, rows, columns, firstPosition, positionStride, rate, key, example) =>
      run.dropout(
        at(x) + offset * 4,
        at(y) + offset * 4,
        rows,
        columns,
        firstPosition / POSITIONS_PER_BLOCK,
        positionStride / POSITIONS_PER_BLOCK,
        Math.round(rate * 0x10000),
        1 / (1 - rate),
        key.seedLow,
        key.seedHigh,
        key.step,
        key.operation,
        example,
      ),
  };
}

type EmbeddingName = "gatherRows" | "scatterAddRows";

function embedding({ run, at }: Wasm): Pick<Kernels, EmbeddingName> {
  return {
    gatherRows: (table, ids, out, width, accumulate) => {
      const gather = accumulate ? run.gatherAddRows : run.gatherRows;
      gather(at(table), at(ids), at(out), ids.length, width);
    },
    scatterAddRows: (dy, ids, dTable, width) =>
      run.scatterAddRows(at(dTable), at(ids), at(dy), ids.length, width),
  };
}

type AdamWName = "adamwTorch" | "adamwTransformers";

function adamw({ run, at }: Wasm): Pick<Kernels, AdamWName> {
  const update =
    (kernel: WasmFunction, stepSizeOf: (constants: AdamWConstants) => number) =>
    (
      p: Float32Array,
      g: Float32Array,
      m: Float32Array,
      v: Float32Array,
      constants: AdamWConstants,
    ): void => {
      const { learningRate, beta1, beta2, epsilon, weightDecay, c2 } = constants;
      kernel(
        at(p),
        at(g),
        at(m),
        at(v),
        p.length,
        beta1,
        1 - beta1,
        beta2,
        1 - beta2,
        epsilon,
        stepSizeOf(constants),
        1 - learningRate * weightDecay,
        1 / Math.sqrt(c2),
      );
    };
  return {
    adamwTorch: update(run.adamwTorch, ({ learningRate, c1 }) => learningRate / c1),
    adamwTransformers: update(
      run.adamwTransformers,
      ({ learningRate, c1, c2 }) => (learningRate * Math.sqrt(c2)) / c1,
    ),
  };
}
