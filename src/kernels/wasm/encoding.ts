/** Encodes the elements of the WebAssembly binary format: numbers, vectors, sections. */

export type ValueType = "i32" | "f32" | "f64" | "v128";

export const VALUE_TYPE_BYTES: Readonly<Record<ValueType, number>> = {
  i32: 0x7f,
  f32: 0x7d,
  f64: 0x7c,
  v128: 0x7b,
};

/** Encodes a non-negative integer below 2^32 as unsigned LEB128. */
export function unsigned(value: number): number[] {
  const bytes: number[] = [];
  let rest = value >>> 0;
  do {
    const low = rest & 0x7f;
    rest >>>= 7;
    bytes.push(rest === 0 ? low : low | 0x80);
  } while (rest !== 0);
  return bytes;
}

/** Encodes a 32-bit integer as signed LEB128. */
export function signed(value: number): number[] {
  const bytes: number[] = [];
  let rest = value | 0;
  for (;;) {
    const low = rest & 0x7f;
    rest >>= 7;
    const done = rest === ((low & 0x40) === 0 ? 0 : -1);
    bytes.push(done ? low : low | 0x80);
    if (done) return bytes;
  }
}

/** The little-endian bytes of a float32. */
export function float32Bytes(value: number): number[] {
  const view = new DataView(new ArrayBuffer(4));
  view.setFloat32(0, value);
  return int32Bytes(view.getInt32(0));
}

/** The little-endian bytes of a 32-bit integer. */
export function int32Bytes(value: number): number[] {
  return [0, 8, 16, 24].map((shift) => (value >>> shift) & 0xff);
}

/** Encodes a list, which the specification calls a vector: the number of items, then the items. */
export function vector(items: readonly (readonly number[])[]): number[] {
  return [...unsigned(items.length), ...items.flat()];
}

/** Encodes a string of ASCII characters: its length, then its bytes. */
export function text(value: string): number[] {
  return [...unsigned(value.length), ...Array.from(value, (c) => c.charCodeAt(0))];
}

/** Prefixes bytes with their length. */
export function sized(bytes: readonly number[]): number[] {
  return unsigned(bytes.length).concat(bytes);
}

export function section(id: number, content: readonly number[]): number[] {
  return [id].concat(sized(content));
}
