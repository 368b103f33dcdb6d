/** Checks configurations of models that are given as arguments. */
import { checkInteger, checkObject, checkOneOf } from "../core/checks.ts";
import { ENCODER_TYPES } from "../core/encoder-types.ts";
import type { ModelConfig } from "./config.ts";

const COUNTS = [
  "vocabularySize",
  "maxPositions",
  "positionRows",
  "layers",
  "heads",
  "embeddingSize",
  "hiddenSize",
  "intermediateSize",
  "labels",
] as const;

/** Checks that a value has the form of a configuration. */
export function checkConfig(config: ModelConfig, name: string = "config"): void {
  checkObject(name, config, "modelType", "activation", "source", ...COUNTS);
  checkOneOf(`${name}.modelType`, config.modelType, ENCODER_TYPES);
  for (const count of COUNTS) checkInteger(`${name}.${count}`, config[count], 1);
}
