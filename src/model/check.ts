/** Checks configurations of models that are given as arguments. */
import { checkInteger, checkKind, checkObject, checkOneOf } from "../core/checks.ts";
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
  const { layers, heads, intermediateSizes, prunedHeads } = config;
  // Configurations that were written by hand may lack both.
  const isList = (list: unknown, isEntry: (entry: unknown) => boolean): boolean =>
    (list ?? null) === null ||
    (Array.isArray(list) && list.length === layers && list.every(isEntry));
  const isSize = (size: unknown) => Number.isSafeInteger(size) && Number(size) > 0;
  const sizes = `null or ${layers} positive integers`;
  checkKind(
    isList(intermediateSizes, isSize),
    `${name}.intermediateSizes`,
    sizes,
    intermediateSizes,
  );
  const isHead = (head: unknown) =>
    Number.isInteger(head) && Number(head) >= 0 && Number(head) < heads;
  const isHeads = (own: unknown) => Array.isArray(own) && own.length < heads && own.every(isHead);
  const lists = `null or ${layers} lists of fewer than ${heads} heads`;
  checkKind(isList(prunedHeads, isHeads), `${name}.prunedHeads`, lists, prunedHeads);
}
