/** Describes whole heads and input columns that are pruned, for reports. */
import { sumOf } from "../core/sum.ts";
import type { NarrowLayers } from "./events.ts";
import type { SessionPruning } from "./session.ts";

/** Returns the heads of attention layers and the columns of layers with the pattern `channelx1`; undefined without any. */
export function narrowLayers({ state, heads }: SessionPruning): NarrowLayers | undefined {
  const attentions = heads.flatMap((one) =>
    one.state.attentions.map(({ name, mask }) => ({ name, heads: [...mask] })),
  );
  const channels = state.pruners
    .filter(({ config: { pattern } }) => {
      return pattern.kind === "block" && pattern.height === "channel" && pattern.width === 1;
    })
    .flatMap(({ layers }) =>
      layers.map(({ name, mask, layout: { columns } }) => ({
        name,
        kept: sumOf([...mask.subarray(0, columns)], (bit) => bit),
        total: columns,
      })),
    );
  return attentions.length + channels.length === 0 ? undefined : { attentions, channels };
}
