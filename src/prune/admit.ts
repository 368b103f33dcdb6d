/**
 * Decides which layers a pruner prunes: selects layers, divides them into blocks, and refuses those that cannot be
 * pruned.
 */
import type { PatternPrunerConfig, PrunerConfig } from "./config.ts";
import { scoresBlockMasks } from "./criteria.ts";
import { formatShape, type LayerShape } from "./layer.ts";
import { formatPattern, type LaidOutLayer, layOut } from "./pattern.ts";
import type { ProfileRules } from "./profiles.ts";
import {
  checkProgressive,
  checkSettings,
  checkSomething,
  patternPruner,
  refuseIndivisible,
} from "./refusals.ts";
import { type SkippedLayer, selectLayers } from "./select.ts";

/** Options for selecting layers and for handling layers that cannot be pruned. */
export interface AdmissionOptions {
  /** Whether to skip the classifier head: the last module, if it is a linear or conv2d layer. */
  readonly excludeHead: boolean;
  /** Whether to accept a pruner that selects no layer, or only layers that do not divide evenly into blocks. */
  readonly allowNothing: boolean;
  /** How `strict` handles selected layers that do not divide evenly into blocks: it refuses or skips them. */
  readonly indivisible: "refuse" | "skip";
}

interface Admission<Layer extends LayerShape> {
  readonly config: PatternPrunerConfig;
  /**
   * The selected layers. Under `inc`, they include layers that do not divide evenly into blocks, which are never
   * pruned.
   */
  readonly layers: readonly LaidOutLayer<Layer>[];
  readonly skipped: readonly SkippedLayer[];
}

/**
 * Adds the block layout to a layer. If the criterion scores block masks, a layer without a block mask is treated as not
 * divisible into blocks.
 */
function laidOut<Layer extends LayerShape>(
  { pattern, criterion }: PatternPrunerConfig,
  layer: Layer,
  { hasBlockMask }: ProfileRules,
): LaidOutLayer<Layer> {
  const layout = layOut(pattern, layer);
  const masked = !scoresBlockMasks(criterion) || hasBlockMask(layer);
  return { ...layer, layout: { ...layout, divides: layout.divides && masked } };
}

/**
 * Selects the layers that a pruner prunes.
 *
 * @param records all modules of the model, in module order.
 * @throws PruningError if the pruner cannot prune the selected layers.
 */
export function admitLayers<Layer extends LayerShape>(
  asked: PrunerConfig,
  records: readonly Layer[],
  rules: ProfileRules,
  { excludeHead, allowNothing, indivisible }: AdmissionOptions,
): Admission<Layer> {
  const config = patternPruner(asked);
  checkSettings(config, rules.checkSchedule);
  const { selected, skipped } = selectLayers(config, records, excludeHead, rules.selection);
  const all = selected.map((layer) => laidOut(config, layer, rules));
  if (!allowNothing) checkSomething(config, all);
  const layers = all.filter(({ layout }) => rules.keepsIndivisible || layout.divides);
  checkProgressive(config, layers);
  const undivided = all.filter(({ layout }) => !layout.divides);
  if (undivided.length > 0 && rules.breaksOnIndivisible(config, all, indivisible))
    refuseIndivisible(config, undivided[0]);
  rules.checkRoom(config, layers);
  const reasons = undivided.map(({ name, shape }) => ({
    name,
    reason: layOut(config.pattern, { shape }).divides
      ? "has no block mask"
      : `${formatPattern(config.pattern)} does not divide ${formatShape(shape)}`,
  }));
  return { config, layers, skipped: [...skipped, ...reasons] };
}
