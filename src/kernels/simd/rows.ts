/**
 * The row operations on WASM: attention softmax, layer normalisation, dropout, embedding lookup, and gathering and
 * scattering of columns.
 */
import { checkIds } from "../extents.ts";
import { DROPOUT_GROUP, type RowKernels } from "../table.ts";
import type { Wasm } from "./calls.ts";

/** Creates the kernels. They throw a RangeError for an array that is too short. */
export function rowKernels(wasm: Wasm): RowKernels {
  return {
    ...forwardRows(wasm),
    attentionSoftmaxBackward: attentionSoftmaxBackward(wasm),
    layerNormBackward: layerNormBackward(wasm),
    ...dropout(wasm),
    scatterAddRows: scatterAddRows(wasm),
  };
}

type ForwardKernel =
  | "attentionSoftmaxForward"
  | "layerNormForward"
  | "gatherRows"
  | "gatherColumns"
  | "scatterColumns";

/** Creates the kernels that inference calls. */
export function forwardRows(wasm: Wasm): Pick<RowKernels, ForwardKernel> {
  return {
    attentionSoftmaxForward: attentionSoftmaxForward(wasm),
    layerNormForward: layerNormForward(wasm),
    ...embedding(wasm),
  };
}

function attentionSoftmaxForward(wasm: Wasm): RowKernels["attentionSoftmaxForward"] {
  const { run, at, partOfRows, openGroup, closeGroup } = wasm;
  return (scores, keyBias, scale, p, offset, biasOffset, rows, columns) => {
    const end = offset + rows * columns;
    const scoresAt = at("scores", scores, end) + offset * 4;
    const biasAt = at("keyBias", keyBias, biasOffset + columns) + biasOffset * 4;
    const pAt = at("probabilities", p, end) + offset * 4;
    const part = partOfRows(rows, columns);
    openGroup();
    for (let row = 0; row < rows; row += part) {
      const i = 4 * row * columns;
      const length = Math.min(part, rows - row);
      run.attentionSoftmaxForward(scoresAt + i, biasAt, scale, pAt + i, length, columns);
    }
    closeGroup();
  };
}

function attentionSoftmaxBackward(wasm: Wasm): RowKernels["attentionSoftmaxBackward"] {
  const { run, at, partOfRows, openGroup, closeGroup } = wasm;
  return (probabilities, dProbabilities, scale, dScores, offset, rows, columns) => {
    const end = offset + rows * columns;
    const pAt = at("probabilities", probabilities, end) + offset * 4;
    const dpAt = at("dProbabilities", dProbabilities, end) + offset * 4;
    const dsAt = at("dScores", dScores, end) + offset * 4;
    const part = partOfRows(rows, columns);
    openGroup();
    for (let row = 0; row < rows; row += part) {
      const i = 4 * row * columns;
      const length = Math.min(part, rows - row);
      run.attentionSoftmaxBackward(pAt + i, dpAt + i, scale, dsAt + i, length, columns);
    }
    closeGroup();
  };
}

function layerNormForward(wasm: Wasm): RowKernels["layerNormForward"] {
  const { run, at, partOfRows, openGroup, closeGroup } = wasm;
  return (x, residual, gamma, beta, epsilon, y, xhat, rstd, rows, columns) => {
    const size = rows * columns;
    const forward = residual === null ? run.layerNormForward : run.layerNormResidualForward;
    const xAt = at("x", x, size);
    const residualAt = residual === null ? 0 : at("residual", residual, size);
    const gammaAt = at("gamma", gamma, columns);
    const betaAt = at("beta", beta, columns);
    const yAt = at("y", y, size);
    const xhatAt = at("xhat", xhat, size);
    const rstdAt = at("rstd", rstd, rows);
    const part = partOfRows(rows, columns);
    openGroup();
    for (let row = 0; row < rows; row += part) {
      const i = 4 * row * columns;
      forward(
        xAt + i,
        residualAt + i,
        gammaAt,
        betaAt,
        epsilon,
        yAt + i,
        xhatAt + i,
        rstdAt + 4 * row,
        Math.min(part, rows - row),
        columns,
      );
    }
    closeGroup();
  };
}

function layerNormBackward(wasm: Wasm): RowKernels["layerNormBackward"] {
  const { run, at, partOfRows, partOfColumns, openGroup, closeGroup } = wasm;
  const { layerNormParameterGradients: sum } = run;
  return (dy, xhat, rstd, gamma, dx, dGamma, dBeta, rows, columns) => {
    const size = rows * columns;
    const dyAt = at("dy", dy, size);
    const xhatAt = at("xhat", xhat, size);
    const rstdAt = at("rstd", rstd, rows);
    const gammaAt = at("gamma", gamma, columns);
    const dxAt = at("dx", dx, size);
    const dGammaAt = at("dGamma", dGamma, columns);
    const dBetaAt = at("dBeta", dBeta, columns);
    // dGamma and dBeta are computed before dx is written, because dx may alias dy.
    const columnPart = partOfColumns(rows, columns);
    openGroup();
    for (let column = 0; column < columns; column += columnPart) {
      const i = 4 * column;
      const length = Math.min(columnPart, columns - column);
      sum(dyAt + i, xhatAt + i, dGammaAt + i, dBetaAt + i, rows, length, columns * 4);
    }
    closeGroup();
    const part = partOfRows(rows, columns);
    openGroup();
    for (let row = 0; row < rows; row += part) {
      const i = 4 * row * columns;
      const length = Math.min(part, rows - row);
      const rstds = rstdAt + 4 * row;
      run.layerNormBackward(dyAt + i, xhatAt + i, rstds, gammaAt, dxAt + i, length, columns);
    }
    closeGroup();
  };
}

/** The number of positions per Philox block. A group of positions uses four blocks. */
const POSITIONS_PER_BLOCK = DROPOUT_GROUP / 4;

function dropout({ run, at }: Wasm) {
  // The quotient is cached, because a new one would be a heap object in each of the hundreds of calls in a training
  // step.
  let scaledRate = 0;
  let scale = 1;
  return {
    dropout(x, y, offset, rows, columns, firstPosition, positionStride, rate, key, example) {
      const end = offset + rows * columns;
      if (rate !== scaledRate) {
        scaledRate = rate;
        scale = 1 / (1 - rate);
      }
      run.dropout(
        at("x", x, end) + offset * 4,
        at("y", y, end) + offset * 4,
        rows,
        columns,
        firstPosition / POSITIONS_PER_BLOCK,
        positionStride / POSITIONS_PER_BLOCK,
        Math.round(rate * 0x10000),
        scale,
        key.seedLow,
        key.seedHigh,
        key.step,
        key.operation,
        example,
      );
    },
  } satisfies Partial<RowKernels>;
}

function scatterAddRows({ run, at }: Wasm): RowKernels["scatterAddRows"] {
  return (dy, ids, dTable, width) => {
    checkIds(ids, Math.floor(dTable.length / width));
    const rows = ids.length;
    const dyAt = at("dy", dy, rows * width);
    run.scatterAddRows(at("dTable", dTable, 0), at("ids", ids, rows), dyAt, rows, width);
  };
}

function embedding({ run, at }: Wasm) {
  return {
    gatherRows(table, ids, out, width, accumulate) {
      checkIds(ids, Math.floor(table.length / width));
      const rows = ids.length;
      const gather = accumulate ? run.gatherAddRows : run.gatherRows;
      const outAt = at("out", out, rows * width);
      gather(at("table", table, 0), at("ids", ids, rows), outAt, rows, width);
    },
    gatherColumns(x, columns, out, rows, width) {
      checkIds(columns, width);
      const count = columns.length;
      const [xAt, outAt] = [at("x", x, rows * width), at("out", out, rows * count)];
      run.gatherColumns(xAt, at("columns", columns, count), outAt, rows, width, count);
    },
    scatterColumns(x, columns, y, rows, width) {
      checkIds(columns, width);
      const count = columns.length;
      const [xAt, yAt] = [at("x", x, rows * count), at("y", y, rows * width)];
      run.scatterColumns(yAt, at("columns", columns, count), xAt, rows, width, count);
    },
  } satisfies Partial<RowKernels>;
}
