/** Removes zero channels and zero attention heads from the layers of a model. */
import { chooseHeads, headCuts } from "../checkpoint/attention-heads.ts";
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import type { TensorCut } from "../checkpoint/cut-tensors.ts";
import { channelCuts, chooseChannels } from "../checkpoint/feed-forward-channels.ts";
import { getOrThrow, refuseInput } from "../core/either.ts";
import type { ModelConfig } from "../model/config.ts";
import { headsOf, intermediateSizeOf } from "../model/modules.ts";
import {
  attentionLayers,
  feedForwardLayers,
  type ShrinkableDirectory,
  withPrunedHeads,
  withWidths,
} from "./shrinkable-directory.ts";

/** What happens to the widths of feed-forward layers. */
export type Widths = "keep" | "uniform" | "per-layer";

export const WIDTHS: readonly Widths[] = ["keep", "uniform", "per-layer"];

/** What happens to attention heads. */
export type Heads = "keep" | "remove";

export const HEADS: readonly Heads[] = ["keep", "remove"];

/** Which parts of layers go. */
export interface LayerSettings {
  /**
   * `uniform`: remove zero channels of feed-forward layers, as many in each. `per-layer`: remove all of them; then only
   * this library reads the copy. Default `keep`.
   */
  readonly widths?: Widths;
  /**
   * Channels are removed in aligned groups of this number, so that blocks of as many outputs keep their places. An
   * incomplete last group stays. Default 1.
   */
  readonly align?: number;
  /** Widths are rounded up to a multiple of it; any zero channels go. Not together with `align`. Default 1. */
  readonly multiple?: number;
  /** `remove`: remove attention heads that are zero. Each layer keeps at least one. Default `keep`. */
  readonly heads?: Heads;
}

/** A model with narrower layers. */
interface Narrowed {
  readonly cuts: ReadonlyMap<string, TensorCut>;
  /** The directory with the new config.json. */
  readonly directory: ShrinkableDirectory;
}

/** The width of each feed-forward layer, and the number of heads in each attention layer. */
export function layerSizes(config: ModelConfig): {
  readonly widths: readonly number[];
  readonly heads: readonly number[];
} {
  const layers = Array.from({ length: config.layers }, (_, layer) => layer);
  return {
    widths: layers.map((layer) => intermediateSizeOf(config, layer)),
    heads: layers.map((layer) => headsOf(config, layer)),
  };
}

function refuseTensors({ name }: ShrinkableDirectory, kind: string): never {
  const shapes = `float tensors in the shapes of config.json for each ${kind} layer, none of them shared`;
  return refuseInput(name, shapes, "others");
}

/** Removes channels that are zero. Null if no layer has any. */
function withoutChannels(
  directory: ShrinkableDirectory,
  checkpoint: Checkpoint,
  { widths: asked = "keep", align = 1, multiple = 1 }: LayerSettings,
): Narrowed | null {
  if (asked === "keep") return null;
  const { config, name } = directory;
  const isUniform = asked === "uniform";
  if (isUniform && config.intermediateSizes !== null)
    refuseInput(
      name,
      "`widths` per-layer for a model whose layers have different widths",
      "uniform",
    );
  const layers = getOrThrow(feedForwardLayers(config, checkpoint));
  if (layers === undefined) return refuseTensors(directory, "feed-forward");
  if (layers.length === 0) return null;
  const channels = chooseChannels(checkpoint, layers, { isUniform, align, multiple });
  const widths = channels.map(({ length }) => length);
  if (widths.join() === layerSizes(config).widths.join()) return null;
  return {
    cuts: channelCuts(layers, channels),
    directory: withWidths(directory, widths),
  };
}

/** Removes heads that are zero. Null if no layer has any. */
function withoutHeads(directory: ShrinkableDirectory, checkpoint: Checkpoint): Narrowed | null {
  const { config } = directory;
  const layers = getOrThrow(attentionLayers(config, checkpoint));
  if (layers === undefined) return refuseTensors(directory, "attention");
  const kept = layers.map((layer) => chooseHeads(checkpoint, layer));
  if (kept.every((heads, i) => heads.length === headsOf(config, i))) return null;
  const lacking = kept.map((heads, i) => {
    const before = config.prunedHeads?.[i] ?? [];
    const all = Array.from({ length: config.heads }, (_, head) => head);
    const present = all.filter((head) => !before.includes(head));
    const staying = new Set(heads.map((head) => present[head]));
    return all.filter((head) => !staying.has(head));
  });
  return {
    cuts: new Map(layers.flatMap((layer, i) => headCuts(layer, kept[i] ?? []))),
    directory: withPrunedHeads(directory, lacking),
  };
}

/** Describes what is removed if a model has it. Undefined if nothing is asked for. */
export function describeRemovable({
  widths = "keep",
  align = 1,
  multiple = 1,
  heads = "keep",
}: LayerSettings): string | undefined {
  const beyond = multiple === 1 ? "" : ` beyond a multiple of ${multiple}`;
  const channels = align === 1 ? `zero channels${beyond}` : `${align} zero channels side by side`;
  const place = widths === "uniform" ? "each feed-forward layer" : "a feed-forward layer";
  const parts = [
    ...(widths === "keep" ? [] : [`${channels} in ${place}`]),
    ...(heads === "keep" ? [] : ["a zero head beside others"]),
  ];
  return parts.length === 0 ? undefined : parts.join(" or ");
}

/**
 * Removes zero channels and heads, as asked. Null if there are none.
 *
 * @throws InputError if tensors are not found
 */
export function narrowLayers(
  directory: ShrinkableDirectory,
  checkpoint: Checkpoint,
  settings: LayerSettings,
): Narrowed | null {
  const narrow = withoutChannels(directory, checkpoint, settings);
  if (settings.heads !== "remove") return narrow;
  const fewer = withoutHeads(narrow?.directory ?? directory, checkpoint);
  if (fewer === null || narrow === null) return fewer ?? narrow;
  return { directory: fewer.directory, cuts: new Map([...narrow.cuts, ...fewer.cuts]) };
}
