import { checkIds } from "../extents.ts";
import type { Kernels } from "../table.ts";

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
