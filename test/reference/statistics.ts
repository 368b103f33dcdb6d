/**
 * How sparse a model is. INC's three figures (`get_sparsity_ratio`) look at masks: masked elements over the weights of
 * all linear and convolution layers, over all parameters, and each pruner's elements times its share of pruned blocks
 * over the former; a layer owned by two pruners counts twice. The honest shares count zeros in the weights.
 */
import type { LayerRecord } from "../../src/prune/layer.ts";
import { countOf, totalOf } from "../../src/reference/count.ts";
import { ofElements } from "../../src/reference/layout.ts";
import { weightMatrix } from "../../src/reference/matrix.ts";
import type { Moment } from "../../src/reference/trajectory.ts";

/** Zeros among some weights. */
export interface Zeros {
  readonly zeros: number;
  readonly total: number;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function ratio(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole;
}

function countZeros(values: Float32Array | Uint8Array): number {
  return Array.from(values).filter((value) => value === 0).length;
}

/** INC's figures: elements over linear and convolution weights, over all parameters, and blocks over the former. */
export function incFigures(
  { pruners }: Moment,
  layers: readonly LayerRecord[],
  parameterCount: number,
): readonly [overMatmul: number, overAll: number, blockwise: number] {
  const matmul = layers.filter(({ kind }) => kind === "linear" || kind.startsWith("conv"));
  const size = sum(matmul.map(({ data }) => data.length));
  const masks = pruners.flatMap((pruner) => pruner.layers.map(({ mask }) => mask));
  const masked = sum(masks.map(countZeros));
  const blockwise = pruners.map(({ config, layers: own }) => {
    const { pruned, total } = totalOf(
      own.map(({ layout, mask, shape }) =>
        countOf(config.pattern, layout, weightMatrix(mask, shape), "inc"),
      ),
    );
    const elements = sum(own.map(({ mask }) => mask.length));
    return Math.trunc(elements * ofElements(config.pattern, ratio(pruned, total)));
  });
  return [ratio(masked, size), ratio(masked, parameterCount), ratio(sum(blockwise), size)];
}

/** Zeros in the weights of the layers that `which` picks. */
export function zerosAmong(
  { weights }: Moment,
  layers: readonly LayerRecord[],
  which: (layer: LayerRecord) => boolean,
): Zeros {
  const picked = layers.filter(which).map(({ name, data }) => weights.get(name) ?? data);
  return { zeros: sum(picked.map(countZeros)), total: sum(picked.map(({ length }) => length)) };
}

/** A pruner's blocks: pruned whole, or for N:M with at least N elements pruned. */
export function blocksPruned({ pruners }: Moment, index: number): Zeros {
  const pruner = pruners[index];
  const counts = (pruner?.layers ?? []).map(({ layout, mask, shape }) =>
    pruner === undefined
      ? { pruned: 0, total: 0 }
      : countOf(pruner.config.pattern, layout, weightMatrix(mask, shape), "strict"),
  );
  const { pruned, total } = totalOf(counts);
  return { zeros: pruned, total };
}
