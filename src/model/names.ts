import type { ModelConfig } from "./config.ts";

export type LayerNames = Readonly<
  Record<"query" | "key" | "value" | "attentionOutput" | "attentionNorm", string> &
    Record<"intermediate" | "output" | "outputNorm", string>
>;

/** Names of the modules of a model, as in transformers. */
export interface ModelNames {
  readonly wordEmbeddings: string;
  readonly positionEmbeddings: string;
  /** Null if the model has no token types. */
  readonly tokenTypeEmbeddings: string | null;
  readonly embeddingNorm: string;
  readonly layers: readonly LayerNames[];
  /** The linear layer on the first token: BERT's pooler, DistilBERT's pre_classifier. */
  readonly pooler: string;
  readonly classifier: string;
}

const known = new WeakMap<ModelConfig, ModelNames>();

/** Returns the module names of a model, cached by configuration. */
export function modelNames(config: ModelConfig): ModelNames {
  const names = known.get(config) ?? makeNames(config);
  known.set(config, names);
  return names;
}

/** Names of parameters by module name, cached because every step looks up all of them. */
const parameterNames = new Map<string, { readonly weight: string; readonly bias: string }>();

/** Returns the names of a module's weight and bias. */
export function namesOfModule(module: string): { readonly weight: string; readonly bias: string } {
  let names = parameterNames.get(module);
  if (names === undefined) {
    names = { weight: `${module}.weight`, bias: `${module}.bias` };
    parameterNames.set(module, names);
  }
  return names;
}

function makeNames(config: ModelConfig): ModelNames {
  const { modelType, layers } = config;
  const embeddings = `${modelType}.embeddings`;
  const layerNames = modelType === "bert" ? bertLayer : distilBertLayer;
  return {
    wordEmbeddings: `${embeddings}.word_embeddings`,
    positionEmbeddings: `${embeddings}.position_embeddings`,
    tokenTypeEmbeddings: modelType === "bert" ? `${embeddings}.token_type_embeddings` : null,
    embeddingNorm: `${embeddings}.LayerNorm`,
    layers: Array.from({ length: layers }, (_, index) => layerNames(index)),
    pooler: modelType === "bert" ? "bert.pooler.dense" : "pre_classifier",
    classifier: "classifier",
  };
}

function bertLayer(index: number): LayerNames {
  const prefix = `bert.encoder.layer.${index}`;
  return {
    query: `${prefix}.attention.self.query`,
    key: `${prefix}.attention.self.key`,
    value: `${prefix}.attention.self.value`,
    attentionOutput: `${prefix}.attention.output.dense`,
    attentionNorm: `${prefix}.attention.output.LayerNorm`,
    intermediate: `${prefix}.intermediate.dense`,
    output: `${prefix}.output.dense`,
    outputNorm: `${prefix}.output.LayerNorm`,
  };
}

function distilBertLayer(index: number): LayerNames {
  const prefix = `distilbert.transformer.layer.${index}`;
  return {
    query: `${prefix}.attention.q_lin`,
    key: `${prefix}.attention.k_lin`,
    value: `${prefix}.attention.v_lin`,
    attentionOutput: `${prefix}.attention.out_lin`,
    attentionNorm: `${prefix}.sa_layer_norm`,
    intermediate: `${prefix}.ffn.lin1`,
    output: `${prefix}.ffn.lin2`,
    outputNorm: `${prefix}.output_layer_norm`,
  };
}
