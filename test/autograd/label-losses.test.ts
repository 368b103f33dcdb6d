import { describe, expect, it, test } from "vitest";
import { backward } from "../../src/autograd/backward.ts";
import {
  binaryCrossEntropy,
  type CrossEntropyOptions,
  crossEntropy,
} from "../../src/autograd/label-losses.ts";
import type { Variable } from "../../src/autograd/records.ts";
import type { Tape } from "../../src/autograd/tape.ts";
import { createTape, gradientOf, input, releaseTape, scalarOf } from "../../src/autograd/tape.ts";
import { type Backend, createBackend } from "../../src/kernels/backend.ts";
import { VARIANTS } from "../kernels/subjects.ts";

/** [3, 4] */
const LOGITS = [
  1.607, 0.35, 0.178, -1.227, 0.092, -2.737, 0.675, 2.022, -2.87, 1.955, 1.044, 2.476,
];
const LABELS = Int32Array.of(2, 0, 3);
const WEIGHTS = [0.5, 2, 1.25, 3];
/** Float32 rounds probabilities, which are at most 1, and losses of at most 2 to 2^-24 of their value. */
const TOLERANCE = 2 ** -22;

function run(
  backend: Backend,
  loss: (tape: Tape, logits: Variable) => Variable,
  values: readonly number[] = LOGITS,
  shape: readonly [number, number] = [3, 4],
): { readonly loss: number; readonly gradient: Float32Array } {
  const tape = createTape(backend, { training: false, recordGradients: true });
  try {
    const logits = input(tape, shape, Float32Array.from(values), { requiresGradient: true });
    const result = loss(tape, logits);
    backward(tape, result);
    return { loss: scalarOf(result), gradient: gradientOf(logits).slice() };
  } finally {
    releaseTape(tape);
  }
}

function expectNear(got: ArrayLike<number>, expected: readonly number[]): void {
  expect(got.length).toBe(expected.length);
  expected.forEach((value, i) => {
    expect(Math.abs((got[i] ?? Number.NaN) - value), `element ${i}`).toBeLessThanOrEqual(TOLERANCE);
  });
}

/** Losses and gradients of torch 2.8 in double precision. */
const CROSS_ENTROPIES: readonly {
  readonly options: CrossEntropyOptions;
  readonly loss: number;
  readonly gradient: readonly number[];
}[] = [
  {
    options: {},
    loss: 1.5909581790116054,
    gradient: [
      0.21059301, 0.05991503, -0.28288612, 0.01237808, -0.29911015, 0.00202163, 0.06130756,
      0.23578096, 0.00086478, 0.10774031, 0.04332474, -0.15192983,
    ],
  },
  {
    options: { classWeights: WEIGHTS },
    loss: 1.120767755259499,
    gradient: [
      0.16625764, 0.04730134, -0.22333115, 0.00977217, -0.09445584, 0.00063841, 0.01936028,
      0.07445715, 0.00163854, 0.20413954, 0.08208898, -0.28786705,
    ],
  },
  {
    options: { labelSmoothing: 0.1 },
    loss: 1.6527831785750013,
    gradient: [
      0.20225968, 0.0515817, -0.25788612, 0.00404475, -0.27411015, -0.00631171, 0.05297423,
      0.22744763, -0.00746855, 0.09940698, 0.0349914, -0.12692983,
    ],
  },
  {
    options: { labelSmoothing: 0.1, classWeights: WEIGHTS },
    loss: 1.2193102059250003,
    gradient: [
      0.16944508, 0.03843057, -0.20220037, -0.00567528, -0.08399436, -0.00973628, 0.0173794,
      0.07635125, -0.00106473, 0.18468212, 0.07191864, -0.25553603,
    ],
  },
];

describe.each(VARIANTS)("losses against labels on %s kernels", (_, backend) => {
  it.each(CROSS_ENTROPIES)("cross-entropy with $options equals torch", (recorded) => {
    const got = run(backend, (tape, logits) =>
      crossEntropy(tape, logits, LABELS, recorded.options),
    );
    expectNear([got.loss], [recorded.loss]);
    expectNear(got.gradient, recorded.gradient);
  });

  it("binary cross-entropy equals torch", () => {
    const targets = Float32Array.of(1, 0, 0, 1, 0, 0, 0, 0, 1, 1, 0, 0.25);
    const got = run(backend, (tape, logits) => binaryCrossEntropy(tape, logits, targets));
    expectNear([got.loss], [1.1427539588902176]);
    expectNear(
      got.gradient,
      [
        -0.01391713, 0.0488848, 0.04536524, -0.06444109, 0.04358198, 0.00506875, 0.05521849,
        0.07359064, -0.07886195, -0.0103341, 0.06163509, 0.05603684,
      ],
    );
  });
});

const backend = createBackend({ variant: "scalar" });

test("no smoothing and equal weights give the loss without options", () => {
  const plain = run(backend, (tape, logits) => crossEntropy(tape, logits, LABELS));
  for (const options of [
    { labelSmoothing: 0, classWeights: null },
    { classWeights: [3, 3, 3, 3] },
    { classWeights: [1, 1, 1, 1], labelSmoothing: 0 },
  ]) {
    const got = run(backend, (tape, logits) => crossEntropy(tape, logits, LABELS, options));
    expectNear([got.loss], [plain.loss]);
    expectNear(got.gradient, [...plain.gradient]);
  }
});

test("binary cross-entropy of huge logits is finite, with gradients of the sign of the error", () => {
  const targets = Float32Array.of(0, 1, 1, 0);
  const got = run(
    backend,
    (tape, logits) => binaryCrossEntropy(tape, logits, targets),
    [1e4, -1e4, 1e4, -1e4],
    [2, 2],
  );
  expect(got.loss).toBe(5000);
  expect([...got.gradient]).toEqual([0.25, -0.25, 0, 0]);
});

test("invalid options, targets and shapes are refused by name", () => {
  const cross = (options: unknown) => () =>
    run(backend, (tape, logits) =>
      crossEntropy(tape, logits, LABELS, options as CrossEntropyOptions),
    );
  const binary = (targets: unknown) => () =>
    run(backend, (tape, logits) => binaryCrossEntropy(tape, logits, targets as Float32Array));
  expect(cross({ labelSmoothing: 1.5 })).toThrow(/^labelSmoothing: expected .* 0 to 1, got 1.5$/);
  expect(cross({ smoothing: 0.1 })).toThrow(/^options\.smoothing: /);
  expect(cross({ classWeights: [1, 2] })).toThrow("classWeights: expected 4 elements, got 2");
  expect(cross({ classWeights: [1, 2, 0, 1] })).toThrow(
    "classWeights[2]: expected a finite number above 0, got 0",
  );
  expect(cross({ classWeights: [1, 2, "1", 1] })).toThrow(TypeError);
  expect(cross({ classWeights: 2 })).toThrow("classWeights: expected an array, got 2");
  expect(binary(Int32Array.of(1))).toThrow("expected a Float32Array");
  expect(binary(Float32Array.of(1))).toThrow("expected 12 elements, got 1");
  const wrong = new Float32Array(12);
  wrong[5] = 1.25;
  expect(binary(wrong)).toThrow("targets[5]: expected a finite number from 0 to 1, got 1.25");
  wrong[5] = Number.NaN;
  expect(binary(wrong)).toThrow("targets[5]");
  expect(backend.memory.usage().used).toBe(0);
});
