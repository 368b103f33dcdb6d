/**
 * Pruning over time, as a list of steps: each begins, brings gradients, changes the weights as an optimizer would,
 * and ends. Pruners take their turns in order at every hook, and see what those before them did to the weights.
 */
import type { PruningConfig } from "../prune/config.ts";
import type { LayerRecord } from "../prune/layer.ts";
import { afterOptimizer, beforeOptimizer, beginStep, type Stage } from "./hooks.ts";
import { plannedPruners, type StartOptions } from "./plan.ts";
import type { ReferencePruner, Weights } from "./state.ts";

/** What one step brings, by layer name: gradients, and what the optimizer adds to the weights. */
export interface ReferenceStep {
  readonly gradients: Weights;
  readonly changes: Weights;
}

/** All pruners and all weights at one moment. */
export interface Moment {
  readonly pruners: readonly ReferencePruner[];
  readonly weights: Weights;
}

/** How to plan a trajectory. Defaults: `inc`, the head left alone, nothing to prune refused. */
export type TrajectoryOptions = Partial<StartOptions>;

/** Every pruner's turn at a hook that changes weights. */
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
 * The moment before the first step.
 *
 * @throws Refusal if a pruner cannot be carried out.
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

/** One step: the moments after it has begun, after its gradients are read, and after it has ended. */
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
 * Runs steps, one after the other; gives the moments at which each had begun and had ended.
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
  let moment = startedTrajectory(config, layers, options);
  return steps.map((step) => {
    const { begun, ended } = steppedTrajectory(moment, step);
    moment = ended;
    return { begun, ended };
  });
}
