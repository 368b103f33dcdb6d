/**
 * Finds the channels of feed-forward layers that contribute nothing: their column of the output weight is zero, or their
 * row of the intermediate weight and its bias are, since activations keep zero.
 */
import type { Checkpoint, CheckpointEntry } from "./checkpoint.ts";
import { contributingChannels } from "./contributing-channels.ts";
import type { TensorCut } from "./cut-tensors.ts";

/** The tensors of a feed-forward layer. */
export interface FeedForward {
  /** [channels, hidden] */
  readonly intermediate: CheckpointEntry;
  /** [channels] */
  readonly bias: CheckpointEntry;
  /** [hidden, channels] */
  readonly output: CheckpointEntry;
}

/** Returns 1 for each group with a contributing channel, and for an incomplete last group. */
function contributingGroups(channels: Uint8Array, align: number): Uint8Array {
  return Uint8Array.from({ length: Math.ceil(channels.length / align) }, (_, group) => {
    const own = channels.subarray(group * align, (group + 1) * align);
    return Number(own.length < align || own.includes(1));
  });
}

/** How channels are chosen. */
interface ChannelChoice {
  /** Whether each layer keeps as many channels as the layer with the most needs. */
  readonly isUniform: boolean;
  /** Channels go or stay in groups of this number, from the first on. */
  readonly align: number;
  /** The number of groups that stay is rounded up to a multiple of it, at most to all. Default 1. */
  readonly multiple?: number;
}

/**
 * Chooses the channels that stay in each layer, but at least one. In layers that need fewer than they keep, the first
 * zero channels stay too. Channels keep their order.
 */
export function chooseChannels(
  checkpoint: Checkpoint,
  layers: readonly FeedForward[],
  { isUniform, align, multiple = 1 }: ChannelChoice,
): readonly Int32Array[] {
  const channels = layers.map(({ intermediate: row, bias, output: column }) =>
    contributingChannels(checkpoint, { row, bias, column }),
  );
  const groups = channels.map((one) => contributingGroups(one, align));
  const counts = groups.map((one) => one.reduce((sum, bit) => sum + bit, 0));
  const most = Math.max(...counts);
  return groups.map((own, i) => {
    const needed = counts[i] ?? 0;
    const least = Math.max(1, isUniform ? most : needed);
    let spare = Math.ceil(least / multiple) * multiple - needed;
    const stays = own.map((bit) => Number(bit === 1 || spare-- > 0));
    const all = Int32Array.from((channels[i] ?? own).keys());
    return all.filter((channel) => stays[Math.floor(channel / align)] === 1);
  });
}

/** Returns the cuts of all layers' tensors, by name. */
export function channelCuts(
  layers: readonly FeedForward[],
  channels: readonly Int32Array[],
): ReadonlyMap<string, TensorCut> {
  return new Map(
    layers.flatMap(
      ({ intermediate, bias, output }, i): readonly (readonly [string, TensorCut])[] => {
        const kept = channels[i] ?? new Int32Array(0);
        return [
          [intermediate.name, { axis: 0, kept }],
          [bias.name, { axis: 0, kept }],
          [output.name, { axis: 1, kept }],
        ];
      },
    ),
  );
}
