/** Memory for tensors: WASM memory or a plain buffer, with an allocator that reuses freed blocks. */
import { checkInteger } from "../../core/checks.ts";

/** A range of 4-byte elements in a memory. It stays valid when the memory grows. */
export interface Region {
  readonly byteOffset: number;
  readonly length: number;
}

/** A memory with explicit allocation. Regions are aligned to 64 bytes. */
export interface Memory {
  /** Allocates a region of `length` elements, all zero. @throws RangeError if the memory cannot grow */
  allocate(length: number): Region;
  /** Like `allocate`, but does not clear the elements, for a caller that writes all of them. */
  reserve(length: number): Region;
  /** Frees a region. @throws RangeError if it was freed before or belongs to another memory */
  free(region: Region): void;
  /**
   * Like `free`, but a later allocation may return the same region object, so only the caller may hold a reference to
   * it.
   */
  recycle(region: Region): void;
  /**
   * Returns a view of the region as 32-bit floats. It becomes invalid when the memory grows: get it again for each use.
   */
  float32(region: Region): Float32Array;
  /** Like `float32`, but as 32-bit integers. */
  int32(region: Region): Int32Array;
  /** Whether an array is a view of this memory. */
  holds(view: Float32Array): boolean;
  /** The number of bytes in use, and the number of bytes reserved. */
  usage(): { readonly used: number; readonly reserved: number };
}

/** A growable buffer. Growth appends zeros and replaces the previous buffer, whose views become invalid. */
interface Storage {
  buffer(): ArrayBufferLike;
  /** Makes the buffer at least `bytes` long. @throws RangeError if that is impossible */
  grow(bytes: number): void;
}

/** A region that caches its views of the current buffer. */
class ViewedRegion implements Region {
  readonly byteOffset: number;
  readonly length: number;
  #floats: Float32Array | null = null;
  #integers: Int32Array | null = null;
  #inUse = true;

  constructor(byteOffset: number, length: number) {
    this.byteOffset = byteOffset;
    this.length = length;
    Object.freeze(this);
  }

  get size(): number {
    return sizeOf(this.length);
  }

  get inUse(): boolean {
    return this.#inUse;
  }

  use(inUse: boolean): void {
    this.#inUse = inUse;
  }

  floats(buffer: ArrayBufferLike): Float32Array {
    if (this.#floats?.buffer !== buffer)
      this.#floats = new Float32Array(buffer, this.byteOffset, this.length);
    return this.#floats;
  }

  integers(buffer: ArrayBufferLike): Int32Array {
    if (this.#integers?.buffer !== buffer)
      this.#integers = new Int32Array(buffer, this.byteOffset, this.length);
    return this.#integers;
  }
}

function viewed(region: Region): ViewedRegion {
  if (region instanceof ViewedRegion) return region;
  return new ViewedRegion(region.byteOffset, region.length);
}

const ALIGNMENT = 64;
const WASM_PAGE = 65536;
/** The maximum size of a WASM memory in pages of 64 KiB. The memory import of the modules declares the same maximum. */
export const MAXIMUM_PAGES = 65536;
const MAXIMUM_BYTES = MAXIMUM_PAGES * WASM_PAGE;
/** The number of offsets whose region objects are kept for reuse: more than a training step uses. */
const MOST_KNOWN = 4096;
/** The maximum number of region objects, of different lengths, that are kept for one offset. */
const MOST_LENGTHS = 8;

/** Creates an allocator for the memory of a WASM module, from address `heapBase` on. */
export function createWasmMemory(memory: WebAssembly.Memory, heapBase: number): Memory {
  return createMemory(heapBase, {
    buffer: () => memory.buffer,
    grow: (bytes) => {
      memory.grow(Math.ceil((bytes - memory.buffer.byteLength) / WASM_PAGE));
    },
  });
}

/** Creates an allocator for a plain buffer, for scalar kernels. */
export function createPlainMemory(): Memory {
  let buffer = new ArrayBuffer(0);
  return createMemory(0, {
    buffer: () => buffer,
    grow: (bytes) => {
      const grown = new ArrayBuffer(bytes);
      new Uint8Array(grown).set(new Uint8Array(buffer));
      structuredClone(buffer, { transfer: [buffer] }); // detaches it, so that old views fail as in WASM memory
      buffer = grown;
    },
  });
}

/**
 * Creates the allocator. It also reuses its own objects: once the sizes in a training step repeat, it creates no
 * garbage.
 */
function createMemory(base: number, storage: Storage): Memory {
  const regions = createRegions();
  const free = new FreeList();
  let end = alignUp(base);
  let used = 0;

  function take(size: number): number {
    const reused = free.take(size);
    if (reused >= 0) return reused;
    growTo(storage, end + size);
    const offset = end;
    end += size;
    return offset;
  }

  function reserve(length: number): Region {
    checkInteger("length", length, 0, MAXIMUM_BYTES / 4);
    const size = sizeOf(length);
    const region = regions.open(take(size), length);
    used += size;
    return region;
  }

  return {
    reserve,
    allocate(length) {
      const region = reserve(length);
      this.float32(region).fill(0);
      return region;
    },
    free(region) {
      this.recycle(region);
      regions.forget(region);
    },
    recycle(region) {
      const { size, byteOffset } = regions.close(region);
      used -= size;
      free.give(byteOffset, size);
      // A free block at the end returns to the unused part of the memory.
      end = free.lower(end);
    },
    float32: (region) => viewed(region).floats(storage.buffer()),
    int32: (region) => viewed(region).integers(storage.buffer()),
    holds: (view) => view.buffer === storage.buffer(),
    usage: () => ({ used, reserved: storage.buffer().byteLength }),
  };
}

/** Creates the table of a memory's region objects, by offset. */
function createRegions() {
  const known = new Map<number, ViewedRegion[]>();
  let inUse = 0;

  return {
    /** Opens a region with this offset and length. Reuses an earlier object if there is one. */
    open(offset: number, length: number): ViewedRegion {
      inUse++;
      const there = known.get(offset) ?? [];
      for (let i = 0; i < there.length; i++) {
        if (there[i].length !== length) continue;
        there[i].use(true);
        return there[i];
      }
      if (known.size >= MOST_KNOWN + 2 * inUse)
        for (const [at, regions] of known) if (!regions.some((one) => one.inUse)) known.delete(at);
      const region = new ViewedRegion(offset, length);
      if (there.length === MOST_LENGTHS) there.length = 0;
      there.push(region);
      known.set(offset, there);
      return region;
    },
    /** Marks a region as no longer in use. @throws RangeError if it is not in use in this memory */
    close(region: Region): ViewedRegion {
      const { byteOffset, length } = region;
      const held = known.get(byteOffset);
      if (!(region instanceof ViewedRegion && region.inUse && held?.includes(region)))
        throw new RangeError(
          `region: expected a region in use here, got one of ${length} at ${byteOffset} that was freed or is another memory's`,
        );
      inUse--;
      region.use(false);
      return region;
    },
    /** Drops the cached region objects with the offset of this region. */
    forget: ({ byteOffset }: Region): boolean => known.delete(byteOffset),
  };
}

function sizeOf(length: number): number {
  return Math.max(ALIGNMENT, alignUp(length * 4));
}

function alignUp(bytes: number): number {
  return Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
}

/** Grows the storage to at least `bytes` bytes. If possible, it grows by half its size, so that growth is rare. */
function growTo(storage: Storage, bytes: number): void {
  const reserved = storage.buffer().byteLength;
  if (bytes <= reserved) return;
  if (bytes > MAXIMUM_BYTES)
    throw new RangeError(`memory: expected at most ${MAXIMUM_BYTES} bytes, got ${bytes}`);
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

/**
 * The free blocks of a memory. The first `#count` entries are the blocks in ascending order of offset; the other
 * entries are objects for reuse.
 */
class FreeList {
  readonly #blocks: { offset: number; size: number }[] = [];
  #count = 0;

  /**
   * Takes `size` bytes from the smallest block that is large enough; ties go to the first block. Returns the offset of
   * these bytes, or -1 if no block is large enough.
   */
  take(size: number): number {
    const blocks = this.#blocks;
    let best = -1;
    for (let i = 0; i < this.#count; i++)
      if (blocks[i].size >= size && (best < 0 || blocks[i].size < blocks[best].size)) best = i;
    if (best < 0) return -1;
    const { offset } = blocks[best];
    blocks[best].offset += size;
    blocks[best].size -= size;
    if (blocks[best].size === 0) this.#remove(best);
    return offset;
  }

  /** Adds a free block and merges it with adjacent free blocks. */
  give(offset: number, size: number): void {
    const blocks = this.#blocks;
    let at = this.#count;
    while (at > 0 && blocks[at - 1].offset > offset) at--;
    const before = at > 0 ? blocks[at - 1] : undefined;
    const behind = at < this.#count ? blocks[at] : undefined;
    const joinsBefore = before !== undefined && before.offset + before.size === offset;
    const joinsBehind = behind !== undefined && offset + size === behind.offset;
    if (joinsBefore) {
      before.size += size;
      if (!joinsBehind) return;
      before.size += behind.size;
      this.#remove(at);
    } else if (joinsBehind) {
      behind.offset = offset;
      behind.size += size;
    } else this.#insert(at, offset, size);
  }

  /** Removes the free block that ends at `end` and returns its offset, or returns `end` if no free block ends there. */
  lower(end: number): number {
    const last = this.#count > 0 ? this.#blocks[this.#count - 1] : undefined;
    if (last === undefined || last.offset + last.size !== end) return end;
    this.#count--;
    return last.offset;
  }

  #remove(at: number): void {
    const blocks = this.#blocks;
    const block = blocks[at];
    blocks.copyWithin(at, at + 1, this.#count);
    this.#count--;
    blocks[this.#count] = block;
  }

  #insert(at: number, offset: number, size: number): void {
    const blocks = this.#blocks;
    const block = blocks[this.#count] ?? { offset, size };
    blocks[this.#count] = block;
    blocks.copyWithin(at + 1, at, this.#count);
    this.#count++;
    block.offset = offset;
    block.size = size;
    blocks[at] = block;
  }
}
