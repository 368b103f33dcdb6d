/** Windows: parts of WASM memory into which other arrays are copied piece by piece. */
import type { Memory } from "./memory.ts";

type Staged = Float32Array | Uint8Array;

export interface StagingWindow<T extends Staged> {
  readonly address: number;
  /** Copies a part of an array to the start of the window, or back. */
  copyIn(part: T): void;
  copyOut(part: T): void;
}

/** Unused elements after a window, so that the address after its end is valid. */
const PADDING = 16;

function stagingWindow<T extends Staged>(
  address: number,
  view: (length: number) => T,
): StagingWindow<T> {
  const views = new Map<number, T>();
  const viewOf = (length: number): T => {
    const known = views.get(length);
    // A view is empty after the memory has grown.
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

/** A window of `capacity` floats. It is never freed. */
export function floatWindow(memory: Memory, capacity: number): StagingWindow<Float32Array> {
  const region = memory.allocate(capacity + PADDING);
  return stagingWindow(region.byteOffset, (length) => memory.float32(region).subarray(0, length));
}

/** A window of `capacity` bytes. It is never freed. */
export function byteWindow(memory: Memory, capacity: number): StagingWindow<Uint8Array> {
  const region = memory.allocate(Math.ceil(capacity / 4) + PADDING);
  return stagingWindow(region.byteOffset, (length) => {
    const { buffer, byteOffset } = memory.float32(region);
    return new Uint8Array(buffer, byteOffset, length);
  });
}

/** Divides an array into views of `length`; the last may be shorter. Returns the same views in each call. */
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
