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

export const gatherColumns: Kernels["gatherColumns"] = (x, columns, out, rows, width): void => {
  checkIds(columns, width);
  const count = columns.length;
  for (let r = 0; r < rows; r++)
    for (let j = 0; j < count; j++) out[r * count + j] = x[r * width + columns[j]];
};

export const scatterColumns: Kernels["scatterColumns"] = (x, columns, y, rows, width): void => {
  checkIds(columns, width);
  const count = columns.length;
  for (let r = 0; r < rows; r++)
    for (let j = 0; j < count; j++) y[r * width + columns[j]] = x[r * count + j];
};
