/**
 * Files: safetensors, Hugging Face directories, WordPiece, GLUE; and what patterns a checkpoint's weights obey. Bytes
 * and strings in, values out; no file system.
 */
export * from "./checkpoint/inspect.ts";
export * from "./checkpoint/layers.ts";
export {
  formatManifest,
  PACKED_METADATA,
  PACKED_VERSION,
  type PackedDtype,
  type PackedEntry,
  type PackedLayout,
  type PackedManifest,
  parseManifest,
} from "./checkpoint/packed-manifest.ts";
export {
  type PackedTensor,
  type PackOptions,
  packedSize,
  packTensor,
  type RoundingError,
  unpackTensor,
} from "./checkpoint/packed-tensor.ts";
export * from "./checkpoint/plan.ts";
export * from "./checkpoint/selectable.ts";
export * from "./checkpoint/verify.ts";
export { type Either, formatProblem, getOrThrow, InputError, type Problem } from "./core/either.ts";
export type { ByteSource } from "./io/byte-source.ts";
export {
  DTYPES,
  type Dtype,
  type DtypeFacts,
  isDtype,
  type RawElements,
  rawElements,
} from "./io/dtypes.ts";
export * from "./io/glue.ts";
export * from "./io/hugging-face.ts";
export * from "./io/hugging-face-writer.ts";
export type { JsonObject, JsonValue } from "./io/json.ts";
export { compareNames, type NameComparison } from "./io/parameter-names.ts";
export * from "./io/safetensors.ts";
export {
  parseSafetensorsHeader,
  SAFETENSORS_MAX_HEADER,
  type SafetensorsEntry,
  type SafetensorsHeader,
  type SafetensorsReadOptions,
  safetensorsHeaderEnd,
} from "./io/safetensors-header.ts";
export * from "./io/shard-index.ts";
export * from "./io/tokenizer.ts";
export * from "./io/torch-checkpoint.ts";
export * from "./io/vocabulary.ts";
export type { WordOptions } from "./io/words.ts";
export { parseYaml, parseYamlOrThrow } from "./io/yaml.ts";
export type { PatternPrunerConfig } from "./prune/config.ts";
export type { LayerKind } from "./prune/layer.ts";
export {
  type LayerMask,
  type LayerSource,
  type LayerwisePlan,
  layerMask,
  layerwisePlanning,
  planLayerwise,
} from "./prune/layerwise.ts";
export { oneShotConfig, type PruneOnceOptions } from "./prune/once.ts";
export type { Pattern } from "./prune/pattern.ts";
export type { LayoutSpec } from "./sparse/layout.ts";
export type { LayoutSize } from "./sparse/size.ts";
