import { mismatch } from "../core/checks.ts";
import { BLOCK_OUTPUTS, SHARD_TOKENS, shardsOf } from "../kernels/block-sparse.ts";
import { type BlockSparseWeight, matrixOf } from "../tensor/block-sparse-weight.ts";
import { checkParameter, type Parameter } from "../tensor/parameter.ts";
import { checkVector, columnsOf, formatShape, rowsOf, withColumns } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { checkTape, checkVariable } from "./check.ts";
import { arrivedGradient, gradientTarget } from "./gradient.ts";
import type { OperationRecord, Variable } from "./records.ts";
import { createOutput, createScratch, record, type Tape } from "./tape.ts";

/**
 * Computes y = x W^T + b, like torch's `nn.Linear`. Uses the compressed form of the weight if the tape has one.
 *
 * @param x - [..., inputs]
 * @param weight - [outputs, inputs]
 * @param bias - [outputs]
 * @returns [..., outputs]
 */
export function linear(
  tape: Tape,
  x: Variable,
  weight: Parameter,
  bias: Parameter | null = null,
): Variable {
  checkTape(tape);
  checkVariable("x", x);
  checkParameter("weight", weight);
  if (bias !== null) checkParameter("bias", bias);
  const outputs = weight.value.shape[0];
  const inputs = weight.value.shape[1];
  if (weight.value.shape.length !== 2 || columnsOf(x.shape) !== inputs || x.shape.length === 0) {
    const expected = `rows of ${inputs} for weight ${formatShape(weight.value.shape)}`;
    throw new RangeError(mismatch(`linear ${weight.name}`, expected, formatShape(x.shape)));
  }
  if (bias !== null) checkVector("linear", bias.name, bias.value.shape, outputs);
  const y = createOutput(tape, withColumns(x.shape, outputs), true);
  multiply(tape, x.value, weight, bias, y.value);
  record(tape, "linear", y, { input: x, weight, bias }, [x.value]);
  return y;
}

function multiply(
  tape: Tape,
  x: Tensor,
  weight: Parameter,
  bias: Parameter | null,
  y: Tensor,
): void {
  const { kernels } = tape.backend;
  const outputs = weight.value.shape[0];
  const inputs = weight.value.shape[1];
  const rows = rowsOf(x.shape);
  const product = tape.linearProducts.get(weight);
  if (product !== undefined) {
    product(x, bias === null ? null : bias.value, y, rows);
    return;
  }
  const xs = x.data;
  const ys = y.data;
  const bs = bias === null ? null : bias.value.data;
  const sparse = tape.blockSparse.get(weight);
  if (sparse?.forward) {
    const { tile } = sparse.weight;
    kernels.blockSparseForward(xs, matrixOf(sparse.weight), bs, ys, 0, rows, tile.data);
    return;
  }
  const ws = weight.value.data;
  kernels.gemm("nt", rows, outputs, inputs, xs, 0, inputs, ws, 0, inputs, ys, 0, outputs, false);
  if (bs !== null) kernels.addBias(ys, bs, rows, outputs);
}

/** The backward rule of {@link linear}: dW += dy^T x; db += column sums of dy; dx = dy W. */
export function linearBackward(tape: Tape, { output, operands }: OperationRecord<"linear">): void {
  const { input, weight, bias } = operands;
  const outputs = weight.value.shape[0];
  const dy = arrivedGradient(output);
  if (input.requiresGradient) {
    const { tensor, accumulate } = gradientTarget(tape, input);
    passToInput(tape, dy, weight, tensor, accumulate);
  }
  addToWeight(tape, dy, input.value, weight);
  if (bias === null) return;
  const rows = rowsOf(input.shape);
  tape.backend.kernels.addColumnSums(dy.data, bias.gradient.data, rows, outputs);
}

function passToInput(
  tape: Tape,
  dy: Tensor,
  weight: Parameter,
  dx: Tensor,
  accumulate: boolean,
): void {
  const { kernels } = tape.backend;
  const rows = rowsOf(dy.shape);
  const dys = dy.data;
  const dxs = dx.data;
  const sparse = tape.blockSparse.get(weight);
  if (sparse?.inputGradient) {
    const tile = sparse.weight.tile.data;
    const matrix = matrixOf(sparse.weight);
    kernels.blockSparseInputGradient(dys, matrix, dxs, accumulate, 0, rows, tile);
    return;
  }
  const ws = weight.value.data;
  const n = weight.value.shape[1];
  const k = weight.value.shape[0];
  kernels.gemm("nn", rows, n, k, dys, 0, k, ws, 0, n, dxs, 0, n, accumulate);
}

/** Computes dW += dy^T x, for the whole weight or only for its kept blocks. */
function addToWeight(tape: Tape, dy: Tensor, x: Tensor, weight: Parameter): void {
  const sparse = tape.blockSparse.get(weight);
  if (sparse?.weightGradient) {
    addToBlocks(tape, dy, x, weight, sparse.weight);
    return;
  }
  const m = weight.value.shape[0];
  const n = weight.value.shape[1];
  const dws = weight.gradient.data;
  const k = rowsOf(x.shape);
  tape.backend.kernels.gemm("tn", m, n, k, dy.data, 0, m, x.data, 0, n, dws, 0, n, true);
}

/** The maximum number of shards whose sums are in memory at the same time. */
const SHARDS_AT_ONCE = 8;

/** Computes dW += dy^T x for the kept blocks: sums each shard of tokens, then adds the sums of all shards in order. */
function addToBlocks(
  tape: Tape,
  dy: Tensor,
  x: Tensor,
  weight: Parameter,
  sparse: BlockSparseWeight,
): void {
  const { kernels } = tape.backend;
  const { outputs, inputs, blocks, tile } = sparse;
  const rows = rowsOf(x.shape);
  const atOnce = SHARDS_AT_ONCE * SHARD_TOKENS;
  const sums = createScratch(tape, [shardsOf(Math.min(rows, atOnce)), blocks, BLOCK_OUTPUTS]);
  const matrix = matrixOf(sparse);
  for (let first = 0; first < rows; first += atOnce) {
    const some = Math.min(atOnce, rows - first);
    const [dys, xs] = [dy.data.subarray(first * outputs), x.data.subarray(first * inputs)];
    kernels.blockSparseWeightSums(dys, xs, matrix, some, sums.data, tile.data);
    kernels.blockSparseAddSums(sums.data, shardsOf(some), matrix, weight.gradient.data);
  }
  sums.release();
}
