/**
 * Chooses the layers of a checkpoint that a command works on, and lists every other tensor with the reason why it is
 * left alone.
 */
import { refuseInput } from "../core/either.ts";
import { withoutWrappers } from "../io/parameter-names.ts";
import type { Profile } from "../prune/config.ts";
import { elementCount } from "../prune/layer.ts";
import { compileNamePattern, expressionFault, type SkippedLayer } from "../prune/select.ts";
import { type CheckpointLayer, layersOfTensor, moduleName } from "./layers.ts";
import type { TensorRole } from "./model-roles.ts";
import { fewOf, type SurveyedTensor } from "./survey.ts";

/** Options for choosing layers. */
export interface LayerChoice {
  /** Chooses only layers whose module name contains a match of this expression. */
  readonly layers?: RegExp | undefined;
  /** Leaves out layers whose module name contains a match of this expression. */
  readonly exclude?: RegExp | undefined;
  /** Whether to leave out classifier heads and other output layers, which are recognised by their names. */
  readonly excludeHead: boolean;
}

/** A tensor with layers that the command works on. */
export interface ChosenTensor {
  readonly tensor: SurveyedTensor;
  readonly layers: readonly CheckpointLayer[];
}

/** A tensor that is left alone. */
export interface LeftTensor {
  readonly name: string;
  readonly role: TensorRole;
  readonly elements: number;
  readonly reason: string;
  /** Whether the tensor may be a layer of unknown role. */
  readonly isUncovered: boolean;
}

/** All tensors of a checkpoint: those with chosen layers, and those left alone, with the reason. */
export interface ChosenLayers {
  readonly chosen: readonly ChosenTensor[];
  readonly left: readonly LeftTensor[];
}

/** Matches the module names of classifier heads and other output layers in transformers and torchvision. */
const HEAD =
  /(^|\.)(classifier(\.out_proj)?|lm_head|embed_out|score|qa_outputs|seq_relationship)$|^(fc|heads?(\.(head|fc))?)$|predictions\.decoder$/;

/**
 * Compiles a regular expression for module names. `key` is the option that errors name.
 *
 * @throws InputError if the expression is invalid
 */
export function readNameExpression(key: string, source: string): RegExp {
  const fault = expressionFault(source);
  if (fault !== undefined)
    refuseInput(`\`${key}\``, "a regular expression", `${source} (${fault})`);
  return compileNamePattern(source);
}

/**
 * Returns a test for heads, which returns the reason why a tensor is treated as a head, or undefined if it is not a
 * head.
 */
function headTest(
  tensors: readonly SurveyedTensor[],
  { excludeHead }: LayerChoice,
  profile: Profile,
): (tensor: SurveyedTensor) => string | undefined {
  if (!excludeHead) return () => undefined;
  const isHead = (name: string): boolean => HEAD.test(moduleName(withoutWrappers(name)));
  const heads = tensors.filter(({ name }) => isHead(name)).map(({ name }) => moduleName(name));
  const expressions =
    profile === "inc"
      ? heads.filter((name) => expressionFault(name) === undefined).map(compileNamePattern)
      : [];
  return ({ name, aliases }) => {
    if (isHead(name)) return "a head by its name";
    const alias = aliases.find(isHead);
    if (alias !== undefined) return `shares its values with the head ${alias}`;
    const head = expressions.find((expression) => expression.test(moduleName(name)));
    return head === undefined ? undefined : `matches the head ${head.source}`;
  };
}

export const ROLE_DESCRIPTIONS: Readonly<Record<TensorRole, string>> = {
  linear: "a linear layer",
  convolution: "a convolution",
  "transposed-convolution": "a transposed convolution",
  experts: "matrices of experts",
  embedding: "an embedding",
  norm: "a norm",
  bias: "a bias",
  vector: "a vector",
  other: "neither a layer nor an embedding by its name",
};

/** Whether a tensor holds constant indices, such as the `position_ids` that old checkpoints store. */
function isIndexBuffer({ name, entry }: SurveyedTensor): boolean {
  return /^[IU]\d+$/.test(entry.dtype) && /(^|[._])ids$/.test(name);
}

/**
 * Matches the names of parameters from which torch computes a weight (parametrizations and the older `weight_norm`).
 */
const PARAMETRIZED = /\.parametrizations\.|(^|\.)weight_[gv]$/;

/** Returns the reason why a tensor has no layers; undefined if it has layers. */
function reasonWithoutLayers(tensor: SurveyedTensor): string | undefined {
  const { name, role, axes, aliases, maskOf } = tensor;
  if (maskOf !== null) return `the mask of ${maskOf}`;
  if (axes !== null) return undefined;
  if (isIndexBuffer(tensor)) return "indices, not weights";
  if (role === "other" && PARAMETRIZED.test(name))
    return "a part of a parametrization; its product is not defined";
  const shared = aliases.length === 0 ? "" : `, also named ${aliases.join(", ")}`;
  return `${ROLE_DESCRIPTIONS[role]}${shared}`;
}

/**
 * Divides the tensors of a checkpoint into those with layers to work on and all others.
 *
 * @param profile the profile of pruning. Under `inc`, as in training, the name of a head is used as a regular
 *   expression, so `classifier` also leaves out `pre_classifier`
 */
export function chooseLayers(
  tensors: readonly SurveyedTensor[],
  choice: LayerChoice,
  profile: Profile = "strict",
): ChosenLayers {
  const headReason = headTest(tensors, choice, profile);
  const reasonToLeave = (tensor: SurveyedTensor): string | undefined => {
    const module = moduleName(tensor.name);
    const { layers, exclude } = choice;
    const reason = reasonWithoutLayers(tensor);
    if (reason !== undefined) return reason;
    if (layers !== undefined && !layers.test(module)) return `not matched by ${layers.source}`;
    if (exclude?.test(module)) return `excluded by ${exclude.source}`;
    return headReason(tensor);
  };
  const chosen: ChosenTensor[] = [];
  const left: LeftTensor[] = [];
  for (const tensor of tensors) {
    const reason = reasonToLeave(tensor);
    if (reason === undefined) chosen.push({ tensor, layers: layersOfTensor(tensor) });
    else left.push(leaveTensor(tensor, reason));
  }
  return { chosen, left };
}

/**
 * Whether a tensor that is left alone may still be a layer: it has elements in two or more dimensions, and the role
 * `other`.
 */
function isUnknown(tensor: SurveyedTensor): boolean {
  const { role, shape, maskOf } = tensor;
  const isMatrix = shape.length > 1 && elementCount(shape) > 0;
  return role === "other" && isMatrix && maskOf === null && !isIndexBuffer(tensor);
}

/** Creates the record of a tensor that is left alone. */
export function leaveTensor(
  tensor: SurveyedTensor,
  reason: string,
  isUncovered: boolean = isUnknown(tensor),
): LeftTensor {
  const { name, role, shape } = tensor;
  return { name, role, elements: elementCount(shape), reason, isUncovered };
}

/** Moves tensors whose layers were all skipped from `chosen` to `left`. */
export function withoutSkipped(
  { chosen, left }: ChosenLayers,
  skipped: readonly SkippedLayer[],
): ChosenLayers {
  const reasons = new Map(skipped.map(({ name, reason }) => [name, reason]));
  const reasonOf = ({ layers }: ChosenTensor): string | undefined =>
    layers.every(({ name }) => reasons.has(name)) ? reasons.get(layers[0]?.name ?? "") : undefined;
  return {
    chosen: chosen.filter((one) => reasonOf(one) === undefined),
    left: [
      ...left,
      ...chosen.flatMap((one) => {
        const reason = reasonOf(one);
        return reason === undefined ? [] : [leaveTensor(one.tensor, reason)];
      }),
    ],
  };
}

/**
 * Sorts tensors into module order. A tensor's name may lack the first part of its module's name, or contain the
 * components that wrappers such as DataParallel insert. Tensors of unknown modules come last.
 */
export function inModuleOrder(
  chosen: readonly ChosenTensor[],
  modules: readonly string[] | null,
): readonly ChosenTensor[] {
  if (modules === null) return chosen;
  const positions = new Map(modules.map((name, i) => [name, i]));
  modules.forEach((name, i) => {
    const bare = name.slice(name.indexOf(".") + 1);
    if (!positions.has(bare)) positions.set(bare, i);
  });
  const place = ({ tensor }: ChosenTensor): number =>
    positions.get(moduleName(withoutWrappers(tensor.name))) ?? modules.length;
  return [...chosen].sort((a, b) => place(a) - place(b));
}

/** Throws if no layer is chosen, and states the reasons. `purpose` completes "a layer to". @throws InputError */
export function requireLayers(path: string, { chosen, left }: ChosenLayers, purpose: string): void {
  if (chosen.length > 0) return;
  const reasons = left.map(({ name, reason }) => `${name}: ${reason}`);
  refuseInput(path, `a layer to ${purpose}`, `none (${fewOf(reasons)})`);
}
