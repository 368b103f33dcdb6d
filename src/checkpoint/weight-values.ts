import { rawElements } from "../io/dtypes.ts";
import { type StoredTensor, toFloat32 } from "../io/safetensors.ts";
import type { WeightValues } from "./verify.ts";

/** A weight's elements for counting zeros: as 32-bit floats, but F64 unrounded, since small values would become zero. */
export function weightValues(tensor: StoredTensor): WeightValues {
  const raw = tensor.dtype === "F64" ? rawElements("F64", tensor.bytes) : null;
  return raw instanceof Float64Array ? raw : toFloat32(tensor);
}
