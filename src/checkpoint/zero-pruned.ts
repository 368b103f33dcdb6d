/** Setting to zero what a mask prunes of a stored tensor, bit by bit: all other elements keep theirs. */
import { elementBytes } from "../io/dtypes.ts";
import type { StoredTensor } from "../io/safetensors.ts";

/** Elements as words of bits: of 64 bits as two. */
function wordsOf({ dtype, bytes }: StoredTensor): Uint16Array | Uint32Array {
  const { buffer, byteOffset, byteLength } = bytes;
  return elementBytes(dtype) === 2
    ? new Uint16Array(buffer, byteOffset, byteLength / 2)
    : new Uint32Array(buffer, byteOffset, byteLength / 4);
}

/** Sets to zero what a mask prunes of words, and counts those whose bits but the sign's are zero. */
function zeroWordsInto(mask: Uint8Array, words: Uint16Array | Uint32Array, shift: number): number {
  let zeros = 0;
  for (let i = 0; i < mask.length; i++) {
    const word = (words[i] ?? 0) & -(mask[i] ?? 0);
    words[i] = word;
    if (word << shift === 0) zeros++;
  }
  return zeros;
}

/** {@link zeroWordsInto} for numbers of two words. */
function zeroPairsInto(mask: Uint8Array, words: Uint16Array | Uint32Array): number {
  let zeros = 0;
  for (let i = 0; i < mask.length; i++) {
    if (mask[i] === 0) words[2 * i] = words[2 * i + 1] = 0;
    if (words[2 * i] === 0 && (words[2 * i + 1] ?? 0) << 1 === 0) zeros++;
  }
  return zeros;
}

/** Sets to zero what a mask prunes of a tensor of floating-point numbers, and counts its zeros afterwards. */
export function zeroPruned(
  mask: Uint8Array,
  tensor: StoredTensor,
): { readonly bytes: Uint8Array; readonly zeros: number } {
  const bytes = tensor.bytes.byteOffset % 4 === 0 ? tensor.bytes : tensor.bytes.slice();
  const words = wordsOf({ ...tensor, bytes });
  const size = elementBytes(tensor.dtype);
  const zeros =
    size === 8 ? zeroPairsInto(mask, words) : zeroWordsInto(mask, words, size === 2 ? 17 : 1);
  return { bytes, zeros };
}
