/** A small pruned checkpoint, for visitors without one. */
import { pruneSafetensors } from "../../../../src/checkpoint/prune-safetensors.ts";
import { tensorFromFloat32, writeSafetensors } from "../../../../src/io/safetensors.ts";
import type { GivenFile } from "./protocol.ts";

const WIDTH = 64;

/** Numbers that look random and are the same for every visitor. */
function numbers(count: number, seed: number): Float32Array {
  let state = seed;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const first = state / 2 ** 32;
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return 0.05 * (first + state / 2 ** 32 - 1);
  });
}

/** Returns the example: two encoder layers whose linear weights are pruned to 4x1, three quarters of all blocks. */
export async function exampleFiles(): Promise<readonly GivenFile[]> {
  const layers = [0, 1].flatMap((layer) => [
    [`bert.encoder.layer.${layer}.attention.self.query.weight`, [WIDTH, WIDTH]] as const,
    [`bert.encoder.layer.${layer}.intermediate.dense.weight`, [4 * WIDTH, WIDTH]] as const,
    [`bert.encoder.layer.${layer}.output.dense.weight`, [WIDTH, 4 * WIDTH]] as const,
  ]);
  const shapes = [
    ["bert.embeddings.word_embeddings.weight", [500, WIDTH]] as const,
    ...layers,
    ["classifier.weight", [2, WIDTH]] as const,
    ["classifier.bias", [2]] as const,
  ];
  const tensors = new Map(
    shapes.map(([name, shape], i) => {
      const count = shape.reduce((product, extent) => product * extent, 1);
      return [name, tensorFromFloat32("F32", [...shape], numbers(count, i + 1))] as const;
    }),
  );
  const dense = writeSafetensors(tensors, { format: "pt" });
  const { bytes } = await pruneSafetensors(dense, { pattern: "4x1", sparsity: 0.75 });
  const content = new Blob([bytes as Uint8Array<ArrayBuffer>]);
  return [{ path: "example.safetensors", content }];
}
