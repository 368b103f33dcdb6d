import type { ModelConfig } from "./config.ts";
import { type LayerNames, modelNames } from "./names.ts";

/** The kind of a module, for pruning and initialisation. */
export type ModuleKind = "linear" | "embedding" | "layerNorm";

/** A module with parameters: `<name>.weight` of `shape` and, if `bias`, `<name>.bias`. */
export interface ModuleDescription {
  readonly name: string;
  readonly kind: ModuleKind;
  /** Shape of the weight: linear [outputs, inputs], embedding [rows, width], layer norm [width]. */
  readonly shape: readonly number[];
  readonly bias: boolean;
}

/** Every module of a model, with the names and in the order of transformers. */
export function moduleList(config: ModelConfig): readonly ModuleDescription[] {
  const { hiddenSize: hidden } = config;
  const names = modelNames(config);
  return [
    embedding(names.wordEmbeddings, config.vocabularySize, hidden),
    embedding(names.positionEmbeddings, config.maxPositions, hidden),
    ...(names.tokenTypeEmbeddings === null
      ? []
      : [embedding(names.tokenTypeEmbeddings, config.tokenTypes, hidden)]),
    layerNorm(names.embeddingNorm, hidden),
    ...names.layers.flatMap((layer) => layerModules(layer, hidden, config.intermediateSize)),
    linear(names.pooler, hidden, hidden),
    linear(names.classifier, config.labels, hidden),
  ];
}

function layerModules(
  names: LayerNames,
  hidden: number,
  intermediate: number,
): readonly ModuleDescription[] {
  return [
    linear(names.query, hidden, hidden),
    linear(names.key, hidden, hidden),
    linear(names.value, hidden, hidden),
    linear(names.attentionOutput, hidden, hidden),
    layerNorm(names.attentionNorm, hidden),
    linear(names.intermediate, intermediate, hidden),
    linear(names.output, hidden, intermediate),
    layerNorm(names.outputNorm, hidden),
  ];
}

function linear(name: string, outputs: number, inputs: number): ModuleDescription {
  return { name, kind: "linear", shape: [outputs, inputs], bias: true };
}

function embedding(name: string, rows: number, width: number): ModuleDescription {
  return { name, kind: "embedding", shape: [rows, width], bias: false };
}

function layerNorm(name: string, width: number): ModuleDescription {
  return { name, kind: "layerNorm", shape: [width], bias: true };
}
