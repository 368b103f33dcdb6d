/** Which outputs of a forward pass a loss reads. */
import { checkOneOf } from "../core/checks.ts";
import type { Padding } from "../model/token-rows.ts";
import type { DistillationSettings } from "./settings.ts";
import type { TrainableForwardOptions } from "./trainable-model.ts";

/**
 * Whether a loss reads padded positions: only distillation of last hidden states does, unless its settings exclude
 * them. null is the loss against labels.
 */
export function lossPadding(settings: DistillationSettings | null): Padding {
  if (settings?.kind !== "last-hidden-state") return "excluded";
  const { padding = "included" } = settings;
  checkOneOf("distillation.padding", padding, ["included", "excluded"]);
  return padding;
}

/** The forward options for a loss. */
export function lossNeeds(
  settings: DistillationSettings | null,
): Required<Pick<TrainableForwardOptions, "padding" | "hiddenStates">> {
  const hiddenStates = settings?.kind === "last-hidden-state";
  return { padding: lossPadding(settings), hiddenStates };
}
