/** Which of a checkpoint's layers pruners may select: no heads, and floating-point weights only. */
import type { Profile } from "../prune/config.ts";
import { compileNamePattern, expressionFault, type SkippedLayer } from "../prune/select.ts";
import { isHeadName, layersInOrder, type NamedShape, type TensorRole } from "./layers.ts";

/** A tensor with its element type. */
interface TypedShape extends NamedShape {
  readonly dtype: string;
}

/** How {@link selectableLayers} chooses. */
interface SelectableOptions {
  /** As `layersInOrder` takes them. */
  readonly modules: readonly string[] | null;
  /** Whether layers that are heads by their names are left alone. */
  readonly excludeHead: boolean;
  /** Under `inc` a head's name is an expression, so that `classifier` also finds `pre_classifier`. */
  readonly profile: Profile;
}

/** Layers that pruners may select, and the others with the reason. */
interface SelectableLayers {
  readonly layers: readonly TensorRole[];
  readonly skipped: readonly SkippedLayer[];
}

const FLOATING_POINT = ["F64", "F32", "F16", "BF16"];

/** Whether an element type of safetensors holds floats that pruning can score. */
export function isFloatingPoint(dtype: string): boolean {
  return FLOATING_POINT.includes(dtype);
}

/**
 * Divides a checkpoint's layers into those that pruners may select and the others.
 *
 * @example
 * ```ts
 * import { selectableLayers } from "espalier/checkpoint";
 *
 * const tensors = ["query.weight", "classifier.weight"].map((name) => ({
 *   name,
 *   shape: [4, 4],
 *   dtype: "F32",
 * }));
 * const options = { modules: null, excludeHead: true, profile: "strict" } as const;
 * const { layers, skipped } = selectableLayers(tensors, options);
 * console.assert(layers[0]?.module === "query" && skipped[0]?.name === "classifier");
 * ```
 */
export function selectableLayers(
  tensors: readonly TypedShape[],
  { modules, excludeHead, profile }: SelectableOptions,
): SelectableLayers {
  const dtypes = new Map(tensors.map(({ name, dtype }) => [name, dtype]));
  const all = layersInOrder(tensors, modules);
  const heads = excludeHead ? all.map(({ module }) => module).filter(isHeadName) : [];
  const expressions =
    profile === "inc"
      ? heads.filter((name) => expressionFault(name) === undefined).map(compileNamePattern)
      : [];
  const reasonToSkip = ({ name, module }: TensorRole): string | undefined => {
    const dtype = dtypes.get(name) ?? "";
    if (!isFloatingPoint(dtype)) return `${dtype} is not a floating-point type`;
    if (heads.includes(module)) return "a classifier head by its name";
    const head = expressions.find((expression) => expression.test(module));
    return head === undefined ? undefined : `matches the classifier head ${head.source}`;
  };
  return {
    layers: all.filter((role) => reasonToSkip(role) === undefined),
    skipped: all.flatMap((role) => {
      const reason = reasonToSkip(role);
      return reason === undefined ? [] : [{ name: role.module, reason }];
    }),
  };
}
