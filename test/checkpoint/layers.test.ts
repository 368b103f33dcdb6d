import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  layersOfTensor,
  layerValues,
  moduleName,
  storeMaskInto,
} from "../../src/checkpoint/layers.ts";
import type { TensorFacts } from "../../src/checkpoint/roles.ts";

function tensor(role: TensorFacts["role"], axes: TensorFacts["axes"], shape: readonly number[]) {
  return { name: "fc.weight", shape, role, axes, source: "option" } as const;
}

describe("the layers of a tensor", () => {
  it.each([
    ["linear", "out,in", [3, 2], "linear", [3, 2]],
    ["linear", "in,out", [2, 3], "linear", [3, 2]],
    ["convolution", "out,in", [3, 2, 5], "conv1d", [3, 2, 5]],
    ["convolution", "out,in", [3, 2, 5, 7], "conv2d", [3, 2, 5, 7]],
    ["convolution", "out,in", [3, 2, 2, 5, 7], "conv1d", [3, 2, 70]],
    ["transposed-convolution", "in,out", [2, 3, 5, 7], "conv2d", [3, 2, 5, 7]],
  ] as const)("%s %s %j is %s %j", (role, axes, shape, kind, outputsFirst) => {
    expect(layersOfTensor(tensor(role, axes, shape))).toEqual([
      {
        name: "fc",
        tensor: "fc.weight",
        kind,
        shape: outputsFirst,
        offset: 0,
        inputsFirst: axes === "in,out",
      },
    ]);
  });

  it("are one matrix for each expert", () => {
    const layers = layersOfTensor(tensor("experts", "in,out", [3, 4, 2]));
    expect(layers.map(({ name, shape, offset }) => [name, shape, offset])).toEqual([
      ["fc[0]", [2, 4], 0],
      ["fc[1]", [2, 4], 8],
      ["fc[2]", [2, 4], 16],
    ]);
  });

  it("are none without axes", () => {
    expect(layersOfTensor(tensor("embedding", null, [99, 8]))).toEqual([]);
  });
});

it("a module's name is that of its weight without the last part", () => {
  expect(["a.weight", "a.weight_orig", "a.in_proj_weight"].map(moduleName)).toEqual([
    "a",
    "a",
    "a.in_proj_weight",
  ]);
});

const extent = fc.integer({ min: 1, max: 5 });
const anyTensor = fc.oneof(
  fc.tuple(extent, extent).map((shape) => tensor("linear", "in,out", shape)),
  fc.tuple(extent, extent, extent).map((shape) => tensor("experts", "in,out", shape)),
  fc.tuple(extent, extent, extent).map((shape) => tensor("experts", "out,in", shape)),
  fc
    .tuple(extent, extent, extent, extent)
    .map((shape) => tensor("transposed-convolution", "in,out", shape)),
);

it("values are those of the axes, and masks return to their places", () => {
  fc.assert(
    fc.property(anyTensor, (facts) => {
      const size = facts.shape.reduce((product, one) => product * one, 1);
      const values = Float32Array.from({ length: size }, (_, i) => i + 1);
      const mask = new Uint8Array(size);
      const [experts, first, second, ...kernel] =
        facts.role === "experts" ? facts.shape : [1, ...facts.shape];
      const positions = kernel.reduce((product, one) => product * one, 1);
      const layers = layersOfTensor(facts);
      expect(layers).toHaveLength(experts);
      for (const [expert, layer] of layers.entries()) {
        const own = layerValues(layer, values);
        const [outputs = 0, inputs = 0] = layer.shape;
        for (let output = 0; output < outputs; output++)
          for (let input = 0; input < inputs; input++)
            for (let position = 0; position < positions; position++) {
              const [row, column] = facts.axes === "in,out" ? [input, output] : [output, input];
              const place = ((expert * first + row) * second + column) * positions + position;
              expect(own[(output * inputs + input) * positions + position]).toBe(place + 1);
            }
        storeMaskInto(
          layer,
          Uint8Array.from(own, (value) => value % 2),
          mask,
        );
      }
      expect(mask).toEqual(Uint8Array.from(values, (value) => value % 2));
    }),
  );
});
