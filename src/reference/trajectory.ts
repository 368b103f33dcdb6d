/**
 * Pruning during training, as a list of steps. In each step, the pruners begin the step, read the gradients, and end
 * the step after the weights have changed as an optimizer would change them. At every hook the pruners run in order,
 * and each pruner sees the weights as the previous pruner left them.
 */
import type { PruningConfig } from "../prune/config.ts";
import type { LayerRecord } from "../prune/layer.ts";
import { afterOptimizer, beforeOptimizer, beginStep, type Stage } from "./hooks.ts";
import { plannedPruners, type StartOptions } from "./plan.ts";
import type { ReferencePruner, Weights } from "./state.ts";
import { checkTrajectory } from "./trajectory-arguments.ts";

/** The gradients and the weight changes of one step, by layer name. */
export interface ReferenceStep {
  readonly gradients: Weights;
  /** The changes that the optimizer adds to the weights. */
  readonly changes: Weights;
}

/** The state of all pruners and all weights at one point in the run. */
export interface Moment {
  readonly pruners: readonly ReferencePruner[];
  readonly weights: Weights;
}

/**
 * Options for a trajectory. By default, the profile is `inc`, the classifier head is skipped, and pruners that would
 * prune nothing are refused.
 */
export type TrajectoryOptions = Partial<StartOptions>;

/** Runs a hook for all pruners in order. */
function inTurn({ pruners, weights }: Moment, hook: (stage: Stage) => Stage): Moment {
  const done: ReferencePruner[] = [];
  let current = weights;
  for (const pruner of pruners) {
    const stage = hook({ pruner, weights: current });
    done.push(stage.pruner);
    current = stage.weights;
  }
  return { pruners: done, weights: current };
}

/**
 * Creates the initial state of all pruners and weights.
 *
 * @throws Refusal if a pruner cannot prune these layers.
 */
export function startedTrajectory(
  config: PruningConfig,
  layers: readonly LayerRecord[],
  options: TrajectoryOptions = {},
): Moment {
  const weights = new Map(layers.map(({ name, data }) => [name, data]));
  const defaults = { profile: "inc", excludeHead: true, allowNothing: false } as const;
  const plan: StartOptions = { ...defaults, indivisible: "refuse", ...options };
  return { pruners: plannedPruners(config, layers, plan), weights };
}

/**
 * Runs one training step. Returns the state after the beginning of the step (`begun`), after the gradients are read
 * (`scored`), and after the end of the step (`ended`).
 */
export function steppedTrajectory(
  moment: Moment,
  { gradients, changes }: ReferenceStep,
): { readonly begun: Moment; readonly scored: Moment; readonly ended: Moment } {
  const begun = inTurn(moment, beginStep);
  const scored = {
    ...begun,
    pruners: begun.pruners.map((pruner) =>
      beforeOptimizer({ pruner, weights: begun.weights }, gradients),
    ),
  };
  const updated = [...scored.weights].map(([name, weight]) => {
    const change = changes.get(name);
    return [name, weight.map((value, i) => value + Number(change?.[i] ?? 0))] as const;
  });
  const ended = inTurn({ ...scored, weights: new Map(updated) }, afterOptimizer);
  return { begun, scored, ended };
}

/**
 * Runs training steps in order. For each step, returns the state after its beginning (`begun`) and after its end
 * (`ended`).
 *
 * @example
 * ```ts
 * import { parsePruningConfigOrThrow } from "espalier";
 * import { pruningTrajectory } from "espalier/reference";
 *
 * const layers = [
 *   { name: "a", kind: "linear", shape: [1, 4], data: Float32Array.of(1, 2, 3, 4) },
 * ] as const;
 * const config = parsePruningConfigOrThrow({
 *   pattern: "1x1",
 *   pruning_type: "magnitude",
 *   target_sparsity: 0.5,
 *   end_step: 1,
 *   sparsity_decay_type: "linear",
 * });
 * const still = { gradients: new Map(), changes: new Map() };
 * const moments = pruningTrajectory(config, layers, [still, still], { excludeHead: false });
 * const weights = moments.map(({ ended }) => ended.weights.get("a")?.join());
 * if (weights.join(" then ") !== "1,2,3,4 then 0,0,3,4") throw new Error(weights.join());
 * ```
 *
 * @throws Refusal if a pruner or a step cannot be carried out.
 */
export function pruningTrajectory(
  config: PruningConfig,
  layers: readonly LayerRecord[],
  steps: readonly ReferenceStep[],
  options: TrajectoryOptions = {},
): { readonly begun: Moment; readonly ended: Moment }[] {
  checkTrajectory(config, layers, steps, options);
  let moment = startedTrajectory(config, layers, options);
  return steps.map((step) => {
    const { begun, ended } = steppedTrajectory(moment, step);
    moment = ended;
    return { begun, ended };
  });
}
