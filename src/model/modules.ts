import type { EmbeddingNames, LayerNames } from "./architecture.ts";
import type { ModelConfig } from "./config.ts";
import { modelNames } from "./names.ts";
import { positionPaddingRow } from "./positions.ts";

export type ModuleKind = "linear" | "embedding" | "layerNorm";

/** A module with parameters: `<name>.weight` with this shape and, if `bias` is true, `<name>.bias`. */
export interface ModuleDescription {
  readonly name: string;
  readonly kind: ModuleKind;
  /** Shape of the weight: linear [outputs, inputs], embedding [rows, width], layer norm [width]. */
  readonly shape: readonly number[];
  readonly bias: boolean;
  /** The row of an embedding that is not trained, and zero at first. Undefined: none. */
  readonly paddingRow?: number | undefined;
  /** Whether the module is never trained, because its values are sinusoids. */
  readonly isSinusoidal?: boolean;
}

/** Lists every module of a model, with the names that transformers uses and in the same order. */
export function moduleList(config: ModelConfig): readonly ModuleDescription[] {
  const { hiddenSize: hidden } = config;
  const widthsOf = (layer: number): LayerWidths => ({
    hidden,
    attention: headsOf(config, layer) * headWidth(config),
    intermediate: intermediateSizeOf(config, layer),
  });
  const { embeddings, layers, head } = modelNames(config);
  return [
    ...embeddingModules(embeddings, config),
    ...layers.flatMap((layer, i) => layerModules(layer, widthsOf(i))),
    moduleOf("linear", head.dense, hidden, hidden),
    moduleOf("linear", head.classifier, config.labels, hidden),
  ];
}

/** The number of features of each head. */
export function headWidth({ hiddenSize, heads }: ModelConfig): number {
  return hiddenSize / heads;
}

/** Returns the number of heads in a layer. */
export function headsOf({ heads, prunedHeads }: ModelConfig, layer: number): number {
  return heads - (prunedHeads?.[layer]?.length ?? 0);
}

/** Returns the width of a feed-forward layer. */
export function intermediateSizeOf(
  { intermediateSize, intermediateSizes }: ModelConfig,
  layer: number,
): number {
  return intermediateSizes?.[layer] ?? intermediateSize;
}

function embeddingModules(
  names: EmbeddingNames,
  config: ModelConfig,
): readonly ModuleDescription[] {
  const { embeddingSize: width, paddingRow, trainsPositions } = config;
  return [
    {
      ...moduleOf("embedding", names.words, config.vocabularySize, width),
      paddingRow: paddingRow ?? undefined,
    },
    {
      ...moduleOf("embedding", names.positions, config.positionRows, width),
      paddingRow: positionPaddingRow(config),
      isSinusoidal: !trainsPositions,
    },
    ...(names.tokenTypes === null
      ? []
      : [moduleOf("embedding", names.tokenTypes, config.tokenTypes, width)]),
    moduleOf("layerNorm", names.norm, width),
    ...(names.projection === null
      ? []
      : [moduleOf("linear", names.projection, config.hiddenSize, width)]),
  ];
}

/** The widths of hidden states, and within attention and the feed-forward sub-layer. */
type LayerWidths = Readonly<Record<"hidden" | "attention" | "intermediate", number>>;

function layerModules(
  names: LayerNames,
  { hidden, attention, intermediate }: LayerWidths,
): readonly ModuleDescription[] {
  return [
    moduleOf("linear", names.query, attention, hidden),
    moduleOf("linear", names.key, attention, hidden),
    moduleOf("linear", names.value, attention, hidden),
    moduleOf("linear", names.attentionOutput, hidden, attention),
    moduleOf("layerNorm", names.attentionNorm, hidden),
    moduleOf("linear", names.intermediate, intermediate, hidden),
    moduleOf("linear", names.output, hidden, intermediate),
    moduleOf("layerNorm", names.outputNorm, hidden),
  ];
}

function moduleOf(kind: ModuleKind, name: string, ...shape: number[]): ModuleDescription {
  return { name, kind, shape, bias: kind !== "embedding" };
}
