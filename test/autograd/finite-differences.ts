import { expect } from "vitest";
import { backward } from "../../src/autograd/backward.ts";
import { meanSquaredError } from "../../src/autograd/losses.ts";
import type { Variable } from "../../src/autograd/records.ts";
import { createTape, gradientOf, input, releaseTape, type Tape } from "../../src/autograd/tape.ts";
import { nextNormal, openStream } from "../../src/core/random.ts";
import type { Backend } from "../../src/kernels/backend.ts";
import { createParameter, type Parameter } from "../../src/tensor/parameter.ts";
import { elementCount, type Shape } from "../../src/tensor/shape.ts";
import { createDoubleBackend } from "./double-backend.ts";

/** A function under test: which operands it has, and how it computes a variable from them. */
export interface Subject {
  readonly inputs?: Readonly<Record<string, Shape>>;
  readonly parameters?: Readonly<Record<string, Shape>>;
  readonly compute: (tape: Tape, operands: Operands) => Variable;
  /** Changes random operand values, such as away from a kink. */
  readonly adjust?: (value: number) => number;
}

export interface Operands {
  input(name: string): Variable;
  parameter(name: string): Parameter;
}

interface Values {
  readonly inputs: ReadonlyMap<string, Float64Array>;
  readonly parameters: ReadonlyMap<string, Float64Array>;
}

const SEED = 5;
const STEP = 1e-4;
/**
 * Relative to the largest gradient: truncation STEP^4 times fifth derivatives, which are up to 1e6 where a layer norm
 * divides by little, and rounding, 1e-16 / STEP of a loss that is up to 1e4 times the gradients.
 */
const TOLERANCE = 1e-7;

/**
 * Compares every gradient of a subject with central differences of fourth order, in double precision. The loss is the
 * mean squared error against a random target, unless the subject is a scalar itself.
 */
export function checkGradients(subject: Subject, seed: number): void {
  const stream = openStream(seed, 99);
  const draw = (shape: Shape): Float64Array =>
    Float64Array.from({ length: elementCount(shape) }, () => {
      const value = nextNormal(stream);
      return subject.adjust?.(value) ?? value;
    });
  const values: Values = {
    inputs: mapValues(subject.inputs ?? {}, draw),
    parameters: mapValues(subject.parameters ?? {}, draw),
  };
  const { gradients } = evaluate(subject, values, true);
  for (const [name, gradient] of gradients) {
    const array = values.inputs.get(name) ?? values.parameters.get(name) ?? new Float64Array(0);
    const scale = Math.max(1e-3, ...gradient.map(Math.abs));
    for (let i = 0; i < array.length; i++) {
      const numeric = centralDifference(subject, values, array, i);
      const error = Math.abs(numeric - gradient[i]) / scale;
      expect(
        error,
        `${name}[${i}]: ${numeric} by differences, ${gradient[i]} by the rule`,
      ).toBeLessThan(TOLERANCE);
    }
  }
}

function centralDifference(
  subject: Subject,
  values: Values,
  array: Float64Array,
  index: number,
): number {
  const value = array[index];
  const at = (steps: number): number => {
    array[index] = value + steps * STEP;
    return evaluate(subject, values, false).loss;
  };
  const difference = 8 * (at(1) - at(-1)) - (at(2) - at(-2));
  array[index] = value;
  return difference / (12 * STEP);
}

function evaluate(
  subject: Subject,
  values: Values,
  withGradients: boolean,
): { loss: number; gradients: ReadonlyMap<string, Float64Array> } {
  const backend = createDoubleBackend();
  const tape = createTape(backend, { training: true, seed: SEED, step: 3 });
  const inputs = new Map(
    Object.entries(subject.inputs ?? {}).map(([name, shape]) => [
      name,
      fillInput(tape, shape, values.inputs.get(name)),
    ]),
  );
  const parameters = new Map(
    Object.entries(subject.parameters ?? {}).map(([name, shape]) => [
      name,
      fillParameter(backend, name, shape, values.parameters.get(name)),
    ]),
  );
  const output = subject.compute(tape, {
    input: (name) => present(inputs.get(name)),
    parameter: (name) => present(parameters.get(name)),
  });
  const loss = output.shape.length === 0 ? output : againstTarget(tape, output);
  const value = loss.value.data[0];
  const gradients = new Map<string, Float64Array>();
  if (withGradients) {
    backward(tape, loss);
    for (const [name, variable] of inputs)
      gradients.set(name, Float64Array.from(gradientOf(variable)));
    for (const [name, { gradient }] of parameters)
      gradients.set(name, Float64Array.from(gradient.data));
  }
  releaseTape(tape);
  for (const { value: tensor, gradient } of parameters.values()) {
    tensor.release();
    gradient.release();
  }
  expect(backend.memory.usage().used, "memory still held after the tape was released").toBe(0);
  return { loss: value, gradients };
}

function againstTarget(tape: Tape, output: Variable): Variable {
  const target = input(tape, output.shape, new Float32Array(elementCount(output.shape)));
  const stream = openStream(SEED, 100);
  target.value.data.set(target.value.data.map(() => nextNormal(stream)));
  return meanSquaredError(tape, output, target);
}

function fillInput(tape: Tape, shape: Shape, values: Float64Array | undefined): Variable {
  const zeros = new Float32Array(elementCount(shape));
  const variable = input(tape, shape, zeros, { requiresGradient: true });
  variable.value.data.set(present(values));
  return variable;
}

function fillParameter(
  backend: Backend,
  name: string,
  shape: Shape,
  values: Float64Array | undefined,
): Parameter {
  const parameter = createParameter(backend, name, shape);
  parameter.value.data.set(present(values));
  return parameter;
}

function mapValues(
  shapes: Readonly<Record<string, Shape>>,
  draw: (shape: Shape) => Float64Array,
): ReadonlyMap<string, Float64Array> {
  return new Map(Object.entries(shapes).map(([name, shape]) => [name, draw(shape)]));
}

function present<T>(value: T | undefined): T {
  if (value === undefined) throw new Error("the subject has no such operand");
  return value;
}
