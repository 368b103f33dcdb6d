import { describe, expect, it } from "vitest";
import { createBackend } from "../../src/kernels/backend.ts";
import { createParameter, parameterNamed, releaseParameters } from "../../src/tensor/parameter.ts";
import { columnsOf, elementCount, rowsOf } from "../../src/tensor/shape.ts";
import { createIntegerTensor, createTensor } from "../../src/tensor/tensor.ts";
import { withScarceMemory } from "./scarce-memory.ts";

const backend = createBackend({ variant: "scalar" });

describe("shapes", () => {
  it("count elements, rows and columns", () => {
    expect([[], [3], [2, 3], [4, 2, 3]].map(elementCount)).toEqual([1, 3, 6, 24]);
    expect([[], [3], [2, 3], [4, 2, 3]].map(rowsOf)).toEqual([1, 1, 2, 8]);
    expect([[], [3], [2, 3], [4, 2, 3]].map(columnsOf)).toEqual([1, 3, 3, 3]);
  });
});

describe("a tensor", () => {
  it("keeps its values when the memory grows", () => {
    const tensor = createTensor(backend, [2, 2], Float32Array.of(1, 2, 3, 4));
    const view = tensor.data;
    const large = createTensor(backend, [1 << 22]);
    expect(view.length).toBe(0);
    expect([...tensor.data]).toEqual([1, 2, 3, 4]);
    tensor.release();
    large.release();
  });

  it("copies another tensor's values even where its own allocation grows the memory", () => {
    const count = 1 << 20;
    const own = createBackend({ variant: "auto" });
    const first = createTensor(own, [count]);
    first.data.fill(7);
    first.integers[1] = 9;
    const copies = Array.from({ length: 3 }, () => createTensor(own, [count], first.data));
    const integers = createIntegerTensor(own, [count], first.integers);
    expect(copies.every(({ data }) => data[0] === 7 && data[count - 1] === 7)).toBe(true);
    expect(integers.integers[1]).toBe(9);
  });

  it("is given back by its last holder, once", () => {
    const before = backend.memory.usage().used;
    const tensor = createTensor(backend, [3]);
    expect(tensor.retain()).toBe(tensor);
    expect(tensor.shared).toBe(true);
    tensor.release();
    expect([...tensor.data]).toEqual([0, 0, 0]);
    tensor.release();
    expect(backend.memory.usage().used).toBe(before);
    expect(() => tensor.data).toThrow("tensor of shape [3]: its memory was freed already");
    expect(() => tensor.release()).toThrow("freed already");
    expect(() => tensor.retain()).toThrow("freed already");
  });
});

describe("parameters", () => {
  it("are found by name or reported", () => {
    const parameters = new Map([["w", createParameter(backend, "w", [1], Float32Array.of(2))]]);
    expect(parameterNamed(parameters, "w").value.data[0]).toBe(2);
    expect(() => parameterNamed(parameters, "v")).toThrow("expected one named v, got 1 others");
    releaseParameters(parameters);
  });
});

describe("memory that runs out", () => {
  it("keeps nothing of a parameter", () => {
    const before = backend.memory.usage().used;
    const used = (): number => backend.memory.usage().used - before;
    const parameter = withScarceMemory(
      backend,
      (scarce) => createParameter(scarce, "w", [4, 4]),
      () => expect(used()).toBe(0),
    );
    expect(used()).toBe(128);
    releaseParameters(new Map([["w", parameter]]));
  });
});
