import type { ModelConfig } from "./config.ts";
import { type LayerNames, modelNames } from "./names.ts";

export type ModuleKind = "linear" | "embedding" | "layerNorm";

/** A module with parameters: `<name>.weight` with this shape and, if `bias` is true, `<name>.bias`. */
export interface ModuleDescription {
  readonly name: string;
  readonly kind: ModuleKind;
  /** Shape of the weight: linear [outputs, inputs], embedding [rows, width], layer norm [width]. */
  readonly shape: readonly number[];
  readonly bias: boolean;
}

/** Lists every module of a model, with the names that transformers uses and in the same order. */
export function moduleList(config: ModelConfig): readonly ModuleDescription[] {
  const { hiddenSize: hidden } = config;
  const names = modelNames(config);
  return [
    moduleOf("embedding", names.wordEmbeddings, config.vocabularySize, hidden),
    moduleOf("embedding", names.positionEmbeddings, config.maxPositions, hidden),
    ...(names.tokenTypeEmbeddings === null
      ? []
      : [moduleOf("embedding", names.tokenTypeEmbeddings, config.tokenTypes, hidden)]),
    moduleOf("layerNorm", names.embeddingNorm, hidden),
    ...names.layers.flatMap((layer) => layerModules(layer, hidden, config.intermediateSize)),
    moduleOf("linear", names.pooler, hidden, hidden),
    moduleOf("linear", names.classifier, config.labels, hidden),
  ];
}

function layerModules(
  names: LayerNames,
  hidden: number,
  intermediate: number,
): readonly ModuleDescription[] {
  return [
    moduleOf("linear", names.query, hidden, hidden),
    moduleOf("linear", names.key, hidden, hidden),
    moduleOf("linear", names.value, hidden, hidden),
    moduleOf("linear", names.attentionOutput, hidden, hidden),
    moduleOf("layerNorm", names.attentionNorm, hidden),
    moduleOf("linear", names.intermediate, intermediate, hidden),
    moduleOf("linear", names.output, hidden, intermediate),
    moduleOf("layerNorm", names.outputNorm, hidden),
  ];
}

function moduleOf(kind: ModuleKind, name: string, ...shape: number[]): ModuleDescription {
  return { name, kind, shape, bias: kind !== "embedding" };
}
