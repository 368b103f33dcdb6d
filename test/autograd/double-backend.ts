import type { Backend } from "../../src/kernels/backend.ts";
import { scalarKernels } from "../../src/kernels/scalar/kernels.ts";
import type { Memory, Region } from "../../src/kernels/simd/memory.ts";
import type { Kernels } from "../../src/kernels/table.ts";

/**
 * The scalar kernels on double-precision arrays, so that finite differences are limited by the rule
 * under test and not by float32.
 */
export function createDoubleBackend(): Backend {
  const floats = new Map<Region, Float64Array>();
  const integers = new Map<Region, Int32Array>();
  let used = 0;
  const take = (length: number, value: number): Region => {
    const region = { byteOffset: 0, length };
    floats.set(region, new Float64Array(length).fill(value));
    integers.set(region, new Int32Array(length));
    used += length * 8;
    return region;
  };
  const give = (region: Region): void => {
    if (!floats.delete(region)) throw new RangeError("region: freed twice");
    integers.delete(region);
    used -= region.length * 8;
  };
  const memory: Memory = {
    allocate: (length) => take(length, 0),
    // Whoever reads what it did not write finds NaN.
    reserve: (length) => take(length, Number.NaN),
    free: give,
    recycle: give,
    float32: (region) => {
      const view = floats.get(region);
      if (view === undefined) throw new RangeError("region: used after it was freed");
      return view as unknown as Float32Array;
    },
    int32: (region) => {
      const view = integers.get(region);
      if (view === undefined) throw new RangeError("region: used after it was freed");
      return view;
    },
    holds: (view) => [...floats.values()].some(({ buffer }) => buffer === view.buffer),
    usage: () => ({ used, reserved: used }),
  };
  return { kernels: { ...scalarKernels, attentionSoftmaxForward }, memory };
}

/** The scalar kernel rounds its logits to float32; this one does not. */
const attentionSoftmaxForward: Kernels["attentionSoftmaxForward"] = (
  scores,
  keyBias,
  scale,
  probabilities,
  offset,
  biasOffset,
  rows,
  columns,
) => {
  for (let row = 0; row < rows; row++) {
    const start = offset + row * columns;
    const logits = Array.from(
      { length: columns },
      (_, c) => scores[start + c] * scale + keyBias[biasOffset + c],
    );
    const max = Math.max(...logits);
    const exponentials = logits.map((logit) => Math.exp(logit - max));
    const sum = exponentials.reduce((total, term) => total + term, 0);
    exponentials.forEach((term, c) => {
      probabilities[start + c] = term / sum;
    });
  }
};
