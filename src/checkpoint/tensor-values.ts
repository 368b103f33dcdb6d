/** The values of a checkpoint's tensors, as scores and verdicts take them. */
import { rawElements, widenForZeros } from "../io/dtypes.ts";
import { toFloat32 } from "../io/safetensors.ts";
import type { Checkpoint } from "./checkpoint.ts";
import type { SurveyedTensor } from "./survey.ts";
import type { WeightValues } from "./verify.ts";

/** Multiplies values by those of a mask. */
function maskedBy(values: WeightValues, mask: Float32Array): WeightValues {
  const out = values.slice();
  for (let i = 0; i < out.length; i++) out[i] = (out[i] as number) * (mask[i] as number);
  return out;
}

/**
 * The weight that a tensor stands for: its elements, times its mask if it has one. F64 stays unrounded; 8-bit floats
 * are without their scale.
 */
export function weightValues(
  checkpoint: Checkpoint,
  { entry, mask }: SurveyedTensor,
): WeightValues {
  const { dtype, bytes } = checkpoint.read(entry);
  const values = widenForZeros(dtype, bytes);
  return mask === null ? values : maskedBy(values, toFloat32(checkpoint.read(mask)));
}

/** {@link weightValues} rounded to 32 bits: the bytes of the checkpoint if no other are needed. */
export function float32Values(
  checkpoint: Checkpoint,
  tensor: SurveyedTensor,
  memory?: Uint8Array,
): Float32Array {
  const stored = checkpoint.read(tensor.entry, memory);
  const raw = rawElements(stored.dtype, stored.bytes);
  const values = raw instanceof Float32Array ? raw : toFloat32(stored);
  if (tensor.mask === null) return values;
  return Float32Array.from(maskedBy(values, toFloat32(checkpoint.read(tensor.mask))));
}
