import { checkIds } from "../extents.ts";
import type { Kernels } from "../table.ts";

export const gatherRows: Kernels["gatherRows"] = (table, ids, out, width, accumulate): void => {
  checkIds(ids, Math.floor(table.length / width));
  for (let r = 0; r < ids.length; r++) {
    const from = ids[r] * width;
    const to = r * width;
    for (let c = 0; c < width; c++) {
      out[to + c] = accumulate ? out[to + c] + table[from + c] : table[from + c];
    }
  }
};

export const scatterAddRows: Kernels["scatterAddRows"] = (dy, ids, dTable, width): void => {
  checkIds(ids, Math.floor(dTable.length / width));
  for (let r = 0; r < ids.length; r++) {
    const from = r * width;
    const to = ids[r] * width;
    for (let c = 0; c < width; c++) dTable[to + c] += dy[from + c];
  }
};
