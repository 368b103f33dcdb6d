/** Decides which layers a pruner takes: selects them, lays the pattern on them, and refuses some. */
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

/** What to do about layers that cannot be pruned. */
export interface AdmissionOptions {
  /** Skip the classifier head: the last linear or conv2d layer if no module follows it. */
  readonly excludeHead: boolean;
  /** Accept a pruner that selects no layer or whose pattern divides no layer. */
  readonly allowNothing: boolean;
  /** What `strict` does with selected layers that the pattern does not divide. */
  readonly indivisible: "refuse" | "skip";
}

interface Admission<Layer extends LayerShape> {
  readonly config: PatternPrunerConfig;
  /** Under `inc` this includes layers that the pattern does not divide, unless INC fails on them. */
  readonly layers: readonly LaidOutLayer<Layer>[];
  readonly skipped: readonly SkippedLayer[];
}

/** Lays the pattern on a layer. A layer without a block mask counts as not divided. */
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
 * Selects the layers of a pruner.
 *
 * @param records all modules of the model, in module order.
 * @throws PruningError if the pruner cannot prune them.
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
