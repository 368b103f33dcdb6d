import { checkIds } from "../extents.ts";
import {
  type Int8Kernels,
  type Int8Weight,
  LARGEST_ACTIVATION,
  LEAST_RANGE,
  QUAD,
  rowBytes,
} from "../int8.ts";

const { fround } = Math;
/** Adding it to a float32 number of small magnitude rounds to an integer, ties to even. */
const ROUND = 1.5 * 2 ** 23;

/** Rounds a sum of float32 numbers to an integer. */
function roundSum(x: number, zero: number): number {
  return fround(x + (ROUND + zero)) - ROUND;
}

export const int8Quantize: Int8Kernels["int8Quantize"] = (x, rows, tokens, inputs): void => {
  const bytes = bytesOf(rows.bytes);
  const stride = rowBytes(inputs);
  for (let t = 0; t < tokens; t++) {
    let [low, high, finite] = [0, 0, true];
    for (let i = t * inputs; i < (t + 1) * inputs; i++) {
      low = Math.min(low, x[i]);
      high = Math.max(high, x[i]);
      finite &&= Number.isFinite(x[i]);
    }
    const range = fround(high - low);
    const isPlain = finite && range >= LEAST_RANGE && range < Infinity;
    const ratio = isPlain ? fround(LARGEST_ACTIVATION / range) : 0;
    const zero = isPlain ? roundSum(fround(-low * ratio), 0) : 0;
    for (let i = 0; i < stride; i++) {
      const value = isPlain && i < inputs ? x[t * inputs + i] : 0;
      bytes[t * stride + i] = Math.min(LARGEST_ACTIVATION, roundSum(fround(value * ratio), zero));
    }
    rows.zeros[t] = zero;
    if (isPlain) rows.scales[t] = range / LARGEST_ACTIVATION;
    else rows.scales[t] = finite && range < Infinity ? 0 : NaN;
  }
};

function bytesOf({ buffer, byteOffset, byteLength }: Int32Array): Int8Array {
  return new Int8Array(buffer, byteOffset, byteLength);
}

/** Adds the products of a row of activations to the sums of the outputs. */
function addProducts(
  weight: Int8Weight,
  weights: Int8Array,
  bytes: Int8Array,
  start: number,
  sums: Float64Array,
): void {
  const { outputs, inputs, form, starts, columns } = weight;
  switch (form.kind) {
    case "dense": {
      const quads = rowBytes(inputs) / QUAD;
      for (let o = 0; o < outputs; o++)
        for (let quad = 0; quad < quads; quad++) {
          const at = QUAD * (((o >> 2) * quads + quad) * QUAD + (o & 3));
          for (let k = 0; k < QUAD; k++)
            sums[o] += weights[at + k] * bytes[start + QUAD * quad + k];
        }
      return;
    }
    case "rows":
      for (let o = 0; o < outputs; o++)
        for (let quad = starts[o]; quad < starts[o + 1]; quad++)
          for (let k = 0; k < QUAD; k++)
            sums[o] += weights[QUAD * quad + k] * bytes[start + columns[quad] + k];
      return;
    case "blocks":
      for (let o = 0; o < outputs; o++) {
        const row = Math.floor(o / form.height);
        const [first, end] = [starts[row], starts[row + 1]];
        const four = Math.floor((o % form.height) / 4);
        for (let quad = first; quad < end; quad++) {
          const place = first * form.height + (four * (end - first) + quad - first) * 4 + (o & 3);
          for (let k = 0; k < QUAD; k++)
            sums[o] += weights[QUAD * place + k] * bytes[start + columns[QUAD * quad + k]];
        }
      }
      return;
    default:
      form satisfies never;
  }
}

export const int8Forward: Int8Kernels["int8Forward"] = (rows, weight, bias, y, tokens): void => {
  const { outputs, inputs } = weight;
  const [bytes, weights] = [bytesOf(rows.bytes), bytesOf(weight.values)];
  const sums = new Float64Array(outputs);
  for (let t = 0; t < tokens; t++) {
    sums.fill(0);
    addProducts(weight, weights, bytes, t * rowBytes(inputs), sums);
    for (let o = 0; o < outputs; o++) {
      const sum = sums[o] + rows.zeros[t] * weight.negatedSums[o];
      const value = fround(fround(fround(sum) * weight.scales[o]) * rows.scales[t]);
      y[t * outputs + o] = value + (bias === null ? 0 : bias[o]);
    }
  }
};

export const int8GatherRows: Int8Kernels["int8GatherRows"] = (
  table,
  scales,
  ids,
  out,
  width,
  accumulate,
): void => {
  checkIds(ids, scales.length);
  const bytes = bytesOf(table);
  for (let r = 0; r < ids.length; r++) {
    const from = ids[r] * rowBytes(width);
    for (let c = 0; c < width; c++) {
      const value = fround(bytes[from + c] * scales[ids[r]]);
      out[r * width + c] = accumulate ? out[r * width + c] + value : value;
    }
  }
};
