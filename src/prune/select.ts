/** Selects the layers that a pruner prunes (INC: `parse_to_prune`, `ClassifierHeadSearcher`). */
import type { PrunerConfig } from "./config.ts";
import { type LayerKind, type LayerShape, refuseCombination } from "./layer.ts";

/** PyTorch's class name for each kind of layer. `pruning_op_types` are substrings of these names. */
const CLASS_NAMES: Readonly<Record<LayerKind, string>> = {
  linear: "Linear",
  conv1d: "Conv1d",
  conv2d: "Conv2d",
  embedding: "Embedding",
  other: "",
};

/** An escape, a set of characters, the start of a named group, or a repetition without a minimum. */
const PYTHON_PARTS = /\\[\s\S]|\[\^?\]?(?:\\[\s\S]|[^\]\\])*\]?|\(\?P<|\{,\d*\}/g;

/** Escapes by letter in Python, outside of sets. Other letters are invalid there. */
const ESCAPES: Readonly<Record<string, string>> = { "\\A": "^", "\\Z": "$", "\\a": "\\x07" };

/** Translates a part of a regular expression of Python that JavaScript would read differently. */
function translatePart(part: string): string {
  if (part === "(?P<") return "(?<";
  if (part[0] === "{") return `{0${part.slice(1)}`;
  // A bracket at the start of a set belongs to the set.
  if (part[0] === "[") return part.replace(/^(\[\^?)\]/, "$1\\]");
  if (/^\\[^\WbBdDsSwWfnrtvxu\d_AZa]/.test(part)) throw new SyntaxError(`bad escape ${part}`);
  return ESCAPES[part] ?? part;
}

/**
 * Compiles a regular expression in Python's syntax: `(?P<name>...)`, `\A`, `\Z`, `{,n}`, sets that start with `]`, and a
 * leading `(?i)` are read as Python reads them.
 *
 * @throws SyntaxError if it is invalid.
 */
export function compileNamePattern(source: string): RegExp {
  const ignoreCase = source.startsWith("(?i)");
  const own = ignoreCase ? source.slice(4) : source;
  return new RegExp(own.replace(PYTHON_PARTS, translatePart), ignoreCase ? "i" : "");
}

/** The engine's error message for an invalid regular expression, `undefined` for a valid one. */
export function expressionFault(source: string): string | undefined {
  try {
    compileNamePattern(source);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

/** The name of the classifier head: the last module, if it is a linear or conv2d layer. */
export function findClassifierHead(
  layers: readonly Pick<LayerShape, "name" | "kind">[],
): string | undefined {
  const last = layers.at(-1);
  return last && canBeHead(last) ? last.name : undefined;
}

/** Whether INC accepts a layer of this kind as the classifier head. */
export function canBeHead({ kind }: Pick<LayerShape, "kind">): boolean {
  return kind === "linear" || kind === "conv2d";
}

/** How a profile orders the selected layers and excludes the classifier head. */
export interface SelectionRule {
  /** Whether layers are in module order. Otherwise they are in the order of the expressions that they match. */
  readonly inModuleOrder: boolean;
  /** Returns a test for the names that are excluded as the classifier head. */
  readonly headTest: (head: string) => (name: string) => boolean;
}

/** `strict`: layers are in module order, and only the head itself is excluded. */
export const selection: SelectionRule = {
  inModuleOrder: true,
  headTest: (head) => (name) => name === head,
};

/**
 * `inc`: layers are in the order of the expressions that they match. The head's name is used as a regular expression,
 * which may exclude other layers too.
 */
export const incSelection: SelectionRule = {
  inModuleOrder: false,
  headTest(head) {
    const fault = expressionFault(head);
    if (fault !== undefined)
      refuseCombination(
        head,
        "the classifier head's name to be a regular expression",
        `none (${fault}); leave the head in with excludeHead: false and exclude it by excluded_op_names`,
        head,
      );
    const pattern = compileNamePattern(head);
    return (name) => pattern.test(name);
  },
};

/** The name of a skipped layer, and why it is skipped. */
export interface SkippedLayer {
  readonly name: string;
  readonly reason: string;
}

/**
 * Selects the layers whose names match an expression in `opNames` and no excluded expression, and whose PyTorch class
 * name contains one of `pruningOpTypes`.
 *
 * @param excludeHead whether to exclude the classifier head.
 * @throws PruningError under `inc` if the head's name is not a valid regular expression.
 */
export function selectLayers<Layer extends LayerShape>(
  config: Pick<PrunerConfig, "opNames" | "excludedOpNames" | "pruningOpTypes">,
  layers: readonly Layer[],
  excludeHead: boolean,
  { inModuleOrder, headTest }: SelectionRule,
): { readonly selected: readonly Layer[]; readonly skipped: readonly SkippedLayer[] } {
  const head = excludeHead ? findClassifierHead(layers) : undefined;
  const names = (config.opNames.length > 0 ? config.opNames : [".*"]).map(compileNamePattern);
  const excluded = config.excludedOpNames.map(compileNamePattern);
  const isHead = head === undefined ? () => false : headTest(head);
  const matched = new Set<Layer>();
  for (const pattern of names)
    for (const layer of layers) if (pattern.test(layer.name)) matched.add(layer);

  const reasonToSkip = (layer: Layer): string | undefined => {
    if (!matched.has(layer)) return "matches none of op_names";
    const className = CLASS_NAMES[layer.kind];
    if (!config.pruningOpTypes.some((type) => className !== "" && className.includes(type)))
      return `${className || "this kind of module"} is not among pruning_op_types`;
    const exclusion = excluded.find((pattern) => pattern.test(layer.name));
    if (exclusion) return `excluded by ${exclusion.source}`;
    if (isHead(layer.name)) return `matches the classifier head ${head}`;
    return undefined;
  };
  const skipped = layers.flatMap((layer) => {
    const reason = reasonToSkip(layer);
    return reason === undefined ? [] : [{ name: layer.name, reason }];
  });
  const ordered = inModuleOrder ? layers : [...matched];
  return { selected: ordered.filter((layer) => reasonToSkip(layer) === undefined), skipped };
}
