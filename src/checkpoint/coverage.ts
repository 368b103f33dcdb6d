/** Accounts for all tensors of a checkpoint, and states which roles are assumptions. */
import { sumOf } from "../core/sum.ts";
import { elementCount } from "../prune/layer.ts";
import { type ChosenLayers, chooseLayers, type LeftTensor } from "./choice.ts";
import { type Assumption, assumptionsOf, type SurveyedTensor } from "./survey.ts";

/** All elements of a checkpoint: those that the command worked on, and those that it left alone. */
export interface Coverage {
  readonly elements: number;
  /** The numbers of tensors and elements that the command worked on. */
  readonly judged: { readonly tensors: number; readonly elements: number };
  readonly left: readonly (LeftTensor & { readonly share: number })[];
}

/** The account of a checkpoint's tensors, which every command on checkpoints returns. */
export interface TensorAccount {
  readonly coverage: Coverage;
  /** Roles that were inferred from names and shapes alone. */
  readonly assumptions: readonly Assumption[];
}

function coverageOf({ chosen, left }: ChosenLayers): Coverage {
  const judged = sumOf(chosen, ({ tensor }) => elementCount(tensor.shape));
  const elements = judged + sumOf(left, (one) => one.elements);
  return {
    elements,
    judged: { tensors: chosen.length, elements: judged },
    left: left.map((one) => ({ ...one, share: elements === 0 ? 0 : one.elements / elements })),
  };
}

/**
 * Accounts for every tensor.
 *
 * @param layers the layers that the command worked on; by default all layers, heads included
 */
export function accountFor(
  tensors: readonly SurveyedTensor[],
  layers: ChosenLayers = chooseLayers(tensors, { excludeHead: false }),
): TensorAccount {
  return { coverage: coverageOf(layers), assumptions: assumptionsOf(tensors) };
}
