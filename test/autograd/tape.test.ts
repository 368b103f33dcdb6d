import { describe, expect, it } from "vitest";
import { gelu, tanh } from "../../src/autograd/activation.ts";
import { add, multiply, scale } from "../../src/autograd/arithmetic.ts";
import { backward } from "../../src/autograd/backward.ts";
import { crossEntropy } from "../../src/autograd/label-losses.ts";
import { linear } from "../../src/autograd/linear.ts";
import { kullbackLeibler, meanSquaredError } from "../../src/autograd/losses.ts";
import {
  constant,
  createTape,
  discard,
  gradientOf,
  input,
  keepGradient,
  releaseTape,
  scalarOf,
  scope,
} from "../../src/autograd/tape.ts";
import { createBackend } from "../../src/kernels/backend.ts";
import { createParameter, zeroGradients } from "../../src/tensor/parameter.ts";
import { createTensor } from "../../src/tensor/tensor.ts";

const backend = createBackend({ variant: "scalar" });
const recording = { training: false, recordGradients: true } as const;
const used = (): number => backend.memory.usage().used;

describe("a tape", () => {
  it("accumulates parameter gradients over passes until they are cleared", () => {
    const weight = createParameter(backend, "w", [1, 1], Float32Array.of(2));
    for (const expected of [12, 24]) {
      const tape = createTape(backend, recording);
      const y = linear(tape, input(tape, [1, 1], Float32Array.of(3)), weight);
      backward(tape, meanSquaredError(tape, y, input(tape, [1, 1], Float32Array.of(4))));
      releaseTape(tape);
      expect(weight.gradient.data[0]).toBe(expected);
    }
    zeroGradients(backend, new Map([["w", weight]]));
    expect(weight.gradient.data[0]).toBe(0);
  });

  it("gives back every region, whether swept or not", () => {
    const before = used();
    for (const sweep of [true, false]) {
      const tape = createTape(backend, recording);
      const x = input(tape, [2, 2], Float32Array.of(1, 2, 3, 4), { requiresGradient: true });
      const y = scope(tape, () => add(tape, gelu(tape, x), tanh(tape, multiply(tape, x, x))));
      const loss = meanSquaredError(tape, y, keepGradient(tape, scale(tape, x, 3)));
      if (sweep) backward(tape, loss);
      releaseTape(tape);
      releaseTape(tape);
      expect(used()).toBe(before);
    }
  });

  it("gives back every region when a rule throws half-way", () => {
    const { kernels, memory } = backend;
    const refuse = (): never => {
      throw new RangeError("refused");
    };
    const before = used();
    const tape = createTape({ kernels: { ...kernels, geluBackward: refuse }, memory }, recording);
    const x = input(tape, [3], Float32Array.of(1, 2, 3), { requiresGradient: true });
    const rooted = keepGradient(tape, gelu(tape, tanh(tape, x)));
    const y = scope(tape, () => add(tape, multiply(tape, rooted, x), tanh(tape, rooted)));
    const loss = meanSquaredError(tape, y, scale(tape, x, 3));
    expect(() => backward(tape, loss)).toThrow("refused");
    releaseTape(tape);
    expect(used()).toBe(before);
  });

  it("keeps no intermediate result of a scope where no gradient is recorded", () => {
    const tape = createTape(backend, { training: false });
    const x = input(tape, [1, 64], new Float32Array(64), { requiresGradient: true });
    const before = used();
    const y = scope(tape, () => {
      let value = x;
      for (let i = 0; i < 10; i++) value = gelu(tape, value);
      return value;
    });
    expect(used() - before).toBe(64 * 4);
    expect(y.value.data.length).toBe(64);
    expect(y.requiresGradient).toBe(false);
    releaseTape(tape);
  });

  it("keeps discarded values that a rule still reads, and gives them back during the sweep", () => {
    const tape = createTape(backend, recording);
    const x = input(tape, [3], Float32Array.of(1, 2, 3), { requiresGradient: true });
    const squared = multiply(tape, x, x);
    const target = input(tape, [3], new Float32Array(3));
    const loss = scope(tape, () => meanSquaredError(tape, gelu(tape, squared), target));
    discard(squared);
    discard(squared);
    expect([...squared.value.data]).toEqual([1, 4, 9]);
    backward(tape, loss);
    expect(() => squared.value.data).toThrow("its memory was freed already");
    expect(gradientOf(x).every((g) => g > 0)).toBe(true);
    releaseTape(tape);
  });

  it("keeps the gradient of an intermediate result on request", () => {
    const tape = createTape(backend, recording);
    const x = input(tape, [1], Float32Array.of(2), { requiresGradient: true });
    const y = keepGradient(tape, scale(tape, x, 3));
    const z = scale(tape, y, 5);
    backward(tape, meanSquaredError(tape, z, input(tape, [1], Float32Array.of(29))));
    expect([...gradientOf(y)]).toEqual([10]);
    expect([...gradientOf(x)]).toEqual([30]);
    expect(() => gradientOf(z)).toThrow("expected an input that requires it");
    releaseTape(tape);
  });

  it("does not change a gradient that two operands share", () => {
    const tape = createTape(backend, recording);
    const a = input(tape, [1], Float32Array.of(1), { requiresGradient: true });
    const b = input(tape, [1], Float32Array.of(1), { requiresGradient: true });
    // The sum hands one gradient to both of its terms; each changes it in place.
    const sum = add(tape, scale(tape, a, 2), scale(tape, b, 3));
    backward(tape, meanSquaredError(tape, sum, input(tape, [1], Float32Array.of(4.5))));
    expect([...gradientOf(a), ...gradientOf(b)]).toEqual([2, 3]);
    releaseTape(tape);
  });

  it("takes constants from another tape without a copy", () => {
    const teacher = createTape(backend, { training: false });
    const output = input(teacher, [2], Float32Array.of(1, 2));
    const tape = createTape(backend, recording);
    const target = constant(tape, output.value);
    releaseTape(teacher);
    expect(target.value.region).toBe(output.value.region);
    expect([...target.value.data]).toEqual([1, 2]);
    releaseTape(tape);
  });
});

describe("misuse of a tape", () => {
  it("is refused with what was expected", () => {
    const tape = createTape(backend, recording);
    const x = input(tape, [2, 3], new Float32Array(6), { requiresGradient: true });
    const weight = createParameter(backend, "layer.weight", [2, 4]);
    expect(() => linear(tape, x, weight)).toThrow("layer.weight: expected rows of 4");
    expect(() => add(tape, x, input(tape, [3], new Float32Array(3)))).toThrow(
      "expected shape [2, 3], got [3]",
    );
    expect(() => input(tape, [2], new Float32Array(3))).toThrow(
      "values: expected 2 elements, got 3",
    );
    expect(() => createTensor(backend, [0, 2])).toThrow("a shape of positive integers, got [0, 2]");
    expect(() => crossEntropy(tape, x, Int32Array.of(0, 3))).toThrow(
      "labels[1]: expected from 0 to 2, got 3",
    );
    expect(() => crossEntropy(tape, x, Int32Array.of(0))).toThrow("labels: expected 2, got 1");
    expect(() => kullbackLeibler(tape, x, x, { temperature: 0 })).toThrow("temperature");
    expect(() => scalarOf(x)).toThrow("expected shape [], got [2, 3]");
    expect(() => backward(tape, x)).toThrow("loss: expected shape [], got [2, 3]");
    releaseTape(tape);
    const before = used();
    expect(() => gelu(tape, x)).toThrow("expected an open one");
    expect(() => constant(tape, weight.value)).toThrow("expected an open one");
    expect(weight.value.shared).toBe(false);
    expect(() => x.value.data).toThrow("freed already");
    expect(() => input(tape, [1], new Float32Array(1))).toThrow("got one that was released");
    expect(used()).toBe(before);
  });

  it("is refused where there is nothing to sweep", () => {
    const tape = createTape(backend, recording);
    const x = input(tape, [1], Float32Array.of(1), { requiresGradient: true });
    const target = input(tape, [1], Float32Array.of(2));
    const untrainable = meanSquaredError(tape, target, target);
    expect(() => backward(tape, untrainable)).toThrow("expected a trainable result");
    const loss = meanSquaredError(tape, x, target);
    backward(tape, loss);
    expect(() => backward(tape, loss)).toThrow("of a tape not yet swept");
    releaseTape(tape);
    const evaluation = createTape(backend, { training: false });
    const value = meanSquaredError(
      evaluation,
      input(evaluation, [1], Float32Array.of(1)),
      input(evaluation, [1], Float32Array.of(1)),
    );
    expect(() => backward(evaluation, value)).toThrow("expected one with recordGradients");
    releaseTape(evaluation);
  });
});
