/**
 * Reads and writes safetensors and Hugging Face directories, tokenizes as transformers does, and parses GLUE files and YAML.
 * All functions work on bytes and strings and use no file system.
 *
 * @module espalier/io
 */

export { type Either, formatProblem, getOrThrow, InputError, type Problem } from "./core/either.ts";
export { type Dtype, rawElements } from "./io/dtypes.ts";
export { type Example, type GlueTask, parseGlueTsv } from "./io/glue.ts";
export {
  readHuggingFaceModel,
  readHuggingFaceTokenizer,
  type StoredModel,
  widenTensors,
} from "./io/hugging-face.ts";
export { type ModelToWrite, writeHuggingFaceDirectory } from "./io/hugging-face-writer.ts";
export { compareNames, type NameComparison } from "./io/parameter-names.ts";
export {
  readSafetensors,
  readSafetensorsOrThrow,
  type SafetensorsFile,
  type StoredTensor,
  tensorFromFloat32,
  toFloat32,
  writeSafetensors,
} from "./io/safetensors.ts";
export {
  parseSafetensorsHeader,
  type SafetensorsHeader,
  safetensorsHeaderEnd,
} from "./io/safetensors-header.ts";
export { createTokenizer, decode, type Encoding, encode, type Tokenizer } from "./io/tokenizer.ts";
export type { WordOptions } from "./io/words.ts";
export { parseYaml } from "./io/yaml.ts";
