import { checkFloat32Array, checkKind, mismatch } from "../core/checks.ts";
import type { Backend } from "../kernels/backend.ts";
import { checkBackend } from "../kernels/check.ts";
import type { Memory, Region } from "../kernels/simd/memory.ts";
import { checkShape, elementCount, formatShape, type Shape } from "./shape.ts";

/**
 * A row-major array of 32-bit elements in a backend's memory. A tensor counts its holders: code that keeps a tensor
 * after a call must `retain` it, and the last `release` frees the memory. A new tensor has one holder.
 */
export class Tensor {
  readonly shape: Shape;
  readonly region: Region;
  readonly #memory: Memory;
  #holders = 1;

  /** Creates a tensor in `region`, which must have space for all elements. By default, allocates a region of zeros. */
  constructor(memory: Memory, shape: Shape, region?: Region) {
    this.shape = shape;
    this.region = region ?? memory.allocate(elementCount(shape));
    this.#memory = memory;
  }

  /** The elements as floats. The view becomes invalid when the memory grows: get it again for each use. */
  get data(): Float32Array {
    this.#checkHeld();
    return this.#memory.float32(this.region);
  }

  /** The elements as 32-bit integers, such as row indices. The view becomes invalid in the same way as `data`. */
  get integers(): Int32Array {
    this.#checkHeld();
    return this.#memory.int32(this.region);
  }

  /** Whether there is more than one holder. */
  get shared(): boolean {
    return this.#holders > 1;
  }

  /** Adds a holder. Returns the tensor. */
  retain(): this {
    this.#checkHeld();
    this.#holders++;
    return this;
  }

  /** Removes a holder. The last one frees the memory. */
  release(): void {
    this.#checkHeld();
    this.#holders--;
    if (this.#holders === 0) this.#memory.recycle(this.region);
  }

  /** Removes all holders, which frees the memory. Does nothing without holders. */
  free(): void {
    if (this.#holders > 0) this.#memory.recycle(this.region);
    this.#holders = 0;
  }

  #checkHeld(): void {
    if (this.#holders === 0)
      throw new RangeError(
        `tensor of shape ${formatShape(this.shape)}: its memory was freed already`,
      );
  }
}

/**
 * Creates a tensor. `values` defaults to zeros.
 *
 * @throws RangeError if an extent is not a positive integer, or if the length of `values` is not the number of elements
 *   in the shape
 * @example
 * ```ts
 * import { createBackend, createTensor } from "espalier/nn";
 *
 * const backend = createBackend({ variant: "scalar" });
 * const tensor = createTensor(backend, [2, 3], Float32Array.of(1, 2, 3, 4, 5, 6));
 * if (tensor.data[5] !== 6) throw new Error("unexpected value");
 * tensor.release();
 * ```
 */
export function createTensor(backend: Backend, shape: Shape, values?: Float32Array): Tensor {
  checkBackend(backend);
  checkShape("shape", shape);
  if (values !== undefined) checkValues(values, shape);
  // Copied first, because `values` may be a view of this memory, which is invalid if the allocation grows the memory.
  const copy = values?.slice();
  const tensor = new Tensor(backend.memory, [...shape]);
  if (copy !== undefined) tensor.data.set(copy);
  return tensor;
}

function checkValues(values: Float32Array, shape: Shape): void {
  checkFloat32Array("values", values);
  const count = elementCount(shape);
  if (values.length === count) return;
  const got = `${values.length} for the shape ${formatShape(shape)}`;
  throw new RangeError(mismatch("values", `${count} elements`, got));
}

/** Runs `body`, which passes each tensor that it creates to `hold`. If `body` throws, these tensors are freed. */
export function creating<T>(body: (hold: (tensor: Tensor) => Tensor) => T): T {
  const held: Tensor[] = [];
  try {
    return body((tensor) => {
      held.push(tensor);
      return tensor;
    });
  } catch (error) {
    for (const tensor of held) tensor.free();
    throw error;
  }
}

/** Checks that a value has the form of a tensor. */
export function checkTensor(name: string, tensor: Tensor): void {
  checkKind(isTensor(tensor), name, "a tensor", tensor);
}

/** Whether a value has the form of a tensor. Makes no garbage, as it runs for each operation. */
export function isTensor(tensor: Tensor): boolean {
  try {
    return tensor.region !== undefined && tensor.shape.length >= 0;
  } catch {
    return false;
  }
}

/** Creates a tensor of 32-bit integers. */
export function createIntegerTensor(backend: Backend, shape: Shape, values: Int32Array): Tensor {
  const copy = values.slice();
  const tensor = new Tensor(backend.memory, [...shape]);
  tensor.integers.set(copy);
  return tensor;
}
