/** Writes a pruned tensor to the copy, and measures it. */
import type { PruningKernels } from "../core/pruning-kernels.ts";
import type { StoredTensor } from "../io/safetensors.ts";
import type { LayoutSpec } from "../sparse/layout.ts";
import type { PutBytes } from "./copy.ts";
import { packedTally } from "./packed-tensor.ts";
import { zeroPruned } from "./zero-pruned.ts";

/**
 * Sizes of a tensor in bytes: as written (`dense`), in the smallest layout for the pruners' patterns (`packed`), and
 * after compression, if measured (`gzip`).
 */
export interface TensorSizes {
  readonly dense: number;
  readonly packed: number;
  readonly gzip: number | null;
}

/** Facts about a pruned tensor in the copy. */
export interface PrunedTensor {
  /** The number of zeros in the written weight; null for a tensor that all pruners leave alone. */
  readonly zeros: number | null;
  readonly sizes: TensorSizes;
}

/** Returns the size of a tensor's bytes after compression. Null if it is not measured. */
export type CompressedBytes = ((bytes: Uint8Array) => number) | null;

/** A band of a tensor, or a whole tensor as a single band. */
export interface PrunedBand {
  /** The position of the band in the tensor's bytes. */
  readonly begin: number;
  readonly tensor: StoredTensor;
  /** Null if all pruners leave the tensor alone. */
  readonly mask: Uint8Array | null;
}

/**
 * Zeroes the pruned elements of a tensor's bands one after the other, writes the bands with `put`, and measures the
 * tensor. Compression can be measured only for a single band.
 */
export function putPruned(
  tensor: Pick<StoredTensor, "dtype" | "shape">,
  bands: Iterable<PrunedBand>,
  layouts: readonly LayoutSpec[],
  compressedBytes: CompressedBytes,
  put: PutBytes,
  kernels?: PruningKernels,
): PrunedTensor {
  const tally = packedTally(tensor, layouts, kernels);
  let zeros: number | null = null;
  let dense = 0;
  let gzip: number | null = null;
  for (const { begin, tensor: band, mask } of bands) {
    const made = mask === null ? null : zeroPruned(mask, band, kernels);
    const bytes = made?.bytes ?? band.bytes;
    put(bytes, begin);
    dense += bytes.length;
    gzip = compressedBytes?.(bytes) ?? null;
    if (made === null) continue;
    zeros = (zeros ?? 0) + made.zeros;
    tally.add({ ...band, bytes });
  }
  return { zeros, sizes: { dense, packed: zeros === null ? dense : tally.size().bytes, gzip } };
}
