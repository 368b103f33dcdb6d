/** Bytes of the WebAssembly binary format: numbers, vectors, sections. */

/** The value types that the kernels use. */
export type ValueType = "i32" | "i64" | "f32" | "f64" | "v128";

/** The byte of each value type. */
export const VALUE_TYPE_BYTES: Readonly<Record<ValueType, number>> = {
  i32: 0x7f,
  i64: 0x7e,
  f32: 0x7d,
  f64: 0x7c,
  v128: 0x7b,
};

/** Unsigned LEB128 of a number below 2^32. */
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

/** Signed LEB128 of an integer of up to 64 bits. */
export function signed(value: number | bigint): number[] {
  const bytes: number[] = [];
  let rest = BigInt(value);
  for (;;) {
    const low = Number(rest & 0x7fn);
    rest >>= 7n;
    const done = rest === ((low & 0x40) === 0 ? 0n : -1n);
    bytes.push(done ? low : low | 0x80);
    if (done) return bytes;
  }
}

/** Little-endian bytes of a float32. */
export function float32Bytes(value: number): number[] {
  return littleEndian(4, (view) => view.setFloat32(0, value, true));
}

/** Little-endian bytes of a float64. */
export function float64Bytes(value: number): number[] {
  return littleEndian(8, (view) => view.setFloat64(0, value, true));
}

/** Little-endian bytes of a 32-bit integer. */
export function int32Bytes(value: number): number[] {
  return littleEndian(4, (view) => view.setInt32(0, value, true));
}

function littleEndian(length: number, write: (view: DataView) => void): number[] {
  const view = new DataView(new ArrayBuffer(length));
  write(view);
  return Array.from(new Uint8Array(view.buffer));
}

/** A vector: the number of items, then the items. */
export function vector(items: readonly (readonly number[])[]): number[] {
  return [...unsigned(items.length), ...items.flat()];
}

/** A string of ASCII characters: its length, then its bytes. */
export function text(value: string): number[] {
  return [...unsigned(value.length), ...Array.from(value, (c) => c.charCodeAt(0))];
}

/** Bytes after their length. */
export function sized(bytes: readonly number[]): number[] {
  return unsigned(bytes.length).concat(bytes);
}

/** A section of a module. */
export function section(id: number, content: readonly number[]): number[] {
  return [id].concat(sized(content));
}
