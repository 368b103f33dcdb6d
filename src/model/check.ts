/** Checks configurations of models that are given as arguments. */
import { checkInteger, checkObject, checkOneOf } from "../core/checks.ts";
import type { ModelConfig } from "./config.ts";

const COUNTS = [
  "vocabularySize",
  "maxPositions",
  "layers",
  "heads",
  "hiddenSize",
  "intermediateSize",
  "labels",
] as const;

/** Checks that a value has the form of a configuration. */
export function checkConfig(config: ModelConfig): void {
  checkObject("config", config, "modelType", "activation", "source", ...COUNTS);
  checkOneOf("config.modelType", config.modelType, ["bert", "distilbert"]);
  for (const name of COUNTS) checkInteger(`config.${name}`, config[name], 1);
}
