/** Staging windows: regions of WASM memory into which other arrays are copied piece by piece. */
import type { Memory } from "./memory.ts";

type Staged = Float32Array | Uint8Array;

export interface StagingWindow<T extends Staged> {
  readonly address: number;
  /** Copies a part of an array to the start of the window; `copyOut` copies it back. */
  copyIn(part: T): void;
  copyOut(part: T): void;
}

/** The number of unused elements after a window. With them, the address after the end of the window is valid. */
const PADDING = 16;

function stagingWindow<T extends Staged>(
  address: number,
  view: (length: number) => T,
): StagingWindow<T> {
  const views = new Map<number, T>();
  const viewOf = (length: number): T => {
    const known = views.get(length);
    // Growing unshared memory detaches its old views, which then have length 0.
    if (known !== undefined && known.length === length) return known;
    const fresh = view(length);
    views.set(length, fresh);
    return fresh;
  };
  return {
    address,
    copyIn: (part) => viewOf(part.length).set(part as never),
    copyOut: (part) => part.set(viewOf(part.length) as never),
  };
}

/** Allocates a window of `capacity` floats, which is never freed. */
export function floatWindow(memory: Memory, capacity: number): StagingWindow<Float32Array> {
  const region = memory.allocate(capacity + PADDING);
  return stagingWindow(region.byteOffset, (length) => memory.float32(region).subarray(0, length));
}

/** Allocates a window of `capacity` bytes, which is never freed. */
export function byteWindow(memory: Memory, capacity: number): StagingWindow<Uint8Array> {
  const region = memory.allocate(Math.ceil(capacity / 4) + PADDING);
  return stagingWindow(region.byteOffset, (length) => {
    const { buffer, byteOffset } = memory.float32(region);
    return new Uint8Array(buffer, byteOffset, length);
  });
}

/**
 * Divides an array into views of `length` elements; the last view may be shorter. Repeated calls return the same views.
 */
export type Divide = <T extends Staged>(array: T, length: number) => readonly T[];

export function createDivide(): Divide {
  const known = new WeakMap<Staged, Map<number, readonly Staged[]>>();
  return <T extends Staged>(array: T, length: number): readonly T[] => {
    const byLength = known.get(array) ?? new Map<number, readonly Staged[]>();
    known.set(array, byLength);
    let parts = byLength.get(length);
    if (parts === undefined) {
      parts = Array.from({ length: Math.ceil(array.length / length) }, (_, i) =>
        array.subarray(i * length, (i + 1) * length),
      );
      byLength.set(length, parts);
    }
    return parts as readonly T[];
  };
}
