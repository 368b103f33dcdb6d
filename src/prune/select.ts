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

/**
 * Compiles a regular expression, which may contain Python's `(?P<name>...)`, `\A`, `\Z`, `{,n}` and a leading `(?i)`.
 *
 * @throws SyntaxError if it is invalid.
 */
export function compileNamePattern(source: string): RegExp {
  const ignoreCase = source.startsWith("(?i)");
  const translated = (ignoreCase ? source.slice(4) : source)
    .replaceAll("(?P<", "(?<")
    .replaceAll("\\A", "^")
    .replaceAll("\\Z", "$")
    // Escapes and sets stay. A bracket at the start of a set belongs to it.
    .replace(/(\[\^?)\]|(\\.|\[(\\.|[^\]])+)|\{,(?=\d*})/g, (_, open, kept) =>
      open ? `${open}\\]` : (kept ?? "{0,"),
    );
  return new RegExp(translated, ignoreCase ? "i" : "");
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
