/** Describes the attention layers of a model for pruning their heads. */
import type { AttentionLayer } from "../heads/state.ts";
import type { ModelConfig } from "../model/config.ts";
import { headsOf } from "../model/modules.ts";
import { modelNames } from "../model/names.ts";

/** Lists the attention layers of a model, each named for the module that contains its query. */
export function attentionLayers(config: ModelConfig): readonly AttentionLayer[] {
  return modelNames(config).layers.map(({ query, key, value, attentionOutput }, layer) => ({
    name: query.slice(0, query.lastIndexOf(".")),
    heads: headsOf(config, layer),
    projections: [query, key, value],
    output: attentionOutput,
  }));
}
