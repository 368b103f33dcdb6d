/**
 * Which layers a pruner works on (INC: `parse_to_prune`, `ClassifierHeadSearcher`).
 */
import { checkOneOf } from "../core/checks.ts";
import type { Profile, PrunerConfig } from "./config.ts";
import { type LayerKind, type LayerRecord, refusePruning } from "./layer.ts";

/** PyTorch's class names, which `pruning_op_types` are parts of. */
const CLASS_NAMES: Readonly<Record<LayerKind, string>> = {
  linear: "Linear",
  conv1d: "Conv1d",
  conv2d: "Conv2d",
  embedding: "Embedding",
  other: "",
};

/**
 * Compiles a regular expression as Python writes them: `(?P<name>...)`, `\A`, `\Z` and a leading `(?i)` are
 * understood.
 *
 * @throws SyntaxError where it is no regular expression.
 */
export function compileNamePattern(source: string): RegExp {
  const ignoreCase = source.startsWith("(?i)");
  const translated = (ignoreCase ? source.slice(4) : source)
    .replaceAll("(?P<", "(?<")
    .replaceAll("\\A", "^")
    .replaceAll("\\Z", "$");
  return new RegExp(translated, ignoreCase ? "i" : "");
}

/** What is wrong with a regular expression, in the engine's words; `undefined`: nothing. */
export function expressionFault(source: string): string | undefined {
  try {
    compileNamePattern(source);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

/**
 * Name of the classifier head, which is never pruned: the last linear or conv2d layer, where no module
 * follows it.
 */
export function findClassifierHead(
  layers: readonly Pick<LayerRecord, "name" | "kind">[],
): string | undefined {
  const last = layers.at(-1);
  return last && canBeHead(last) ? last.name : undefined;
}

/** Whether a layer is of a kind that INC takes for a classifier head. */
export function canBeHead({ kind }: Pick<LayerRecord, "kind">): boolean {
  return kind === "linear" || kind === "conv2d";
}

/** The head's name as an expression; not every name is one. */
function compileHeadName(name: string): RegExp {
  const fault = expressionFault(name);
  if (fault !== undefined)
    refusePruning(
      "unsupported-combination",
      name,
      "the classifier head's name to be a regular expression",
      `none (${fault}); leave the head in with excludeHead: false and exclude it by excluded_op_names`,
      name,
    );
  return compileNamePattern(name);
}

/** Whether a name counts as the head's: under `inc` its name is searched as an expression. */
function headTest(head: string | undefined, profile: Profile): (name: string) => boolean {
  if (head === undefined) return () => false;
  if (profile === "strict") return (name) => name === head;
  const pattern = compileHeadName(head);
  return (name) => pattern.test(name);
}

/** A layer that is left alone, and why. */
export interface SkippedLayer {
  readonly name: string;
  readonly reason: string;
}

/** Why a layer is or is not selected. */
export interface Selection {
  readonly selected: readonly LayerRecord[];
  readonly skipped: readonly SkippedLayer[];
}

/**
 * Selects layers: those that some expression of `opNames` matches, whose type is among `pruningOpTypes`
 * and whose name matches no excluded one; without the classifier head.
 *
 * Under `inc` they come in the order of the expressions, and the head's name is used as an excluded
 * expression too, so that `classifier` also excludes `pre_classifier`. Under `strict` they come in module
 * order, and the head alone is left out.
 *
 * @param excludeHead whether to look for a classifier head at all.
 * @throws PruningError where the head's name is no regular expression.
 */
export function selectLayers(
  config: Pick<PrunerConfig, "opNames" | "excludedOpNames" | "pruningOpTypes">,
  layers: readonly LayerRecord[],
  excludeHead: boolean = true,
  profile: Profile = "inc",
): Selection {
  checkOneOf("profile", profile, ["inc", "strict"]);
  const head = excludeHead ? findClassifierHead(layers) : undefined;
  const names = (config.opNames.length > 0 ? config.opNames : [".*"]).map(compileNamePattern);
  const excluded = config.excludedOpNames.map(compileNamePattern);
  const isHead = headTest(head, profile);
  const matched = new Set<LayerRecord>();
  for (const pattern of names)
    for (const layer of layers) if (pattern.test(layer.name)) matched.add(layer);

  const reasonToSkip = (layer: LayerRecord): string | undefined => {
    if (!matched.has(layer)) return "matches none of op_names";
    const className = CLASS_NAMES[layer.kind];
    if (!config.pruningOpTypes.some((type) => className !== "" && className.includes(type)))
      return `${className || "this kind of module"} is not among pruning_op_types`;
    const exclusion = excluded.find((pattern) => pattern.test(layer.name));
    if (exclusion) return `excluded by ${exclusion.source}`;
    if (isHead(layer.name)) return `matches the classifier head ${head}`;
    return undefined;
  };
  const ordered = profile === "strict" ? layers : [...matched];
  return {
    selected: ordered.filter((layer) => reasonToSkip(layer) === undefined),
    skipped: layers.flatMap((layer) => {
      const reason = reasonToSkip(layer);
      return reason === undefined ? [] : [{ name: layer.name, reason }];
    }),
  };
}
