/** Applies a mask to a stored tensor. Kept elements keep their bits. */
import type { PruningKernels } from "../core/pruning-kernels.ts";
import { elementBytes } from "../io/dtypes.ts";
import type { StoredTensor } from "../io/safetensors.ts";

const FLOATING_POINT = ["F64", "F32", "F16", "BF16"];

/** Whether an element type is a float type that pruning can score and zero. */
export function isFloatingPoint(dtype: string): boolean {
  return FLOATING_POINT.includes(dtype);
}

/** Returns a view of the elements as unsigned integers of the same size. A 64-bit element becomes two 32-bit words. */
function wordsOf({ dtype, bytes }: StoredTensor): Uint16Array | Uint32Array {
  const { buffer, byteOffset, byteLength } = bytes;
  return elementBytes(dtype) === 2
    ? new Uint16Array(buffer, byteOffset, byteLength / 2)
    : new Uint32Array(buffer, byteOffset, byteLength / 4);
}

/**
 * Zeroes the words of pruned elements and counts all zeros, including negative zeros. A left shift by `shift` drops the
 * sign.
 */
function zeroWordsInto(mask: Uint8Array, words: Uint16Array | Uint32Array, shift: number): number {
  let zeros = 0;
  // The positions of zeros look random, so the CPU would mispredict a branch on them.
  const zeroInto = (i: number): number => {
    const word = (words[i] as number) & (((mask[i] as number) ^ 1) - 1);
    words[i] = word;
    return Number(word << shift === 0);
  };
  // Unrolled by four, the loop takes two thirds of the time.
  const whole = mask.length & ~3;
  for (let i = 0; i < whole; i += 4)
    zeros += zeroInto(i) + zeroInto(i + 1) + zeroInto(i + 2) + zeroInto(i + 3);
  for (let i = whole; i < mask.length; i++) zeros += zeroInto(i);
  return zeros;
}

/** Like {@link zeroWordsInto}, for elements that consist of two words. */
function zeroPairsInto(mask: Uint8Array, words: Uint16Array | Uint32Array): number {
  let zeros = 0;
  for (let i = 0; i < mask.length; i++) {
    if (mask[i] === 0) words[2 * i] = words[2 * i + 1] = 0;
    if (words[2 * i] === 0 && (words[2 * i + 1] ?? 0) << 1 === 0) zeros++;
  }
  return zeros;
}

/**
 * Zeroes the pruned elements of a tensor of floats, in place if its bytes are aligned to four bytes, and counts all
 * zeros.
 *
 * @param kernels the kernels to use for 32-bit floats
 */
export function zeroPruned(
  mask: Uint8Array,
  tensor: StoredTensor,
  kernels?: PruningKernels,
): { readonly bytes: Uint8Array; readonly zeros: number } {
  const bytes = tensor.bytes.byteOffset % 4 === 0 ? tensor.bytes : new Uint8Array(tensor.bytes);
  if (kernels?.countZeroBlocks && tensor.dtype === "F32" && mask.length > 0) {
    const values = new Float32Array(bytes.buffer, bytes.byteOffset, mask.length);
    kernels.applyMaskInto(mask, 1, mask.length, values);
    return { bytes, zeros: kernels.countZeroBlocks(values, 1, mask.length, true) };
  }
  const words = wordsOf({ ...tensor, bytes });
  const size = elementBytes(tensor.dtype);
  const zeros =
    size === 8 ? zeroPairsInto(mask, words) : zeroWordsInto(mask, words, size === 2 ? 17 : 1);
  return { bytes, zeros };
}
