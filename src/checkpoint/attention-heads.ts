/**
 * Finds the attention heads that contribute nothing: their columns of the output weight are zero, or their rows of the
 * value weight and its bias are. Queries and keys do not matter, because they only weigh the values.
 */
import { widenForZeros } from "../io/dtypes.ts";
import type { Checkpoint, CheckpointEntry } from "./checkpoint.ts";
import type { TensorCut } from "./cut-tensors.ts";

/** A linear layer whose outputs belong to heads. */
interface Projection {
  /** [heads width, hidden] */
  readonly weight: CheckpointEntry;
  /** [heads width] */
  readonly bias: CheckpointEntry;
}

/** The tensors of an attention layer. */
export interface Attention {
  readonly heads: number;
  readonly query: Projection;
  readonly key: Projection;
  readonly value: Projection;
  /** [hidden, heads width] */
  readonly output: CheckpointEntry;
}

/** Returns 1 for each head that contributes, and 0 for the others. */
function contributingHeads(
  checkpoint: Checkpoint,
  { heads, value, output }: Attention,
): Uint8Array {
  const [features = 0, hidden = 0] = value.weight.shape;
  const width = features / heads;
  const valuesOf = (entry: CheckpointEntry) => {
    const { dtype, bytes } = checkpoint.read(entry);
    return widenForZeros(dtype, bytes);
  };
  const [read, reached] = [new Uint8Array(heads), new Uint8Array(heads)];
  valuesOf(output).forEach((one, i) => {
    if (one !== 0) read[Math.floor((i % features) / width)] = 1;
  });
  valuesOf(value.bias).forEach((one, i) => {
    if (one !== 0) reached[Math.floor(i / width)] = 1;
  });
  valuesOf(value.weight).forEach((one, i) => {
    if (one !== 0) reached[Math.floor(i / (hidden * width))] = 1;
  });
  return read.map((bit, head) => bit & (reached[head] ?? 0));
}

/** Returns the heads of a layer that stay, ascending: those that contribute, or the first. */
export function chooseHeads(checkpoint: Checkpoint, layer: Attention): readonly number[] {
  const contributing = contributingHeads(checkpoint, layer);
  const kept = Array.from(contributing.keys()).filter((head) => contributing[head] === 1);
  return kept.length > 0 ? kept : [0];
}

/** Returns the cuts of a layer's tensors, by name. */
export function headCuts(
  { heads, query, key, value, output }: Attention,
  kept: readonly number[],
): readonly (readonly [string, TensorCut])[] {
  const width = (value.weight.shape[0] ?? 0) / heads;
  const features = Int32Array.from({ length: kept.length * width }, (_, i) => {
    return (kept[Math.floor(i / width)] ?? 0) * width + (i % width);
  });
  const rows: TensorCut = { axis: 0, kept: features };
  const projections = [query, key, value].flatMap(({ weight, bias }) => [weight, bias]);
  return [
    ...projections.map(({ name }) => [name, rows] as const),
    [output.name, { axis: 1, kept: features }],
  ];
}
