import { philoxInto } from "../../core/random.ts";
import { DROPOUT_GROUP, type DropoutKey, type Kernels } from "../table.ts";

/** Writes the 16-bit random numbers for a group of 32 positions to `draws`. */
function drawGroup(
  group: number,
  { seedLow, seedHigh, step, operation }: DropoutKey,
  example: number,
): void {
  for (let lane = 0; lane < 4; lane++) {
    philoxInto(4 * group + lane, example, operation, step, seedLow, seedHigh, block);
    for (let word = 0; word < 4; word++) {
      draws[4 * word + lane] = block[word] & 0xffff;
      draws[16 + 4 * word + lane] = block[word] >>> 16;
    }
  }
}

const block = new Uint32Array(4);
const draws = new Uint16Array(DROPOUT_GROUP);

export const dropout: Kernels["dropout"] = (
  x,
  y,
  offset,
  rows,
  columns,
  firstPosition,
  positionStride,
  rate,
  key,
  example,
): void => {
  const threshold = Math.round(rate * 0x10000);
  const scale = Math.fround(1 / (1 - rate));
  for (let r = 0; r < rows; r++) {
    const start = offset + r * columns;
    const firstGroup = (firstPosition + r * positionStride) / DROPOUT_GROUP;
    for (let c = 0; c < columns; c++) {
      const place = c % DROPOUT_GROUP;
      if (place === 0) drawGroup(firstGroup + c / DROPOUT_GROUP, key, example);
      y[start + c] = draws[place] >= threshold ? x[start + c] * scale : 0;
    }
  }
};
