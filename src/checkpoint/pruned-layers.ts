/** Reads layers as they are after earlier pruners have pruned them, and computes their masks. */
import type { PruningKernels } from "../core/pruning-kernels.ts";
import type { PatternPrunerConfig } from "../prune/config.ts";
import { needsGradient } from "../prune/criteria.ts";
import {
  createLayerWorkspace,
  type LayerSource,
  type LayerWorkspace,
} from "../prune/layer-scores.ts";
import { afterBand, type LayerMask, type LayerwisePlan, layerMaskIn } from "../prune/layerwise.ts";
import type { ReadLayer, SourcedLayer } from "./masks.ts";

/** Reduces a plan to the layers that a task needs. */
export function planFor(plan: LayerwisePlan, layers: readonly SourcedLayer[]): LayerwisePlan {
  const own = layers.flatMap(({ name }) => {
    const fate = plan.layers.get(name);
    return fate ? [[name, fate] as const] : [];
  });
  return { ...plan, layers: new Map(own), skipped: [] };
}

/**
 * Functions that read layers as they are after earlier pruners have pruned them, with working memory for each pruner.
 */
export interface PrunedLayers {
  readonly workspaceOf: (pruner: number) => LayerWorkspace;
  /**
   * Returns a source that reads the layer as the pruner scores it: for a criterion without gradients, after zeroing the
   * weights that the plans in `before` prune.
   */
  readonly sourceFor: (
    layer: SourcedLayer,
    config: PatternPrunerConfig,
    before: readonly LayerwisePlan[],
  ) => LayerSource;
  /** Returns the mask of a layer under the plan at index `number`. The mask of the next layer may overwrite it. */
  readonly maskUnder: (
    layer: SourcedLayer,
    plans: readonly LayerwisePlan[],
    number: number,
  ) => LayerMask | null;
  /** Yields the bands of a layer with the plans for each. A plan prunes its ties in the first bands. */
  readonly withPlans: (
    bands: readonly SourcedLayer[],
    plans: readonly LayerwisePlan[],
  ) => Iterable<readonly [band: SourcedLayer, plans: readonly LayerwisePlan[]]>;
}

/** Creates {@link PrunedLayers}. */
export function prunedLayers(
  readLayer: ReadLayer,
  kernels: PruningKernels | undefined,
): PrunedLayers {
  const workspaces: LayerWorkspace[] = [];
  /** The number of ties in the latest mask under each plan. */
  const ties: number[] = [];
  const workspaceOf = (pruner: number): LayerWorkspace => {
    workspaces[pruner] ??= createLayerWorkspace(kernels);
    return workspaces[pruner];
  };
  const sourceFor: PrunedLayers["sourceFor"] = (layer, config, before) => {
    const { name, kind, shape } = layer;
    const read = () => {
      const values = readLayer(layer, [config]);
      // Scores from gradients are those of the step before, in which no pruner has pruned.
      if (needsGradient(config.criterion)) return values;
      if (!before.some((plan) => plan.layers.has(name))) return values;
      const data = values.data.slice();
      before.forEach((_, number) => {
        maskUnder(layer, before, number)?.mask.forEach((bit, at) => {
          if (bit === 0) data[at] = 0;
        });
      });
      return { ...values, data };
    };
    return { name, kind, shape, read };
  };
  const maskUnder: PrunedLayers["maskUnder"] = (layer, plans, number) => {
    const plan = plans[number];
    if (plan === undefined) return null;
    const source = sourceFor(layer, plan.config, plans.slice(0, number));
    const made = layerMaskIn(workspaceOf(number), plan, source);
    ties[number] = made?.ties ?? 0;
    return made;
  };
  function* withPlans(
    bands: readonly SourcedLayer[],
    plans: readonly LayerwisePlan[],
  ): Generator<readonly [SourcedLayer, readonly LayerwisePlan[]]> {
    let own = plans;
    for (const band of bands) {
      yield [band, own];
      own = own.map((plan, number) => afterBand(plan, band.name, ties[number] ?? 0));
    }
  }
  return { workspaceOf, sourceFor, maskUnder, withPlans };
}
