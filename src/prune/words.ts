/** Typed arrays as 32-bit words, for loops over the bits of floats or over four mask entries at a time. */

const views = new WeakMap<Float32Array | Uint8Array, Uint32Array>();

/**
 * Returns a view of an array as 32-bit words. Trailing bytes that do not fill a word are left out. The view is cached,
 * so that repeated calls do not allocate.
 *
 * @throws RangeError if the array does not start at a multiple of four bytes.
 */
export function wordsOf(values: Float32Array | Uint8Array): Uint32Array {
  const length = values.byteLength >>> 2;
  let view = views.get(values);
  // The length of an array can change if its buffer is resizable.
  if (view?.length !== length) {
    view = new Uint32Array(values.buffer, values.byteOffset, length);
    views.set(values, view);
  }
  return view;
}
