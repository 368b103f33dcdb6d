import type { EmbeddingNames, Head, LayerNames } from "./architecture.ts";
import { ARCHITECTURES } from "./architectures.ts";
import type { ModelConfig } from "./config.ts";

/** Names of the modules of a model, as in transformers. */
export interface ModelNames {
  readonly embeddings: EmbeddingNames;
  readonly layers: readonly LayerNames[];
  readonly head: Head;
}

const known = new WeakMap<ModelConfig, ModelNames>();

/** Returns the module names of a model, cached by configuration. */
export function modelNames(config: ModelConfig): ModelNames {
  const names = known.get(config) ?? makeNames(config);
  known.set(config, names);
  return names;
}

function makeNames({ modelType, layers, embeddingSize, hiddenSize }: ModelConfig): ModelNames {
  const { embeddings, layer, head } = ARCHITECTURES[modelType];
  const projection = embeddingSize === hiddenSize ? null : embeddings.projection;
  return {
    embeddings: { ...embeddings, projection },
    layers: Array.from({ length: layers }, (_, index) => layer(index)),
    head,
  };
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
