import { describe, expect, it } from "vitest";
import { runSelfTest } from "../../src/conform/self-test.ts";
import { type Backend, createBackend } from "../../src/kernels/backend.ts";
import type { Kernels } from "../../src/kernels/table.ts";

/** Scalar loops with one of them replaced. */
function broken(changes: Partial<Kernels>): Backend {
  const backend = createBackend({ variant: "scalar" });
  return { ...backend, kernels: { ...backend.kernels, ...changes } };
}

const scalar = createBackend({ variant: "scalar" }).kernels;

describe("the self-test", () => {
  it("passes for scalar loops, to the last bit", () => {
    expect(runSelfTest(broken({}))).toEqual({ passed: true, worst: 0, at: "loss" });
  });

  const changes: Readonly<Record<string, Partial<Kernels>>> = {
    "a product that does nothing": { gemm: () => undefined },
    "a GELU that is a little off": {
      geluForward: (x, y) => {
        scalar.geluForward(x, y);
        scalar.scale(y, 1.01, y);
      },
    },
    "a sparse product without its bias": {
      blockSparseForward: (x, matrix, _bias, y, first, end, tile) =>
        scalar.blockSparseForward(x, matrix, null, y, first, end, tile),
    },
    "a sparse input gradient of the first tokens alone": {
      blockSparseInputGradient: (dy, matrix, dx, accumulate, first, end, tile) => {
        scalar.blockSparseInputGradient(dy, matrix, dx, accumulate, first, end >> 1, tile);
        if (!accumulate) dx.fill(0, (end >> 1) * matrix.inputs, end * matrix.inputs);
      },
    },
    "a sparse weight gradient that is missing": { blockSparseWeightSums: () => undefined },
  };

  it.each(Object.entries(changes))("finds %s", (_, change) => {
    expect(runSelfTest(broken(change)).passed).toBe(false);
  });
});
