/**
 * Determines the roles and axes of a checkpoint's tensors, which the checkpoint does not state. The sources, in order
 * of precedence: the user's options, the model type in config.json, names, and the number of dimensions.
 */
import {
  checkKind,
  checkList,
  checkOptions,
  checkRecords,
  checkString,
  isStrings,
} from "../core/checks.ts";
import { refuseInput } from "../core/either.ts";
import {
  COMPOSITE_MODEL_TYPES,
  type MatrixAxes,
  MODEL_ROLES,
  PLAIN_MODEL_TYPES,
  type TensorRole,
} from "./model-roles.ts";

/** The source of a tensor's role and axes. */
export type RoleSource = "option" | "config" | "names" | "rank";

export interface NamedShape {
  readonly name: string;
  readonly shape: readonly number[];
}

/** The role and axes of a tensor, without their source. */
export interface RoleFacts {
  readonly role: TensorRole;
  /** `null` for roles without outputs and inputs. */
  readonly axes: MatrixAxes | null;
}

/** The role and axes of a tensor, and their source. */
export interface TensorFacts extends RoleFacts, NamedShape {
  readonly source: RoleSource;
}

/** The role or axes that the user gives to all tensors whose names contain a match of the pattern. */
export type RoleOverride =
  | { readonly pattern: RegExp; readonly role: TensorRole }
  | { readonly pattern: RegExp; readonly axes: MatrixAxes };

/** Information about a model that its tensors' names and shapes do not contain. */
export interface RoleEvidence {
  /** The `model_type` in config.json, then the model types of the model's parts. */
  readonly modelTypes?: readonly string[];
  /** If several overrides match a tensor's name, later ones take precedence. */
  readonly overrides?: readonly RoleOverride[];
}

/** Whether tensors with this role are matrices with outputs and inputs. */
export function isMatrixRole(role: TensorRole): boolean {
  return (
    role === "linear" ||
    role === "convolution" ||
    role === "transposed-convolution" ||
    role === "experts"
  );
}

const WEIGHT = /(^|[._])weight$/;
const NORM = /norm|(^|[._])ln(_?\w+)?$|(^|[._])bn\d*$|batch_?norm/i;
/** Matches the last part of a norm's name. A norm over several dimensions has a weight with as many dimensions. */
const NORM_MODULE = /norm_?\d*$|^(ln|bn)_?(\d+|f)?$/i;
const BIAS =
  /(^|[._])bias(es)?([._][uv])?$|_bias$|(^|\.)bias_[ih]h(_l\d+(_reverse)?)?$|(^|[._])bias_[kuv]$|correction_bias$/;
/** Matches tables of relative positions, which are attention biases and not embeddings. */
const TABLE = /relative_position_bias_table$|(^|[._])rel_pos_[hw]$/;
/** Matches the last part of the name of an embedding module. */
const EMBEDDING =
  /^(embed\w*|\w*_embed(ding)?s?|\w*embeddings?|wte|wpe|shared|\w*_emb|emb|relative_attention_bias|\w*codebook)$/i;
const EMBEDDING_PARAMETER = /embed(ding)?s?(_\w+)?$|_emb$|(_|^)tokens?(_\w+)?$/;
/** Matches linear layers that compute or transform embeddings, although their names are like those of embeddings. */
const PROJECTION = /proj|dense|transform|linear|mapping|_out$/i;
const EXPERTS = /(^|\.)\w*experts?\.\w+(\.weight)?$/;
/** Matches modules whose three-dimensional weights have one matrix per expert. */
const MIXTURE = /(^|[._])(moe|\w*experts?)([._]|$)|linear$|(^|_)(gate|up|down)_proj$/i;
/** Matches the last part of the name of a matrix that is not called `weight`. */
const MATRIX_PARAMETER =
  /(^|_)(proj|projection|kernel|weights?|linear|dense)$|^[wW]_?([qkvoQKVO]|\d|in|out)$|^fc_?\d*$/;
/** Matches the weights of recurrent layers, and of single-step recurrent cells. */
const RECURRENT = /(^|\.)weight_([ih][hr]_l\d+(_reverse)?|[ih]h)$/;
const TRANSPOSED =
  /(^|[._])(conv_?t(_\w+)?\d*|deconv\w*|\w*conv_?transpose\w*|upscale_conv\d*|convt_pre)$/i;

function moduleOf(name: string): string {
  return name.replace(/[._]weight$/, "");
}

/** Returns the last part of a module's name that is not a number. */
function lastWord(module: string): string {
  return module.split(".").findLast((part) => !/^\d+$/.test(part)) ?? module;
}

function defaultAxes(role: TensorRole): MatrixAxes | null {
  if (!isMatrixRole(role)) return null;
  return role === "transposed-convolution" ? "in,out" : "out,in";
}

type SourcedFacts = RoleFacts & { readonly source: RoleSource };

function named(role: TensorRole): SourcedFacts {
  return { role, axes: defaultAxes(role), source: "names" };
}

function ranked(role: TensorRole): SourcedFacts {
  return { role, axes: defaultAxes(role), source: "rank" };
}

/** Infers the role of a tensor with at most one dimension. */
function vectorRole(name: string): TensorRole {
  if (NORM.test(name.replace(/\.(weight|bias)$/, ""))) return "norm";
  return BIAS.test(name) ? "bias" : "vector";
}

/** Whether all dimensions but the last have size 1, as in a learned token that is added to a sequence. */
function isRow(shape: readonly number[]): boolean {
  return shape.slice(0, -1).every((size) => size === 1);
}

/** Infers the role and axes of a parameter with two or more dimensions that is not called `weight`. */
function parameterFacts({ name, shape }: NamedShape): SourcedFacts {
  const rank = shape.length;
  const word = lastWord(name);
  if (EXPERTS.test(name) && rank === 3) return named("experts");
  if (RECURRENT.test(name)) return named("linear");
  if (EMBEDDING_PARAMETER.test(name)) return named("embedding");
  if (MATRIX_PARAMETER.test(word) && !isRow(shape)) {
    if (rank === 2) return ranked("linear");
    if (rank === 3) return ranked("experts");
  }
  return named("other");
}

/** Infers the role and axes of a tensor from its name and shape alone. */
function factsByName(tensor: NamedShape): SourcedFacts {
  const { name, shape } = tensor;
  const rank = shape.length;
  if (rank < 2) return named(vectorRole(name));
  if (TABLE.test(name)) return named("other");
  if (BIAS.test(name)) return named("bias");
  if (!WEIGHT.test(name)) return parameterFacts(tensor);
  const module = moduleOf(name);
  const word = lastWord(module);
  if (NORM_MODULE.test(word)) return named("norm");
  if (rank === 2) {
    if (EMBEDDING.test(word) && !PROJECTION.test(word)) return named("embedding");
    return ranked("linear");
  }
  if (isRow(shape)) return named("other");
  if (rank === 3 && (EXPERTS.test(name) || (MIXTURE.test(module) && !/conv/i.test(word))))
    return named("experts");
  if (TRANSPOSED.test(word)) return named("transposed-convolution");
  if (/conv|patch|proj/i.test(word)) return named("convolution");
  return ranked(rank > 5 ? "other" : "convolution");
}

/** Infers the axes from the length of the module's bias, which is the number of outputs; null if this is ambiguous. */
function axesByBias(
  { name, shape: [first, second] }: NamedShape,
  lengths: ReadonlyMap<string, number>,
): MatrixAxes | null {
  const outputs = lengths.get(`${moduleOf(name)}.bias`);
  if (outputs === undefined || first === second) return null;
  if (first === outputs) return "out,in";
  return second === outputs ? "in,out" : null;
}

/**
 * Infers the axes of the layers `c_attn` and `c_fc` in GPT-2-like blocks, which have more outputs than inputs; null for
 * all other layers.
 */
function axesByGrowth({ name, shape: [first = 0, second = 0] }: NamedShape): MatrixAxes | null {
  if (!/(^|\.)h\.\d+\.(attn\.c_attn|mlp\.c_fc)\.weight$/.test(name) || first === second)
    return null;
  return second > first ? "in,out" : "out,in";
}

const GPT2_LAYER = /(^|\.)h\.\d+\..*c_(attn|fc|proj)\.weight$/;

/** Returns the lengths of the one-dimensional tensors, by name. */
function vectorLengths(tensors: readonly NamedShape[]): ReadonlyMap<string, number> {
  return new Map(
    tensors.flatMap(({ name, shape }) => (shape.length === 1 ? [[name, shape[0] ?? 0]] : [])),
  );
}

/** Infers role and axes from a tensor's name and shape, and from the lengths of biases. */
function factsOf(tensor: NamedShape, lengths: ReadonlyMap<string, number>): SourcedFacts {
  const found = factsByName(tensor);
  const { role } = found;
  if (role !== "linear" && role !== "convolution") return found;
  const axes = axesByBias(tensor, lengths) ?? (role === "linear" ? axesByGrowth(tensor) : null);
  if (axes === null) return found;
  if (role === "convolution" && axes === "in,out") return named("transposed-convolution");
  return { role, axes, source: "names" };
}

/** Infers the role and axes of each tensor in a model of unknown type, in the order of `tensors`. */
function factsWithoutType(tensors: readonly NamedShape[]): readonly SourcedFacts[] {
  const lengths = vectorLengths(tensors);
  const all = tensors.map((tensor) => factsOf(tensor, lengths));
  const isGpt2 = (i: number): boolean =>
    all[i]?.role === "linear" && GPT2_LAYER.test(tensors[i]?.name ?? "");
  // A model has either Conv1D or Linear layers, so the layers with known axes determine the axes of layers with square
  // weights.
  const known = all.filter(({ source }, i) => isGpt2(i) && source === "names");
  if (known.length === 0 || !known.every(({ axes }) => axes === "in,out")) return all;
  return all.map((found, i) => (isGpt2(i) ? { ...found, axes: "in,out", source: "names" } : found));
}

function isKnownType(type: string): boolean {
  return Object.hasOwn(MODEL_ROLES, type) || PLAIN_MODEL_TYPES.has(type);
}

/** Whether a model's type is known. A composite model has a known type if the types of all its parts are known. */
function isKnownModel([type, ...parts]: readonly string[]): boolean {
  if (type === undefined) return false;
  if (COMPOSITE_MODEL_TYPES.has(type)) return parts.length > 0 && parts.every(isKnownType);
  return isKnownType(type);
}

/** Determines the role and axes of each tensor in a model of known type, in the order of `tensors`. */
function factsByType(
  tensors: readonly NamedShape[],
  modelTypes: readonly string[],
): readonly SourcedFacts[] {
  const lengths = vectorLengths(tensors);
  const rules = modelTypes.flatMap((type) =>
    Object.hasOwn(MODEL_ROLES, type) ? (MODEL_ROLES[type] ?? []) : [],
  );
  return tensors.map((tensor): SourcedFacts => {
    const { name, shape } = tensor;
    const rule = rules.find(
      ({ pattern, rank = shape.length }) => rank === shape.length && pattern.test(name),
    );
    const { role, axes = defaultAxes(role) } = rule ?? factsOf(tensor, lengths);
    return { role, axes, source: "config" };
  });
}

/** The minimum and maximum number of dimensions for a role. */
const RANKS: Readonly<Partial<Record<TensorRole, readonly [least: number, most: number]>>> = {
  linear: [2, 2],
  experts: [3, 3],
  convolution: [3, Infinity],
  "transposed-convolution": [3, Infinity],
};

function withOverride(tensor: TensorFacts, override: RoleOverride): TensorFacts {
  const { name, shape } = tensor;
  // A pattern that matches a layer's weight usually matches its bias, too. The bias keeps its role.
  if (shape.length < 2 || !override.pattern.test(name)) return tensor;
  if ("axes" in override) {
    if (!isMatrixRole(tensor.role)) return tensor;
    return { ...tensor, axes: override.axes, source: "option" };
  }
  const { role } = override;
  const [least, most] = RANKS[role] ?? [0, Infinity];
  if (shape.length < least || shape.length > most) {
    const expected = `${least}${most === least ? "" : " or more"} dimensions for ${role}`;
    return refuseInput("`role`", expected, `${name} [${shape.join(", ")}]`);
  }
  return { ...tensor, role, axes: defaultAxes(role), source: "option" };
}

/**
 * Determines the role and axes of each tensor, in the order of `tensors`.
 *
 * @throws InputError if an override gives a tensor a role for which it has the wrong number of dimensions
 *
 * @example
 * ```ts
 * import { tensorFacts } from "espalier/checkpoint";
 *
 * const tensors = [
 *   { name: "h.0.attn.c_proj.weight", shape: [8, 8] },
 *   { name: "wte.weight", shape: [99, 8] },
 * ];
 * const [projection, table] = tensorFacts(tensors, { modelTypes: ["gpt2"] });
 * console.assert(projection?.axes === "in,out" && projection.source === "config");
 * console.assert(table?.role === "embedding");
 * ```
 */
export function tensorFacts(
  tensors: readonly NamedShape[],
  evidence: RoleEvidence = {},
): readonly TensorFacts[] {
  checkRecords("tensors", tensors, "name", "shape");
  for (const { name, shape } of tensors) {
    checkString("tensors: name", name);
    checkList(`tensors: shape of ${name}`, shape);
  }
  // The evidence about a whole checkpoint extends this.
  checkOptions("evidence", evidence, ["modelTypes", "overrides", "tiesEmbeddings", "strictRoles"]);
  const { modelTypes = [], overrides = [] } = evidence;
  checkKind(isStrings(modelTypes), "modelTypes", "an array of strings", modelTypes);
  checkRecords("overrides", overrides, "pattern");
  const found = isKnownModel(modelTypes)
    ? factsByType(tensors, modelTypes)
    : factsWithoutType(tensors);
  return tensors.map(({ name, shape }, i) => {
    const { role, axes, source } = found[i] ?? named("other");
    const initial: TensorFacts = { name, shape, role, axes, source };
    return overrides.reduce(withOverride, initial);
  });
}
