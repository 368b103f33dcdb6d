/** Which layers a pruner takes: select, lay out, refuse. */
import type { PatternPrunerConfig, PrunerConfig } from "./config.ts";
import { scoresBlockMasks } from "./criteria.ts";
import { formatShape, type LayerShape } from "./layer.ts";
import { type BlockLayout, formatPattern, layOut } from "./pattern.ts";
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
  /** Leave the classifier head alone: the last linear or conv2d layer if no module follows it. */
  readonly excludeHead: boolean;
  /** Accept a pruner that selects no layer or whose pattern divides none. */
  readonly allowNothing: boolean;
  /** What `strict` does with selected layers that the pattern does not divide. */
  readonly indivisible: "refuse" | "skip";
}

/** A layer with its pattern laid on it. */
export type LaidOutLayer<Layer extends LayerShape = LayerShape> = Layer & {
  readonly layout: BlockLayout;
};

/** The layers of a pruner, and those left alone. */
interface Admission<Layer extends LayerShape> {
  readonly config: PatternPrunerConfig;
  /** Under `inc` also those that the pattern does not divide, as long as INC does not break on them. */
  readonly layers: readonly LaidOutLayer<Layer>[];
  readonly skipped: readonly SkippedLayer[];
}

/** Lays a pruner's pattern on a layer. Without a block mask nothing is divided. */
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
 * The layers that a pruner takes.
 *
 * @param records all modules of the model, in module order.
 * @throws PruningError if the pruner cannot be carried out on them.
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
