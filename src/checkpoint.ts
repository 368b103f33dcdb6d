/**
 * Works on whole checkpoints, given as bytes: finds the weights of layers, plans what a pruning configuration does to
 * them, prunes, verifies patterns, and packs tensors into compressed layouts. Uses no file system.
 *
 * @module espalier/checkpoint
 */

export type { Checkpoint, CheckpointEntry } from "./checkpoint/checkpoint.ts";
export { inspectWeight, type WeightFacts } from "./checkpoint/inspect.ts";
export type { MatrixAxes, TensorRole } from "./checkpoint/model-roles.ts";
export { type CheckpointSource, openCheckpointFile } from "./checkpoint/open.ts";
export {
  formatManifest,
  PACKED_METADATA,
  type PackedEntry,
  parseManifest,
} from "./checkpoint/packed-manifest.ts";
export {
  type PackOptions,
  packedSize,
  packTensor,
} from "./checkpoint/packed-tensor.ts";
export { type PlanOptions, type PruningPlan, planPruning } from "./checkpoint/plan.ts";
export type { PrunedCheckpoint } from "./checkpoint/prune.ts";
export {
  type PrunedSafetensors,
  type PruneSafetensorsOptions,
  pruneSafetensors,
} from "./checkpoint/prune-safetensors.ts";
export {
  type RoleEvidence,
  type RoleOverride,
  type RoleSource,
  type TensorFacts,
  tensorFacts,
} from "./checkpoint/roles.ts";
export { unpackTensor } from "./checkpoint/unpack-tensor.ts";
export {
  type PatternVerdict,
  type VerifyOptions,
  verifyPattern,
  verifyWeight,
} from "./checkpoint/verify.ts";
export type { LayerSource } from "./prune/layer-scores.ts";
export {
  type LayerwisePlan,
  layerMask,
  planLayerwise,
} from "./prune/layerwise.ts";
export { oneShotConfig } from "./prune/once.ts";
