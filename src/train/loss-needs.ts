/** What losses read of a forward pass. */
import { checkOneOf } from "../core/checks.ts";
import type { Padding } from "../model/token-rows.ts";
import type { DistillationSettings } from "./settings.ts";
import type { TrainableForwardOptions } from "./trainable-model.ts";

/**
 * Whether a loss reads what a model computes at padded positions: what a forward pass for it is to be asked
 * for. Distillation of last hidden states does unless its settings exclude them; null is the loss against the
 * labels, which does not.
 *
 * @example
 * ```ts
 * import { lossPadding } from "espalier/nn";
 *
 * console.assert(lossPadding(null) === "excluded");
 * console.assert(lossPadding({ kind: "last-hidden-state", weight: 5 }) === "included");
 * ```
 */
export function lossPadding(settings: DistillationSettings | null): Padding {
  if (settings?.kind !== "last-hidden-state") return "excluded";
  const { padding = "included" } = settings;
  checkOneOf("distillation.padding", padding, ["included", "excluded"]);
  return padding;
}

/** All that a loss reads of a forward pass, as the pass is to be asked for it. */
export function lossNeeds(
  settings: DistillationSettings | null,
): Required<Pick<TrainableForwardOptions, "padding" | "hiddenStates">> {
  const hiddenStates = settings?.kind === "last-hidden-state";
  return { padding: lossPadding(settings), hiddenStates };
}
