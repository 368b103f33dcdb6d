/** Reports the zeros of each weight, the usual sparsity patterns that it satisfies, and its size when packed. */
import { sumOf } from "../core/sum.ts";
import { hasCountableZeros } from "../io/dtypes.ts";
import type { StoredTensor } from "../io/safetensors.ts";
import { layOut, parsePattern } from "../prune/pattern.ts";
import { formatLayout } from "../sparse/layout.ts";
import type { Checkpoint, CheckpointEntry } from "./checkpoint.ts";
import { layersOfTensor, layerValues } from "./layers.ts";
import { matrixShape } from "./packed-manifest.ts";
import { packedSize } from "./packed-tensor.ts";
import type { SurveyedTensor } from "./survey.ts";
import { weightValues } from "./tensor-values.ts";
import { checkWeight, type VerifiedWeight, verifyWeight } from "./verify.ts";

/** Sparsity patterns that hardware and libraries support: N:M first, then blocks and channels. */
export const USUAL_PATTERNS: readonly string[] = /* @__PURE__ */ [
  "1:2 2:4 4:8 3:4",
  "4x1 8x1 16x1 1x4 1x8 1x16 4x4 8x8 16x16",
  "1xchannel channelx1",
].flatMap((line) => line.split(" "));

/** A pattern that a weight satisfies, with the numbers of zero blocks and of all blocks. */
interface SatisfiedPattern {
  readonly pattern: string;
  /** The number of blocks of zeros; for N:M, of groups with at least N zeros. */
  readonly sparseBlocks: number;
  readonly blocks: number;
}

/** The result of inspecting a weight. */
export interface WeightFacts {
  readonly elements: number;
  readonly zeros: number;
  readonly nonFinite: number;
  /**
   * The N:M patterns with at least N zeros in every group, and the block patterns with at least one block of zeros and
   * no block that mixes zeros with other values. Patterns that do not divide the weight evenly are not listed.
   */
  readonly patterns: readonly SatisfiedPattern[];
}

function satisfied(weight: VerifiedWeight, spelling: string): SatisfiedPattern | undefined {
  const pattern = parsePattern(spelling);
  if (pattern === undefined || !layOut(pattern, weight).divides) return undefined;
  const exact = pattern.kind === "block";
  const { sparseBlocks, blocks, violation } = verifyWeight(weight, { pattern, exact });
  if (violation !== null || sparseBlocks === 0) return undefined;
  return { pattern: spelling, sparseBlocks, blocks };
}

/**
 * Counts the zeros and the non-finite values of a weight, and finds the usual patterns that it satisfies.
 *
 * @example
 * ```ts
 * import { inspectWeight } from "espalier/checkpoint";
 *
 * const data = Float32Array.of(0, 1, 0, 2, 0, 3, 0, 4);
 * const { zeros, patterns } = inspectWeight({ name: "fc", shape: [4, 2], data });
 * console.assert(zeros === 4);
 * console.assert(patterns.map(({ pattern }) => pattern).join() === "1:2,4x1,channelx1");
 * ```
 */
export function inspectWeight(weight: VerifiedWeight): WeightFacts {
  checkWeight(weight);
  const { data } = weight;
  let zeros = 0;
  let nonFinite = 0;
  for (let i = 0; i < data.length; i++) {
    if (data[i] === 0) zeros++;
    if (!Number.isFinite(data[i])) nonFinite++;
  }
  const patterns =
    zeros === 0 ? [] : USUAL_PATTERNS.flatMap((spelling) => satisfied(weight, spelling) ?? []);
  return { elements: data.length, zeros, nonFinite, patterns };
}

/** The maximum number of elements in a layer whose mask is drawn. Each element takes one pixel. */
const MOST_PIXELS = 2 ** 22;

export interface InspectedTensor {
  readonly tensor: SurveyedTensor;
  /** The size in bytes when stored densely. */
  readonly bytes: number;
  readonly gzipBytes: number | null;
  /** The tensor's layout in a packed file; for other files, the smallest of the usual layouts. */
  readonly packed: { readonly layout: string; readonly bytes: number };
  /**
   * The facts about the weight, for all experts together. Null if the tensor has no layers, or its zeros cannot be
   * counted.
   */
  readonly weight: WeightFacts | null;
}

export interface Inspection {
  readonly tensors: readonly InspectedTensor[];
  /** The mask of the first layer with zeros that is small enough to draw: 1 for each element that is not zero. */
  readonly mask:
    | {
        readonly layer: string;
        readonly rows: number;
        readonly columns: number;
        readonly mask: Uint8Array;
      }
    | undefined;
}

function packedFacts(
  { layout }: Checkpoint,
  { packed }: CheckpointEntry,
  tensor: StoredTensor,
): InspectedTensor["packed"] {
  if (packed !== undefined) return packed;
  if (layout === "packed") return { layout: "dense", bytes: tensor.bytes.length };
  const { spec, bytes } = packedSize(tensor);
  return { layout: spec === null ? "dense" : formatLayout(spec), bytes };
}

/** Combines the facts about several layers. Only the patterns that all of these layers satisfy remain. */
function joinFacts(all: readonly WeightFacts[]): WeightFacts {
  const [first, ...others] = all;
  const patterns = (first?.patterns ?? []).flatMap(({ pattern }) => {
    const own = all.flatMap((facts) => facts.patterns.filter((one) => one.pattern === pattern));
    if (own.length <= others.length) return [];
    const sparseBlocks = sumOf(own, (one) => one.sparseBlocks);
    return [{ pattern, sparseBlocks, blocks: sumOf(own, (one) => one.blocks) }];
  });
  return {
    elements: sumOf(all, ({ elements }) => elements),
    zeros: sumOf(all, ({ zeros }) => zeros),
    nonFinite: sumOf(all, ({ nonFinite }) => nonFinite),
    patterns,
  };
}

/** Creates the mask to draw for a weight: 1 for each nonzero element, 0 for each zero. */
function drawnMask({ name, shape, data }: VerifiedWeight): Inspection["mask"] {
  const [rows, columns] = matrixShape(shape);
  // `Uint8Array.from` would first make an ordinary array of all elements.
  const mask = new Uint8Array(data.length);
  for (let i = 0; i < mask.length; i++) if (data[i] !== 0) mask[i] = 1;
  return { layer: name, rows, columns, mask };
}

/**
 * Inspects every tensor of a checkpoint.
 *
 * @param compressedBytes returns the compressed size of the given bytes; if null, the size is not measured
 * @param turn awaited before each tensor, to let other work run; a rejection stops the inspection
 */
export async function inspectCheckpoint(
  checkpoint: Checkpoint,
  survey: readonly SurveyedTensor[],
  compressedBytes: ((bytes: Uint8Array) => number) | null,
  turn: () => Promise<void>,
): Promise<Inspection> {
  const tensors: InspectedTensor[] = [];
  let mask: Inspection["mask"];
  for (const tensor of survey) {
    await turn();
    const stored = checkpoint.read(tensor.entry);
    const layers = hasCountableZeros(stored.dtype) ? layersOfTensor(tensor) : [];
    const values = layers.length === 0 ? new Float32Array(0) : weightValues(checkpoint, tensor);
    const facts: WeightFacts[] = [];
    for (const layer of layers) {
      const { name, shape } = layer;
      const weight = { name, shape, data: layerValues(layer, values) };
      const own = inspectWeight(weight);
      facts.push(own);
      if (own.zeros > 0 && own.elements <= MOST_PIXELS) mask ??= drawnMask(weight);
    }
    tensors.push({
      tensor,
      bytes: stored.bytes.length,
      gzipBytes: compressedBytes?.(stored.bytes) ?? null,
      packed: packedFacts(checkpoint, tensor.entry, stored),
      weight: facts.length === 0 ? null : joinFacts(facts),
    });
  }
  return { tensors, mask };
}

/**
 * Sums over all tensors. `layers`, `layerBytes`, `packedLayerBytes`, `zeros`, `elements` and `nonFinite` cover only the
 * weights of layers.
 */
interface InspectionTotals {
  readonly tensors: number;
  readonly layers: number;
  readonly bytes: number;
  readonly packedBytes: number;
  readonly gzipBytes: number | null;
  readonly layerBytes: number;
  readonly packedLayerBytes: number;
  readonly zeros: number;
  readonly elements: number;
  readonly nonFinite: number;
}

export function inspectionTotals(all: readonly InspectedTensor[]): InspectionTotals {
  const layers = all.filter(({ weight }) => weight !== null);
  const isCompressed = all.every(({ gzipBytes }) => gzipBytes !== null);
  return {
    tensors: all.length,
    layers: layers.length,
    bytes: sumOf(all, ({ bytes }) => bytes),
    packedBytes: sumOf(all, ({ packed }) => packed.bytes),
    gzipBytes: isCompressed ? sumOf(all, ({ gzipBytes }) => gzipBytes ?? 0) : null,
    layerBytes: sumOf(layers, ({ bytes }) => bytes),
    packedLayerBytes: sumOf(layers, ({ packed }) => packed.bytes),
    zeros: sumOf(layers, ({ weight }) => weight?.zeros ?? 0),
    elements: sumOf(layers, ({ weight }) => weight?.elements ?? 0),
    nonFinite: sumOf(layers, ({ weight }) => weight?.nonFinite ?? 0),
  };
}
