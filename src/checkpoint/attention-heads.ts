/**
 * Finds the attention heads that contribute nothing. The output is the sum over channels of a column of the output weight,
 * times a mean of values. So a head contributes nothing if each of its channels has a zero column, or a zero row and bias in
 * the value layer. Queries and keys do not matter, because they only weigh the values.
 */
import type { Checkpoint, CheckpointEntry } from "./checkpoint.ts";
import { contributingChannels } from "./contributing-channels.ts";
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

/** Returns the heads of a layer that stay, ascending: those that contribute, or the first. */
export function chooseHeads(checkpoint: Checkpoint, layer: Attention): readonly number[] {
  const { heads, value, output } = layer;
  const tensors = { row: value.weight, bias: value.bias, column: output };
  const channels = contributingChannels(checkpoint, tensors);
  const width = channels.length / heads;
  const kept = Array.from({ length: heads }, (_, head) => head).filter((head) =>
    channels.subarray(head * width, (head + 1) * width).includes(1),
  );
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
