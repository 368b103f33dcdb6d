/**
 * Selects the layers that a pruner prunes (INC: `parse_to_prune`, `ClassifierHeadSearcher`). A layer is selected if its
 * name matches an expression in `op_names`, its PyTorch class name contains one of `pruning_op_types`, and its name
 * matches no expression in `excluded_op_names`. The classifier head, the last linear or conv2d layer if no module
 * follows it, is not selected. Under `inc`, layers are in the order of the expressions that they match, and the head's
 * name is treated as another expression in `excluded_op_names`. Under `strict`, layers are in module order.
 */
import { checkObject } from "../core/checks.ts";
import type { Profile, PrunerConfig } from "../prune/config.ts";
import type { LayerRecord } from "../prune/layer.ts";
import { checkBoolean, checkLayers, checkProfile, checkStrings } from "./arguments.ts";
import { Refusal } from "./refusal.ts";

const CLASS_NAMES = {
  linear: "Linear",
  conv1d: "Conv1d",
  conv2d: "Conv2d",
  embedding: "Embedding",
  other: "",
} as const;

/** Converts a regular expression from Python's syntax to JavaScript's, and compiles it. */
function expression(source: string): RegExp {
  const [, flag = "", rest = ""] = /^(\(\?i\))?(.*)$/s.exec(source) ?? [];
  const translated = rest
    .replace(/\(\?P</g, "(?<")
    .replace(/\\.|\{,(\d*)\}/g, (all, most) => (most === undefined ? all : `{0,${most}}`))
    .replace(/\\A/g, "^")
    .replace(/\\Z/g, "$");
  try {
    return new RegExp(translated, flag === "" ? "" : "i");
  } catch (error) {
    throw new Refusal("unsupported-combination", `${source}: ${String(error)}`);
  }
}

/**
 * Returns the selected layers, in the order that the profile defines.
 *
 * @throws Refusal if an expression is invalid.
 *
 * @example
 * ```ts
 * import { selectedLayers } from "espalier/reference";
 *
 * const layers = ["0.query", "0.key", "pre_head", "head"].map(
 *   (name) => ({ name, kind: "linear", shape: [], data: new Float32Array(0) }) as const,
 * );
 * const config = { opNames: ["key", "."], excludedOpNames: [], pruningOpTypes: ["Linear"] };
 * const names = (profile: "inc" | "strict") =>
 *   selectedLayers(config, layers, true, profile).map(({ name }) => name).join();
 * if (names("inc") !== "0.key,0.query") throw new Error("the head's name excludes two layers");
 * if (names("strict") !== "0.query,0.key,pre_head") throw new Error("the head alone is left out");
 * ```
 */
export function selectedLayers(
  config: Pick<PrunerConfig, "opNames" | "excludedOpNames" | "pruningOpTypes">,
  layers: readonly LayerRecord[],
  excludeHead: boolean,
  profile: Profile,
): readonly LayerRecord[] {
  checkObject("config", config, "opNames", "excludedOpNames", "pruningOpTypes");
  checkStrings("config.opNames", config.opNames);
  checkStrings("config.excludedOpNames", config.excludedOpNames);
  checkStrings("config.pruningOpTypes", config.pruningOpTypes);
  checkLayers(layers);
  checkBoolean("excludeHead", excludeHead);
  checkProfile(profile);
  const last = layers[layers.length - 1];
  const hasHead = excludeHead && (last?.kind === "linear" || last?.kind === "conv2d");
  const head = hasHead && last ? [last.name] : [];
  const excluded = [...config.excludedOpNames, ...(profile === "inc" ? head : [])];
  const wanted = config.opNames.length === 0 ? [".*"] : config.opNames;
  const found = wanted.flatMap((source) =>
    layers.filter(({ name }) => expression(source).test(name)),
  );
  const each =
    profile === "inc" ? [...new Set(found)] : layers.filter((one) => found.includes(one));
  return each.filter(
    ({ name, kind }) =>
      (profile === "inc" || !head.includes(name)) &&
      CLASS_NAMES[kind] !== "" &&
      config.pruningOpTypes.some((type) => CLASS_NAMES[kind].includes(type)) &&
      !excluded.some((source) => expression(source).test(name)),
  );
}
