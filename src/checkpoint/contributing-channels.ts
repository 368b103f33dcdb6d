/** Finds the channels between two linear layers that contribute nothing to the second one's output, if weights are finite. */
import { widenForZeros } from "../io/dtypes.ts";
import type { Checkpoint, CheckpointEntry } from "./checkpoint.ts";

/**
 * Returns 1 for each channel whose column after it is not zero, if its row or its bias before it is not zero either, and 0
 * for the others.
 */
export function contributingChannels(
  checkpoint: Checkpoint,
  { row, bias, column }: Readonly<Record<"row" | "bias" | "column", CheckpointEntry>>,
): Uint8Array {
  const [channels = 0, width = 0] = row.shape;
  const valuesOf = (entry: CheckpointEntry) => {
    const { dtype, bytes } = checkpoint.read(entry);
    return widenForZeros(dtype, bytes);
  };
  const columns = new Uint8Array(channels);
  valuesOf(column).forEach((value, i) => {
    if (value !== 0) columns[i % channels] = 1;
  });
  const rows = Uint8Array.from(valuesOf(bias), (value) => (value === 0 ? 0 : 1));
  valuesOf(row).forEach((value, i) => {
    if (value !== 0) rows[Math.floor(i / width)] = 1;
  });
  return columns.map((used, channel) => used & (rows[channel] ?? 0));
}
