/**
 * Where tensors live: one linear memory (WASM's, or a plain buffer for the scalar kernels), divided by an
 * allocator that keeps freed blocks and hands them out again, so that a steady state grows nothing.
 */
import { checkInteger } from "../core/checks.ts";

/** A block of float32 or int32 elements that stays valid while the memory grows. */
export interface Region {
  readonly byteOffset: number;
  readonly length: number;
}

/** A linear memory with explicit allocation. Regions are 64-byte aligned. */
export interface Memory {
  /**
   * A zeroed region of `length` 4-byte elements.
   * @throws RangeError when the memory cannot grow that far.
   */
  allocate(length: number): Region;
  /**
   * As `allocate`, without the zeros: the elements are whatever was there, for a caller that writes them all.
   * @throws RangeError when the memory cannot grow that far.
   */
  reserve(length: number): Region;
  /**
   * Gives a region back; using it afterwards is an error of the caller.
   * @throws RangeError when the region is not one in use here: freed already, or another memory's.
   */
  free(region: Region): void;
  /** The region as floats. The view dies when the memory grows: take it again for each use. */
  float32(region: Region): Float32Array;
  /** The region as 32-bit integers; same caution. */
  int32(region: Region): Int32Array;
  /** Bytes in use and bytes reserved. */
  usage(): { readonly used: number; readonly reserved: number };
}

/** A growable buffer. Growing keeps the bytes, appends zeros and detaches the buffer handed out before. */
interface Storage {
  buffer(): ArrayBufferLike;
  /** Makes the buffer at least `bytes` long; throws a RangeError if that is impossible. */
  grow(bytes: number): void;
}

/** A stretch of free bytes. */
interface FreeBlock {
  offset: number;
  size: number;
}

const ALIGNMENT = 64;
const WASM_PAGE = 65536;
const MAXIMUM_BYTES = 65536 * WASM_PAGE;

/** A memory on WASM's linear memory, from `heapBase` on (what is below belongs to the module). */
export function createWasmMemory(memory: WebAssembly.Memory, heapBase: number): Memory {
  return createMemory(heapBase, {
    buffer: () => memory.buffer,
    grow: (bytes) => {
      memory.grow(Math.ceil((bytes - memory.buffer.byteLength) / WASM_PAGE));
    },
  });
}

/** A memory on a plain buffer, for the scalar kernels. */
export function createPlainMemory(): Memory {
  let buffer = new ArrayBuffer(0);
  return createMemory(0, {
    buffer: () => buffer,
    grow: (bytes) => {
      const grown = new ArrayBuffer(bytes);
      new Uint8Array(grown).set(new Uint8Array(buffer));
      structuredClone(buffer, { transfer: [buffer] }); // detaches it: a stale view fails, as with WASM
      buffer = grown;
    },
  });
}

function createMemory(base: number, storage: Storage): Memory {
  const inUse = new Map<Region, FreeBlock>();
  const free: FreeBlock[] = [];
  let end = alignUp(base);
  let used = 0;

  function take(size: number): FreeBlock {
    const reused = takeBestFit(free, size);
    if (reused !== undefined) return reused;
    growTo(storage, end + size);
    const block = { offset: end, size };
    end += size;
    return block;
  }

  /** A free block at the end is no block but room again, so that with nothing in use all is as at first. */
  function lowerEnd(): void {
    const last = free.at(-1);
    if (last === undefined || last.offset + last.size !== end) return;
    end = last.offset;
    free.pop();
  }

  function reserve(length: number): Region {
    checkInteger("length", length, 0, MAXIMUM_BYTES / 4);
    const block = take(Math.max(ALIGNMENT, alignUp(length * 4)));
    const region = Object.freeze({ byteOffset: block.offset, length });
    inUse.set(region, block);
    used += block.size;
    return region;
  }

  return {
    reserve,
    allocate(length) {
      const region = reserve(length);
      new Float32Array(storage.buffer(), region.byteOffset, length).fill(0);
      return region;
    },
    free(region) {
      const block = inUse.get(region);
      if (block === undefined) {
        const { byteOffset, length } = region;
        throw new RangeError(
          `region: expected a region in use here, got one of ${length} at ${byteOffset} that was freed or is another memory's`,
        );
      }
      inUse.delete(region);
      used -= block.size;
      giveBack(free, block);
      lowerEnd();
    },
    float32: (region) => new Float32Array(storage.buffer(), region.byteOffset, region.length),
    int32: (region) => new Int32Array(storage.buffer(), region.byteOffset, region.length),
    usage: () => ({ used, reserved: storage.buffer().byteLength }),
  };
}

function alignUp(bytes: number): number {
  return Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
}

/** Grows the storage so that it holds `bytes`: by half of it where possible, so that growing stays rare. */
function growTo(storage: Storage, bytes: number): void {
  const reserved = storage.buffer().byteLength;
  if (bytes <= reserved) return;
  const generous = Math.min(MAXIMUM_BYTES, Math.max(bytes, WASM_PAGE, Math.ceil(reserved * 1.5)));
  try {
    storage.grow(generous);
  } catch {
    try {
      storage.grow(bytes);
    } catch (cause) {
      const message = `memory: expected room for ${bytes} bytes, got ${reserved} and no more`;
      throw new RangeError(message, { cause });
    }
  }
}

/** Takes `size` bytes out of the smallest free block that has them (the lowest of equals). */
function takeBestFit(free: FreeBlock[], size: number): FreeBlock | undefined {
  let best = -1;
  for (let i = 0; i < free.length; i++) {
    if (free[i].size >= size && (best < 0 || free[i].size < free[best].size)) best = i;
  }
  if (best < 0) return undefined;
  const block = free[best];
  if (block.size === size) {
    free.splice(best, 1);
    return block;
  }
  const taken = { offset: block.offset, size };
  block.offset += size;
  block.size -= size;
  return taken;
}

/** Puts a block back among the free ones, which are ordered by offset, and joins it with its neighbours. */
function giveBack(free: FreeBlock[], block: FreeBlock): void {
  let at = free.length;
  while (at > 0 && free[at - 1].offset > block.offset) at--;
  free.splice(at, 0, block);
  joinWithNext(free, at);
  if (at > 0) joinWithNext(free, at - 1);
}

function joinWithNext(free: FreeBlock[], at: number): void {
  const next = free[at + 1];
  if (next === undefined || free[at].offset + free[at].size !== next.offset) return;
  free[at].size += next.size;
  free.splice(at + 1, 1);
}
