/** Small random models of every architecture. */
import { createBackend } from "../../src/kernels/backend.ts";
import { type ModelConfig, parseModelConfigOrThrow } from "../../src/model/config.ts";
import { initialiseParameters, type NamedValues } from "../../src/model/parameters.ts";
import { SMALL_BERT, SMALL_ELECTRA, SMALL_MODELS, SMALL_ROBERTA } from "../model/small-models.ts";

const { source: BERT } = SMALL_BERT;
const { source: ROBERTA } = SMALL_ROBERTA;
const { source: ELECTRA } = SMALL_ELECTRA;

/** Parsed config.json files by name: of every architecture, activation and kind of embedding. */
export const CONFIGS: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  ...Object.fromEntries(SMALL_MODELS.map(([name, { source }]) => [name, source])),
  "bert of relu": { ...BERT, hidden_act: "relu", num_labels: 1 },
  "bert of gelu_new": { ...BERT, hidden_act: "gelu_new" },
  "roberta of gelu and two token types": { ...ROBERTA, hidden_act: "gelu", type_vocab_size: 2 },
  "roberta with padding 1": { ...ROBERTA, pad_token_id: 1 },
  "xlm-roberta": { ...ROBERTA, model_type: "xlm-roberta" },
  camembert: { ...ROBERTA, model_type: "camembert" },
  "electra without projection": { ...ELECTRA, embedding_size: 8 },
};

/** A configuration with random parameters. A third of the elements of each matrix are zero. */
export function randomModel(json: Readonly<Record<string, unknown>>): {
  readonly config: ModelConfig;
  readonly tensors: ReadonlyMap<string, NamedValues>;
  readonly read: (name: string) => NamedValues;
} {
  const config = parseModelConfigOrThrow({ ...json, initializer_range: 0.4 });
  const backend = createBackend({ variant: "scalar" });
  const tensors = new Map(
    [...initialiseParameters(backend, config, 5)].map(([name, { value }], index) => {
      // Biases and norms differ from their initial values, so that no node can be left out.
      const data = value.data.map((x, i) => {
        if (value.shape.length < 2) return x + 0.1 * Math.sin(i + index);
        return i % 3 === 1 ? 0 : x;
      });
      return [name, { shape: value.shape, data }] as const;
    }),
  );
  const read = (name: string): NamedValues => {
    const found = tensors.get(name);
    if (found === undefined) throw new Error(`no parameter ${name}`);
    return found;
  };
  return { config, tensors, read };
}
