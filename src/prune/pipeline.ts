/**
 * The pruning pipeline as a reducer over training steps.
 */
import type { Profile, PruningConfig } from "./config.ts";
import type { LayerRecord } from "./layer.ts";
import type { PruningState } from "./state.ts";

/** A new state and the weights that changed, by layer name. */
export interface PruningResult {
  readonly state: PruningState;
  readonly weights: ReadonlyMap<string, Float32Array>;
}

/** Working memory of the `Into` forms; made once by {@link createPruningScratch}. */
export interface PruningScratch {
  readonly elements: Float32Array;
}

/** Options of {@link initialisePruning}. */
export interface InitialiseOptions {
  /** Default `inc`. */
  readonly profile?: Profile;
  /** Accept pruners that select no layer or whose pattern divides none. Default false. */
  readonly allowNothing?: boolean;
}

export declare function initialisePruning(
  config: PruningConfig,
  layers: readonly LayerRecord[],
  options?: InitialiseOptions,
): PruningState;
export declare function createPruningScratch(state: PruningState): PruningScratch;
export declare function onStepBegin(
  state: PruningState,
  step: number,
  layers: readonly LayerRecord[],
): PruningResult;
export declare function onBeforeOptimizerStep(
  state: PruningState,
  layers: readonly LayerRecord[],
): PruningResult;
export declare function onAfterOptimizerStep(
  state: PruningState,
  layers: readonly LayerRecord[],
): PruningResult;
export declare function onStepBeginInto(
  state: PruningState,
  step: number,
  layers: readonly LayerRecord[],
  scratch: PruningScratch,
): PruningState;
export declare function onBeforeOptimizerStepInto(
  state: PruningState,
  layers: readonly LayerRecord[],
  scratch: PruningScratch,
): PruningState;
export declare function onAfterOptimizerStepInto(
  state: PruningState,
  layers: readonly LayerRecord[],
  scratch: PruningScratch,
): PruningState;
