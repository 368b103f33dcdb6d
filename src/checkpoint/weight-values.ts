/** A stored weight's elements for counting zeros: none of them becomes one by being read. */
import { rawElements } from "../io/dtypes.ts";
import { type StoredTensor, toFloat32 } from "../io/safetensors.ts";
import type { WeightValues } from "./verify.ts";

/** Elements as 32-bit floats, which hold those of every shorter type; of F64 as they are, since small ones would underflow. */
export function weightValues(tensor: StoredTensor): WeightValues {
  const raw = tensor.dtype === "F64" ? rawElements("F64", tensor.bytes) : null;
  return raw instanceof Float64Array ? raw : toFloat32(tensor);
}
