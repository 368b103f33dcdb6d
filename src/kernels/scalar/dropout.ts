import { philoxInto } from "../../core/random.ts";
import type { DropoutKey, Kernels } from "../table.ts";

/** Positions that share four Philox blocks: 4 blocks x 4 words x 2 halves. */
const GROUP = 32;

/** Writes the 32 draws of a group, 16 bits each, to `draws` in the order of its positions. */
function drawGroup(
  group: number,
  { seedLow, seedHigh, step, operation }: DropoutKey,
  example: number,
  block: Uint32Array,
  draws: Uint16Array,
): void {
  for (let lane = 0; lane < 4; lane++) {
    philoxInto(4 * group + lane, example, operation, step, seedLow, seedHigh, block);
    for (let word = 0; word < 4; word++) {
      draws[4 * word + lane] = block[word] & 0xffff;
      draws[16 + 4 * word + lane] = block[word] >>> 16;
    }
  }
}

const block: Uint32Array = new Uint32Array(4);
const draws: Uint16Array = new Uint16Array(GROUP);

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
    const firstGroup = (firstPosition + r * positionStride) / GROUP;
    for (let c = 0; c < columns; c++) {
      if (c % GROUP === 0) drawGroup(firstGroup + c / GROUP, key, example, block, draws);
      y[start + c] = draws[c % GROUP] >= threshold ? x[start + c] * scale : 0;
    }
  }
};
