/**
 * A fixed window of WASM memory through which arrays elsewhere pass, part by part. Views are made once: of the
 * window for each length, of an array for each length of its parts, so that a steady state makes none.
 */
import type { Memory } from "./memory.ts";

/** Arrays that pass through a window. */
type Staged = Float32Array | Uint8Array;

/** A window of WASM memory. */
export interface StagingWindow<T extends Staged> {
  /** Where it begins. */
  readonly address: number;
  /** Elements that fit. */
  readonly capacity: number;
  /** Copies a part of an array to the window's beginning. */
  copyIn(part: T): void;
  /** Fills a part of an array from the window's beginning. */
  copyOut(part: T): void;
}

/** Elements behind a window that nothing uses: no address of its end is beyond the memory's last. */
const PADDING = 16;

function stagingWindow<T extends Staged>(
  address: number,
  capacity: number,
  view: (length: number) => T,
): StagingWindow<T> {
  const views = new Map<number, T>();
  const viewOf = (length: number): T => {
    const known = views.get(length);
    // The memory may have grown since, which leaves views behind that are empty.
    if (known !== undefined && known.length === length) return known;
    const fresh = view(length);
    views.set(length, fresh);
    return fresh;
  };
  return {
    address,
    capacity,
    copyIn: (part) => viewOf(part.length).set(part as never),
    copyOut: (part) => part.set(viewOf(part.length) as never),
  };
}

/** A window of `capacity` floats. It is never given back: it lives as long as the memory. */
export function floatWindow(memory: Memory, capacity: number): StagingWindow<Float32Array> {
  const region = memory.allocate(capacity + PADDING);
  return stagingWindow(region.byteOffset, capacity, (length) =>
    memory.float32(region).subarray(0, length),
  );
}

/** A window of `capacity` bytes, likewise. */
export function byteWindow(memory: Memory, capacity: number): StagingWindow<Uint8Array> {
  const region = memory.allocate(Math.ceil(capacity / 4) + PADDING);
  return stagingWindow(region.byteOffset, capacity, (length) => {
    const { buffer, byteOffset } = memory.float32(region);
    return new Uint8Array(buffer, byteOffset, length);
  });
}

/** Divides arrays into parts of a length (the last one may be shorter), the same views at every call. */
export type Divide = <T extends Staged>(array: T, length: number) => readonly T[];

/** Makes a {@link Divide} with a memory of its own for as long as the arrays live. */
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
