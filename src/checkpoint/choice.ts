/** Which layers of a checkpoint a command works on. Every other tensor is listed with the reason. */
import { InputError } from "../core/either.ts";
import { sumOf } from "../core/sum.ts";
import type { Profile } from "../prune/config.ts";
import { elementCount } from "../prune/layer.ts";
import { compileNamePattern, expressionFault, type SkippedLayer } from "../prune/select.ts";
import { type CheckpointLayer, layersOfTensor, moduleName } from "./layers.ts";
import type { TensorRole } from "./model-roles.ts";
import type { SurveyedTensor } from "./survey.ts";

/** How layers are chosen. */
export interface LayerChoice {
  /** Only modules in whose names this is found. */
  readonly layers?: RegExp | undefined;
  /** No modules in whose names this is found. */
  readonly exclude?: RegExp | undefined;
  /** Whether heads, recognised by their names, are left alone. */
  readonly excludeHead: boolean;
}

/** A tensor with layers to work on. */
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
  /** Whether it may be a layer whose role is not known. */
  readonly isUncovered: boolean;
}

/** All tensors of a checkpoint: chosen, or left with the reason. */
export interface ChosenLayers {
  readonly chosen: readonly ChosenTensor[];
  readonly left: readonly LeftTensor[];
}

/** Names of classifier heads and other output layers, in the models of transformers and torchvision. */
const HEAD =
  /(^|\.)(classifier(\.out_proj)?|lm_head|embed_out|score|qa_outputs|seq_relationship)$|^(fc|heads?(\.(head|fc))?)$|predictions\.decoder$/;

/** Reads an expression on module names. `key` names the option in backticks. @throws InputError if it is invalid */
export function readNameExpression(key: string, source: string | undefined): RegExp | undefined {
  if (source === undefined) return undefined;
  const fault = expressionFault(source);
  if (fault === undefined) return compileNamePattern(source);
  throw new InputError([
    { path: `\`${key}\``, expected: "a regular expression", got: `${source} (${fault})` },
  ]);
}

/** Tells why a module counts as a head, if it does. */
function headTest(
  tensors: readonly SurveyedTensor[],
  { excludeHead }: LayerChoice,
  profile: Profile,
): (tensor: SurveyedTensor) => string | undefined {
  if (!excludeHead) return () => undefined;
  const isHead = (name: string): boolean => HEAD.test(moduleName(name));
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

const ARTICLES: Readonly<Record<TensorRole, string>> = {
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

/** Whether a tensor is a constant that old checkpoints store, such as `position_ids`. */
function isIndexBuffer({ name, entry }: SurveyedTensor): boolean {
  return /^[IU]\d+$/.test(entry.dtype) && /(^|[._])ids$/.test(name);
}

/** Why a tensor has no layers; undefined if it has. */
function reasonWithoutLayers(tensor: SurveyedTensor): string | undefined {
  const { name, role, axes, aliases, maskOf } = tensor;
  if (maskOf !== null) return `the mask of ${maskOf}`;
  if (axes !== null) return undefined;
  if (isIndexBuffer(tensor)) return "indices, not weights";
  if (role === "other" && /\.parametrizations\./.test(name))
    return "a part of a parametrization; its product is not defined";
  const shared = aliases.length === 0 ? "" : `, also named ${aliases.join(", ")}`;
  return `${ARTICLES[role]}${shared}`;
}

/**
 * Divides the tensors of a checkpoint into those with layers to work on and all others.
 *
 * @param profile `inc` as in training: the name of a head is an expression, so `classifier` also finds `pre_classifier`
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

/** All layers of a checkpoint, heads included. */
export function layersByRole(tensors: readonly SurveyedTensor[]): ChosenLayers {
  return chooseLayers(tensors, { excludeHead: false });
}

/** Whether a tensor that is left alone may be a layer: two or more dimensions, and the role `other`. */
function isUnknown(tensor: SurveyedTensor): boolean {
  const { role, shape, maskOf } = tensor;
  return role === "other" && shape.length > 1 && maskOf === null && !isIndexBuffer(tensor);
}

/** Lists a tensor as left alone. */
export function leaveTensor(
  tensor: SurveyedTensor,
  reason: string,
  isUncovered: boolean = isUnknown(tensor),
): LeftTensor {
  const { name, role, shape } = tensor;
  return { name, role, elements: elementCount(shape), reason, isUncovered };
}

/** Moves tensors whose layers are all skipped to those that are left. */
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

/** The parts of names that DataParallel and torch.compile add. */
const WRAPPERS = /(^|\.)(module|_orig_mod)(?=\.)/g;

/**
 * Sorts tensors by the order of a model's modules. A name may lack its first part or have parts of wrappers. Unknown
 * modules come last.
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
    positions.get(moduleName(tensor.name).replace(WRAPPERS, "").replace(/^\./, "")) ??
    modules.length;
  return [...chosen].sort((a, b) => place(a) - place(b));
}

/** An account of all elements of a checkpoint. */
export interface Coverage {
  readonly elements: number;
  /** Tensors and elements that the command worked on. */
  readonly judged: { readonly tensors: number; readonly elements: number };
  readonly left: readonly (LeftTensor & { readonly share: number })[];
}

/** Accounts for every tensor. */
export function coverageOf({ chosen, left }: ChosenLayers): Coverage {
  const judged = sumOf(chosen, ({ tensor }) => elementCount(tensor.shape));
  const elements = judged + sumOf(left, (one) => one.elements);
  return {
    elements,
    judged: { tensors: chosen.length, elements: judged },
    left: left.map((one) => ({ ...one, share: elements === 0 ? 0 : one.elements / elements })),
  };
}
