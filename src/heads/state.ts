/**
 * The state of pruning attention heads during training: plain data that can be saved, compared and resumed. The pure
 * forms of the hooks never change a state. The `Into` forms consume a live state and change it in place.
 */
import { checkObject, checkRecords } from "../core/checks.ts";
import type { Profile, PrunerConfig } from "../prune/config.ts";
import { refusePruning } from "../prune/layer.ts";
import type { HeadPattern } from "../prune/pattern.ts";
import type { PruneEvent } from "../prune/state.ts";

/** The configuration of a pruner of whole attention heads. */
export type HeadPrunerConfig = PrunerConfig & { readonly pattern: HeadPattern };

/** An attention layer, as the names of its linear layers. */
export interface AttentionLayer {
  readonly name: string;
  readonly heads: number;
  /** The layers whose outputs belong to heads, in equal parts: query, key and value. Scores are added in this order. */
  readonly projections: readonly string[];
  /** The layer whose inputs belong to heads, in equal parts. */
  readonly output: string;
}

/** The state of one attention layer. */
export interface PrunedAttention extends AttentionLayer {
  /** 1 for each kept and 0 for each pruned head. */
  readonly mask: Uint8Array;
  /**
   * The criterion's scores of all elements, for each projection and then for the output layer. `null` before the first
   * scores are computed.
   */
  readonly elementScores: readonly Float32Array[] | null;
  /** One score per head, from which the latest masks were chosen. `null` before the first masks. */
  readonly scores: Float32Array | null;
}

/** The state of a pruner of whole attention heads. `version` is the version of this format. */
export interface HeadPruningState {
  readonly version: 1;
  readonly profile: Profile;
  readonly config: HeadPrunerConfig;
  /** The number of heads that each layer keeps at least. 0 under `inc`. */
  readonly minHeads: number;
  readonly attentions: readonly PrunedAttention[];
  /** The number of completed steps. */
  readonly step: number;
  /** The latest step that has begun; beginning it again has no effect. -1 before the first step. */
  readonly handledStep: number;
  /** The numbers of completed and of planned prune steps. The schedule's target ratio depends on their quotient. */
  readonly completedPruneSteps: number;
  readonly totalPruneSteps: number;
  /** The share of pruned heads. */
  readonly currentSparsity: number;
  /** The record of the latest prune step, in which blocks are heads. `null` before the first. */
  readonly lastEvent: PruneEvent | null;
}

/** An attention layer in a live state. The `Into` forms change masks and scores in place. */
export interface LiveAttention extends PrunedAttention {
  elementScores: readonly Float32Array[] | null;
  scores: Float32Array | null;
}

/** A state that the `Into` forms change in place. After each call, use only the state that it returned. */
export interface LiveHeadPruningState extends HeadPruningState {
  readonly attentions: readonly LiveAttention[];
  step: number;
  handledStep: number;
  completedPruneSteps: number;
  currentSparsity: number;
  lastEvent: PruneEvent | null;
}

/** The names of an attention layer's linear layers, the output layer last. */
export function linearLayers({ projections, output }: AttentionLayer): readonly string[] {
  return [...projections, output];
}

/** Refuses layers without the one that an attention layer names. */
export function refuseMissing(layer: string): never {
  return refusePruning("layer-mismatch", "layers", `one named ${layer}`, "none", layer);
}

/** Checks that a value has the form of a state. */
export function checkHeadState(state: HeadPruningState): void {
  checkObject("state", state, "profile", "config", "attentions");
  checkRecords("state.attentions", state.attentions, "name", "projections", "mask");
}

/** Copies a mask. `slice` would not copy a mask that was read from a file as a Node.js Buffer. */
function copyAttention(attention: PrunedAttention): LiveAttention {
  const { mask, elementScores, scores } = attention;
  return {
    ...attention,
    mask: new Uint8Array(mask),
    elementScores: elementScores?.map((one) => one.slice()) ?? null,
    scores: scores?.slice() ?? null,
  };
}

/** Copies a state for use with the `Into` forms. The original stays valid. */
export function copyHeadState(state: HeadPruningState): LiveHeadPruningState {
  checkHeadState(state);
  return { ...state, attentions: state.attentions.map(copyAttention) };
}
