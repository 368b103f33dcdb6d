import { expect, test } from "vitest";
import { createBackend } from "../../src/kernels/backend.ts";
import { createFrozenParameter, releaseParameters } from "../../src/tensor/parameter.ts";

test("a frozen parameter keeps values that lie in a memory that grows for it", () => {
  const backend = createBackend();
  const { memory } = backend;
  const { reserved } = memory.usage();
  const length = Math.ceil(reserved / 4 / 2 / 16) * 16;
  const source = memory.allocate(length);
  memory.float32(source).fill(3);
  const before = memory.usage().reserved;
  const parameters = new Map();
  while (memory.usage().reserved === before) {
    const name = `weight.${parameters.size}`;
    const values = memory.float32(source);
    parameters.set(name, createFrozenParameter(backend, name, [length], values));
  }
  for (const { value } of parameters.values())
    expect(value.data.every((one: number) => one === 3)).toBe(true);
  releaseParameters(parameters);
});
