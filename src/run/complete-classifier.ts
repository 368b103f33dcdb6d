/** A stored model that is a complete sequence classifier. */
import { InputError } from "../core/either.ts";
import { modelFit } from "../experiment/model-fit.ts";
import type { Tokenizer } from "../io/tokenizer.ts";
import type { ModelConfig } from "../model/config.ts";
import type { StoredValues } from "../sparse/classifier-building.ts";
import type { OpenModel } from "./stored-model.ts";

/** A classifier whose weights are not loaded yet. */
export interface CompleteClassifier {
  readonly config: ModelConfig;
  readonly tokenizer: Tokenizer;
  /** Messages for the user about stored tensors that are not used. */
  readonly notices: readonly string[];
  /** Reads a parameter by its name in transformers, and its form in eight bits if it is stored so. */
  readonly read: (name: string) => StoredValues;
  readonly close: () => void;
}

/**
 * Checks that the weights of a model are complete.
 *
 * @throws InputError with all problems; then the model is closed
 */
export function completeClassifier(directory: string, model: OpenModel): CompleteClassifier {
  const { config, tokenizer, weights, tensors } = model;
  const { problems, notices } = modelFit({ path: directory, value: model }, true);
  if (problems.length > 0) {
    model.close();
    throw new InputError(problems);
  }
  const read = (name: string): StoredValues => {
    const entry = tensors.get(name);
    if (entry === undefined)
      throw new RangeError(`${name}: expected a tensor in ${weights}, got none`);
    return model.readStored(entry);
  };
  return {
    ...{ config, tokenizer, notices, read },
    close: model.close,
  };
}
