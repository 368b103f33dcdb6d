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
export function checkConfig(config: ModelConfig, name: string = "config"): void {
  checkObject(name, config, "modelType", "activation", "source", ...COUNTS);
  checkOneOf(`${name}.modelType`, config.modelType, ["bert", "distilbert"]);
  for (const count of COUNTS) checkInteger(`${name}.${count}`, config[count], 1);
}
