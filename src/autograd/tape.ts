import {
  checkFloat32Array,
  checkFunction,
  checkInteger,
  checkKind,
  checkOptions,
  succeeds,
} from "../core/checks.ts";
import { STREAM, seedKey } from "../core/random.ts";
import type { Backend } from "../kernels/backend.ts";
import { checkBackend } from "../kernels/check.ts";
import type { Parameter } from "../tensor/parameter.ts";
import { checkSameShape, elementCount, type Shape } from "../tensor/shape.ts";
import { checkTensor, createTensor, Tensor } from "../tensor/tensor.ts";
import { checkTape, checkVariable, TAPE_OPTIONS } from "./check.ts";
import type {
  BlockSparseProducts,
  DropoutDraw,
  LinearProduct,
  OperationName,
  OperationRecord,
  Records,
  TableLookup,
  Variable,
} from "./records.ts";

export interface TapeOptions {
  /** Whether dropout is active. */
  readonly training: boolean;
  /** Whether a backward pass follows. If not, activations are freed early. Default: the value of `training`. */
  readonly recordGradients?: boolean;
  /** Seed of dropout's random numbers. Default 0. */
  readonly seed?: number;
  /** Training step, on which dropout's random numbers also depend. Default 0. */
  readonly step?: number;
  /**
   * The index of this tape's first example in the step's batch, if the tape runs only a part of the batch. Dropout
   * depends on it. Default 0.
   */
  readonly firstExample?: number;
  /**
   * Weights for which {@link linear} uses only the kept blocks. All elements outside the blocks must be zero. Default:
   * none.
   */
  readonly blockSparse?: ReadonlyMap<Parameter, BlockSparseProducts>;
  /**
   * Products that replace {@link linear}'s own product for the given weights, on a tape without gradients. Default:
   * none.
   */
  readonly linearProducts?: ReadonlyMap<Parameter, LinearProduct>;
  /** Lookups that replace those of {@link embeddingSum}, as `linearProducts` replace products. Default: none. */
  readonly tableLookups?: ReadonlyMap<Parameter, TableLookup>;
}

/** The record of a forward pass and its memory, which {@link releaseTape} frees. */
export interface Tape extends Required<TapeOptions> {
  readonly backend: Backend;
  /** The operations in forward order. This field and the following ones are bookkeeping. */
  readonly records: OperationRecord[];
  /** The variables of each open scope. */
  readonly scopes: Variable[][];
  /** The variables with `keepsGradient`. */
  readonly gradientKeepers: Variable[];
  /**
   * The tensors that {@link createScratch} created. {@link releaseTape} frees those that an error has left unreleased.
   */
  readonly scratch: Tensor[];
  dropoutOperations: number;
  released: boolean;
}

/**
 * Creates a tape, on which operations of a forward pass are recorded.
 *
 * @example
 * ```ts
 * import { backward, createBackend, createParameter, createTape, input, linear } from "espalier/nn";
 * import { meanSquaredError, releaseTape } from "espalier/nn";
 *
 * const backend = createBackend({ variant: "scalar" });
 * const weight = createParameter(backend, "weight", [1, 2], Float32Array.of(1, 2));
 * const tape = createTape(backend, { training: true });
 * const x = input(tape, [1, 2], Float32Array.of(3, 4));
 * const loss = meanSquaredError(tape, linear(tape, x, weight), input(tape, [1, 1], Float32Array.of(10)));
 * backward(tape, loss);
 * if (weight.gradient.data.join() !== "6,8") throw new Error("expected 2 * (11 - 10) * x");
 * releaseTape(tape);
 * ```
 */
export function createTape(backend: Backend, options: TapeOptions): Tape {
  checkBackend(backend);
  checkOptions("options", options, TAPE_OPTIONS);
  const { training, recordGradients = training, seed = 0, step = 0, firstExample = 0 } = options;
  const { blockSparse = new Map(), linearProducts = new Map(), tableLookups = new Map() } = options;
  for (const products of [blockSparse, linearProducts, tableLookups]) {
    const isMap = succeeds(() => products.size >= 0);
    checkKind(isMap, "options: products", "a Map", products);
  }
  for (const [name, forms] of Object.entries({ linearProducts, tableLookups }))
    if (recordGradients && forms.size > 0)
      throw new RangeError(`${name}: expected none on a tape with gradients, got some`);
  checkInteger("seed", seed);
  checkInteger("step", step, 0, 0xffffffff);
  checkInteger("firstExample", firstExample, 0, 0xffffffff);
  return {
    backend,
    training,
    recordGradients,
    seed,
    step,
    firstExample,
    blockSparse,
    linearProducts,
    tableLookups,
    records: [],
    scopes: [[]],
    gradientKeepers: [],
    scratch: [],
    dropoutOperations: 0,
    released: false,
  };
}

function checkOpen(tape: Tape): void {
  checkTape(tape);
  if (tape.released) throw new RangeError("tape: expected an open one, got one that was released");
}

/** Creates a variable in the innermost scope. The variable takes over the caller's reference to `value`. */
function createVariable(tape: Tape, value: Tensor, requiresGradient: boolean): Variable {
  const variable: Variable = {
    shape: value.shape,
    value,
    requiresGradient: requiresGradient && tape.recordGradients,
    gradient: null,
    keepsGradient: false,
    held: true,
  };
  tape.scopes[tape.scopes.length - 1].push(variable);
  return variable;
}

/** Creates a variable with arbitrary elements, for an operation that writes all of them. */
export function createOutput(tape: Tape, shape: Shape, requiresGradient: boolean): Variable {
  checkOpen(tape);
  return createVariable(tape, reserveTensor(tape, shape), requiresGradient);
}

function reserveTensor({ backend: { memory } }: Tape, shape: Shape): Tensor {
  return new Tensor(memory, shape, memory.reserve(elementCount(shape)));
}

/**
 * Creates a tensor with arbitrary elements as working memory. The caller must release it; after an error, {@link
 * releaseTape} does.
 */
export function createScratch(tape: Tape, shape: Shape): Tensor {
  const tensor = reserveTensor(tape, shape);
  tape.scratch.push(tensor);
  return tensor;
}

/** Copies a tensor; the caller must release the copy. */
export function copyOf(tape: Tape, tensor: Tensor): Tensor {
  const copy = createScratch(tape, tensor.shape);
  copy.data.set(tensor.data);
  return copy;
}

/** Records an operation and retains its `saved` tensors, if the output requires a gradient. */
export function record<Name extends OperationName>(
  tape: Tape,
  operation: Name,
  output: Variable,
  operands: Records[Name],
  saved: readonly Tensor[] = [],
): void {
  if (!output.requiresGradient) return;
  for (let i = 0; i < saved.length; i++) saved[i].retain();
  tape.records.push({ operation, output, operands, saved } as OperationRecord);
}

/** Returns the rate and the random key of the next dropout operation in forward order; null if nothing is dropped. */
export function nextDropoutDraw(tape: Tape, rate: number): DropoutDraw | null {
  const operation = STREAM.dropout + tape.dropoutOperations++;
  if (!tape.training || rate === 0) return null;
  const seed = seedKey(tape.seed);
  return { rate, key: { seedLow: seed[0], seedHigh: seed[1], step: tape.step, operation } };
}

/**
 * Copies an array onto the tape. With `requiresGradient`, {@link gradientOf} returns its gradient.
 *
 * @throws RangeError if the length of `values` is not the number of elements in the shape
 */
export function input(
  tape: Tape,
  shape: Shape,
  values: Float32Array,
  options: { readonly requiresGradient?: boolean } = {},
): Variable {
  checkOpen(tape);
  checkOptions("options", options, ["requiresGradient"]);
  checkFloat32Array("values", values);
  const { requiresGradient = false } = options;
  const value = createTensor(tape.backend, shape, values);
  const variable = createVariable(tape, value, requiresGradient);
  return requiresGradient ? keepGradient(tape, variable) : variable;
}

/**
 * Puts a tensor on the tape as a constant, without a copy. No gradient flows to it.
 *
 * @example
 * ```ts
 * import { constant, createBackend, createTape, createTensor, releaseTape } from "espalier/nn";
 *
 * const backend = createBackend({ variant: "scalar" });
 * const tensor = createTensor(backend, [1], Float32Array.of(7));
 * const tape = createTape(backend, { training: false });
 * console.assert(constant(tape, tensor).value === tensor);
 * releaseTape(tape);
 * console.assert(tensor.data[0] === 7);
 * tensor.release();
 * ```
 */
export function constant(tape: Tape, tensor: Tensor): Variable {
  checkOpen(tape);
  checkTensor("tensor", tensor);
  return createVariable(tape, tensor.retain(), false);
}

/** Makes the backward pass keep the gradient of a variable. Returns the variable. */
export function keepGradient(tape: Tape, variable: Variable): Variable {
  checkTape(tape);
  checkVariable("variable", variable);
  if (!variable.keepsGradient) tape.gradientKeepers.push(variable);
  variable.keepsGradient = true;
  return variable;
}

/**
 * Returns a copy of a variable's kept gradient, after {@link backward}; zeros if the loss does not depend on the
 * variable.
 *
 * @throws RangeError if the gradient was not kept
 * @example
 * ```ts
 * import { backward, createBackend, createTape, gradientOf, input, keepGradient } from "espalier/nn";
 * import { meanSquaredError, releaseTape, scale } from "espalier/nn";
 *
 * const tape = createTape(createBackend({ variant: "scalar" }), { training: true });
 * const x = input(tape, [1], Float32Array.of(2), { requiresGradient: true });
 * const y = keepGradient(tape, scale(tape, x, 3));
 * backward(tape, meanSquaredError(tape, y, input(tape, [1], Float32Array.of(5))));
 * console.assert(gradientOf(y)[0] === 2 && gradientOf(x)[0] === 6);
 * releaseTape(tape);
 * ```
 */
export function gradientOf(variable: Variable): Float32Array {
  checkVariable("variable", variable);
  if (!variable.keepsGradient)
    throw new RangeError(
      "gradientOf variable: expected an input that requires it or a kept one, got neither",
    );
  return variable.gradient === null
    ? new Float32Array(elementCount(variable.shape))
    : variable.gradient.data.slice();
}

/** Returns the number in a scalar variable, such as a loss. */
export function scalarOf(variable: Variable): number {
  checkVariable("variable", variable);
  checkSameShape("scalar variable", variable.shape, []);
  return variable.value.data[0];
}

/**
 * Ends the use of a variable: its value may no longer be read. Its memory is freed as soon as no backward rule needs
 * it.
 */
export function discard(variable: Variable): void {
  checkVariable("variable", variable);
  if (!variable.held) return;
  variable.held = false;
  variable.value.release();
}

/**
 * Runs `body` and discards the variables that it creates, except those that it returns. The memory of intermediate
 * results is then freed as soon as no backward rule needs it.
 *
 * @param body - returns the variables to keep: one, or a list
 * @example
 * ```ts
 * import { createBackend, createTape, discard, input, releaseTape, scale, scope } from "espalier/nn";
 *
 * const backend = createBackend({ variant: "scalar" });
 * const tape = createTape(backend, { training: false });
 * const x = input(tape, [16], new Float32Array(16));
 * const before = backend.memory.usage().used;
 * const y = scope(tape, () => scale(tape, scale(tape, x, 2), 3));
 * console.assert(backend.memory.usage().used === before + 64);
 * discard(y);
 * console.assert(backend.memory.usage().used === before);
 * releaseTape(tape);
 * ```
 */
export function scope<T extends Variable | readonly Variable[]>(tape: Tape, body: () => T): T {
  checkTape(tape);
  checkFunction("body", body);
  tape.scopes.push([]);
  let kept: readonly Variable[] = [];
  try {
    const result = body();
    kept = Array.isArray(result) ? result : [result as Variable];
    return result;
  } finally {
    const made = tape.scopes.pop() ?? [];
    const outer = tape.scopes[tape.scopes.length - 1];
    for (let i = 0; i < made.length; i++) {
      if (kept.includes(made[i])) outer.push(made[i]);
      else discard(made[i]);
    }
  }
}

/** Ends a forward pass, also after an error, and frees all its memory. */
export function releaseTape(tape: Tape): void {
  checkTape(tape);
  if (tape.released) return;
  tape.released = true;
  for (const { saved, output } of tape.records) {
    for (const tensor of saved) tensor.release();
    dropGradient(output);
  }
  for (const variables of tape.scopes) variables.forEach(discard);
  for (const variable of tape.gradientKeepers) dropGradient(variable);
  for (const tensor of tape.scratch) tensor.free();
  tape.records.length = 0;
  tape.scratch.length = 0;
}

export function dropGradient(variable: Variable): void {
  variable.gradient?.release();
  variable.gradient = null;
}
