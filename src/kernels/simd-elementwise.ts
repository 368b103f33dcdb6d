/**
 * Every operation but the product on WASM: turns arrays into addresses and constants into float32. Class
 * logits are too few to be worth a function, and filling is as fast in the engine itself.
 */

import type { BlockSparseKernels } from "./block-sparse.ts";
import { checkCount, checkIds } from "./extents.ts";
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
  /** The address of an array that a function takes `count` elements of. */
  readonly at: (name: string, array: Float32Array | Int32Array, count: number) => number;
}

/** The kernels that are not products. They refuse arrays that are too short. */
export function elementwiseKernels(
  module: KernelModule,
): Omit<Kernels, "variant" | "gemm" | keyof BlockSparseKernels> {
  const wasm: Wasm = {
    run: module.exports as unknown as Wasm["run"],
    at: (name, array, count) => {
      checkCount(name, array, count);
      return module.addressOf(array);
    },
  };
  return {
    fill: scalarKernels.fill,
    softmaxRows: scalarKernels.softmaxRows,
    ...arithmetic(wasm),
    ...losses(wasm),
    ...activations(wasm),
    ...attentionSoftmax(wasm),
    ...layerNorm(wasm),
    ...dropout(wasm),
    ...embedding(wasm),
    ...adamw(wasm),
  };
}

type ArithmeticName = "add" | "addBias" | "addColumnSums" | "addScaled" | "multiply" | "scale";

function arithmetic({ run, at }: Wasm): Pick<Kernels, ArithmeticName> {
  return {
    add(a, b, y) {
      const n = y.length;
      run.add(at("a", a, n), at("b", b, n), at("y", y, n), n);
    },
    multiply(a, b, y) {
      const n = y.length;
      run.multiply(at("a", a, n), at("b", b, n), at("y", y, n), n);
    },
    scale(x, factor, y) {
      const n = y.length;
      run.scale(at("x", x, n), factor, at("y", y, n), n);
    },
    addScaled(x, factor, y) {
      const n = y.length;
      run.addScaled(at("x", x, n), factor, at("y", y, n), n);
    },
    addBias(y, bias, rows, columns) {
      run.addBias(at("y", y, rows * columns), at("bias", bias, columns), rows, columns);
    },
    addColumnSums(x, out, rows, columns) {
      run.addColumnSums(at("x", x, rows * columns), at("out", out, columns), rows, columns);
    },
  };
}

function losses({ run, at }: Wasm): Pick<Kernels, "addScaledDifference" | "sumSquaredDifference"> {
  return {
    sumSquaredDifference(a, b) {
      const n = a.length;
      return run.sumSquaredDifference(at("a", a, n), at("b", b, n), n);
    },
    addScaledDifference(a, b, factor, da) {
      const n = da.length;
      run.addScaledDifference(at("a", a, n), at("b", b, n), factor, at("da", da, n), n);
    },
  };
}

type ForwardName = "geluForward" | "tanhForward" | "reluForward";
type BackwardName = "geluBackward" | "tanhBackward" | "reluBackward";

function activations({ run, at }: Wasm): Pick<Kernels, ForwardName | BackwardName> {
  const forward =
    (name: ForwardName) =>
    (x: Float32Array, y: Float32Array): void => {
      const n = y.length;
      run[name](at("x", x, n), at("y", y, n), n);
    };
  const backward =
    (name: BackwardName, valueName: "x" | "y") =>
    (value: Float32Array, dy: Float32Array, dx: Float32Array): void => {
      const n = dx.length;
      run[name](at(valueName, value, n), at("dy", dy, n), at("dx", dx, n), n);
    };
  return {
    geluForward: forward("geluForward"),
    geluBackward: backward("geluBackward", "x"),
    tanhForward: forward("tanhForward"),
    tanhBackward: backward("tanhBackward", "y"),
    reluForward: forward("reluForward"),
    reluBackward: backward("reluBackward", "y"),
  };
}

type SoftmaxName = "attentionSoftmaxForward" | "attentionSoftmaxBackward";

function attentionSoftmax({ run, at }: Wasm): Pick<Kernels, SoftmaxName> {
  return {
    attentionSoftmaxForward(scores, keyBias, scale, probabilities, batch, heads, positions) {
      const rows = heads * positions;
      const size = rows * positions;
      const scoresAt = at("scores", scores, batch * size);
      const biasAt = at("keyBias", keyBias, batch * positions);
      const probabilitiesAt = at("probabilities", probabilities, batch * size);
      for (let example = 0; example < batch; example++) {
        run.attentionSoftmaxForward(
          scoresAt + example * size * 4,
          biasAt + example * positions * 4,
          scale,
          probabilitiesAt + example * size * 4,
          rows,
          positions,
        );
      }
    },
    attentionSoftmaxBackward(probabilities, dProbabilities, scale, dScores, rows, columns) {
      const size = rows * columns;
      run.attentionSoftmaxBackward(
        at("probabilities", probabilities, size),
        at("dProbabilities", dProbabilities, size),
        scale,
        at("dScores", dScores, size),
        rows,
        columns,
      );
    },
  };
}

type LayerNormName = "layerNormForward" | "layerNormBackward";

function layerNorm({ run, at }: Wasm): Pick<Kernels, LayerNormName> {
  return {
    layerNormForward(x, residual, gamma, beta, epsilon, y, xhat, rstd, rows, columns) {
      const size = rows * columns;
      const [forward, residualAt] =
        residual === null
          ? [run.layerNormForward, 0]
          : [run.layerNormResidualForward, at("residual", residual, size)];
      forward(
        at("x", x, size),
        residualAt,
        at("gamma", gamma, columns),
        at("beta", beta, columns),
        epsilon,
        at("y", y, size),
        at("xhat", xhat, size),
        at("rstd", rstd, rows),
        rows,
        columns,
      );
    },
    layerNormBackward(dy, xhat, rstd, gamma, dx, dGamma, dBeta, rows, columns) {
      const size = rows * columns;
      run.layerNormBackward(
        at("dy", dy, size),
        at("xhat", xhat, size),
        at("rstd", rstd, rows),
        at("gamma", gamma, columns),
        at("dx", dx, size),
        at("dGamma", dGamma, columns),
        at("dBeta", dBeta, columns),
        rows,
        columns,
      );
    },
  };
}

/** Positions that one Philox block serves on average: four blocks draw for 32. */
const POSITIONS_PER_BLOCK = 8;

function dropout({ run, at }: Wasm): Pick<Kernels, "dropout"> {
  return {
    dropout(x, y, offset, rows, columns, firstPosition, positionStride, rate, key, example) {
      const end = offset + rows * columns;
      run.dropout(
        at("x", x, end) + offset * 4,
        at("y", y, end) + offset * 4,
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
      );
    },
  };
}

type EmbeddingName = "gatherRows" | "scatterAddRows";

function embedding({ run, at }: Wasm): Pick<Kernels, EmbeddingName> {
  return {
    gatherRows(table, ids, out, width, accumulate) {
      checkIds(ids, Math.floor(table.length / width));
      const rows = ids.length;
      const gather = accumulate ? run.gatherAddRows : run.gatherRows;
      const outAt = at("out", out, rows * width);
      gather(at("table", table, 0), at("ids", ids, rows), outAt, rows, width);
    },
    scatterAddRows(dy, ids, dTable, width) {
      checkIds(ids, Math.floor(dTable.length / width));
      const rows = ids.length;
      const dyAt = at("dy", dy, rows * width);
      run.scatterAddRows(at("dTable", dTable, 0), at("ids", ids, rows), dyAt, rows, width);
    },
  };
}

type AdamWName = "adamwTorch" | "adamwTransformers";

function adamw({ run, at }: Wasm): Pick<Kernels, AdamWName> {
  const update =
    (name: AdamWName, stepSizeOf: (constants: AdamWConstants) => number) =>
    (
      p: Float32Array,
      g: Float32Array,
      m: Float32Array,
      v: Float32Array,
      constants: AdamWConstants,
    ): void => {
      const n = p.length;
      const { learningRate, beta1, beta2, epsilon, weightDecay, c2 } = constants;
      run[name](
        at("p", p, n),
        at("g", g, n),
        at("m", m, n),
        at("v", v, n),
        n,
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
    adamwTorch: update("adamwTorch", ({ learningRate, c1 }) => learningRate / c1),
    adamwTransformers: update(
      "adamwTransformers",
      ({ learningRate, c1, c2 }) => (learningRate * Math.sqrt(c2)) / c1,
    ),
  };
}
