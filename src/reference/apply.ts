/** Masked weights. */
import { assign, muleq } from "ndarray-ops";
import { asNdarray, type MaskMatrix, type Matrix, zeros } from "./matrix.ts";

/** The weight with its pruned elements at zero. */
export function maskedWeight(weight: Matrix, mask: MaskMatrix): Matrix {
  const [rows = 0, columns = 0] = weight.shape;
  const masked = zeros(rows, columns);
  assign(masked, asNdarray(weight));
  muleq(masked, asNdarray(mask));
  return masked;
}
