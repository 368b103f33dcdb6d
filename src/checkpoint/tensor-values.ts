/** Reads the values of a checkpoint's tensors, from which scores and verdicts are computed. */
import { widenForZeros } from "../io/dtypes.ts";
import { asFloat32, toFloat32 } from "../io/safetensors.ts";
import type { Checkpoint } from "./checkpoint.ts";
import type { SurveyedTensor } from "./survey.ts";
import type { WeightValues } from "./verify.ts";

/** Multiplies each value by the mask's value at the same index. */
function maskedBy(values: WeightValues, mask: Float32Array): WeightValues {
  const out = values.slice();
  for (let i = 0; i < out.length; i++) out[i] = (out[i] as number) * (mask[i] as number);
  return out;
}

/**
 * Returns the weight that a tensor represents: its elements, multiplied by its mask if it has one. F64 values are not
 * rounded; 8-bit floats are not multiplied by their scale.
 */
export function weightValues(
  checkpoint: Checkpoint,
  { entry, mask }: SurveyedTensor,
): WeightValues {
  const { dtype, bytes } = checkpoint.read(entry);
  const values = widenForZeros(dtype, bytes);
  return mask === null ? values : maskedBy(values, toFloat32(checkpoint.read(mask)));
}

/**
 * Returns the {@link weightValues} rounded to 32-bit floats. They may share the memory of the bytes that the checkpoint
 * returned.
 */
export function float32Values(
  checkpoint: Checkpoint,
  tensor: SurveyedTensor,
  memory?: Uint8Array,
): Float32Array {
  const values = asFloat32(checkpoint.read(tensor.entry, memory));
  if (tensor.mask === null) return values;
  return Float32Array.from(maskedBy(values, toFloat32(checkpoint.read(tensor.mask))));
}
