import { checkFloat32Array, checkKind, checkString, mismatch } from "../core/checks.ts";
import type { Backend } from "../kernels/backend.ts";
import { checkBackend } from "../kernels/check.ts";
import { elementCount, type Shape } from "./shape.ts";
import { createTensor, creating, isTensor, Tensor } from "./tensor.ts";

/** A trainable tensor. Backward passes add to `gradient` until {@link zeroGradients} clears it. */
export interface Parameter {
  readonly name: string;
  readonly value: Tensor;
  readonly gradient: Tensor;
}

/** A model's parameters by name, in module order. */
export type Parameters = ReadonlyMap<string, Parameter>;

/**
 * Creates a parameter with a zero gradient. `values` defaults to zeros.
 *
 * @example
 * ```ts
 * import { createBackend, createParameter, releaseParameters, zeroGradients } from "espalier/nn";
 *
 * const backend = createBackend({ variant: "scalar" });
 * const bias = createParameter(backend, "bias", [2], Float32Array.of(1, 2));
 * const parameters = new Map([[bias.name, bias]]);
 * bias.gradient.data.fill(3);
 * zeroGradients(backend, parameters);
 * console.assert(bias.gradient.data.join() === "0,0");
 * releaseParameters(parameters);
 * ```
 */
export function createParameter(
  backend: Backend,
  name: string,
  shape: Shape,
  values?: Float32Array,
): Parameter {
  checkString("name", name);
  return creating((hold) =>
    Object.freeze({
      name,
      value: hold(createTensor(backend, shape, values)),
      gradient: hold(createTensor(backend, shape)),
    }),
  );
}

/**
 * Creates a parameter without a gradient, for inference.
 *
 * @param values - null if products use another form of the weight, so that these values are never read
 */
export function createFrozenParameter(
  { memory }: Backend,
  name: string,
  shape: Shape,
  values: Float32Array | null,
): Parameter {
  if (values !== null) checkFloat32Array("values", values, elementCount(shape));
  // A view of this memory is copied first, because it is invalid after a reservation that grows the memory.
  const given = values !== null && memory.holds(values) ? values.slice() : values;
  return creating((hold) => {
    const reserve = (length: number): Tensor =>
      hold(new Tensor(memory, shape, memory.reserve(length)));
    const value = reserve(given?.length ?? 1);
    if (given !== null) value.data.set(given);
    return Object.freeze({ name, value, gradient: reserve(1) });
  });
}

function isParameter(parameter: Parameter): boolean {
  try {
    return isTensor(parameter.value) && isTensor(parameter.gradient);
  } catch {
    return false;
  }
}

/** Checks that a value has the form of a parameter. */
export function checkParameter(name: string, parameter: Parameter): void {
  checkKind(isParameter(parameter), name, "a parameter", parameter);
}

/** Checks that a value has the form of a model's parameters. */
export function checkParameters(parameters: Parameters): void {
  checkKind(areParameters(parameters), "parameters", "a Map of parameters", parameters);
}

function areParameters(parameters: Parameters): boolean {
  try {
    for (const parameter of parameters.values()) if (!isParameter(parameter)) return false;
    return !parameters.has("");
  } catch {
    return false;
  }
}

/** Returns the parameter with the given name. @throws RangeError if there is no such parameter */
export function parameterNamed(parameters: Parameters, name: string): Parameter {
  const parameter = parameters.get(name);
  if (parameter === undefined)
    throw new RangeError(`parameters: expected one named ${name}, got ${parameters.size} others`);
  return parameter;
}

/**
 * Checks that every parameter is listed once, under its own name, and shares its memory with no other. An update would
 * otherwise apply twice, or on two threads at once.
 *
 * @throws RangeError with the names
 */
export function checkSeparateParameters(parameters: Parameters): void {
  const owners = new Map<number, string>();
  for (const [name, { value, gradient }] of parameters) {
    for (const { region } of [value, gradient]) {
      const owner = owners.get(region.byteOffset);
      if (owner !== undefined)
        throw new RangeError(mismatch("parameters", "no shared memory", `${owner} as ${name} too`));
      owners.set(region.byteOffset, name);
    }
  }
  for (const [key, { name }] of parameters)
    if (name !== key)
      throw new RangeError(mismatch("parameters", `one named ${key}`, `${name} under that key`));
}

/** Sets every gradient to zero. */
export function zeroGradients(backend: Backend, parameters: Parameters): void {
  checkBackend(backend);
  checkParameters(parameters);
  for (const { gradient } of parameters.values()) backend.kernels.fill(gradient.data, 0);
}

/** Frees the memory of every parameter. */
export function releaseParameters(parameters: Parameters): void {
  checkParameters(parameters);
  for (const { value, gradient } of parameters.values()) {
    value.release();
    gradient.release();
  }
}
