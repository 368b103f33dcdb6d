/** Finds out what failed in a calibrated vector that ends in an error: a layer, the configuration, or the model. */
import { readOptions } from "../calibrate/options.ts";
import { isJsonObject } from "../io/json.ts";
import { at, type JsonObject } from "./case-files.ts";
import { type Difference, differenceAt } from "./difference.ts";

/**
 * - `layer`: the algorithm fails on a layer, which must be refused.
 * - `configuration`: INC refuses the configuration, which must be refused too.
 * - `module`: INC fails to find, to run or to hook the model's modules. Nothing of that is replayed.
 */
export type FailurePlace = "layer" | "configuration" | "module";

/** Functions of INC that work on a single layer. */
const LAYER_FUNCTIONS = /:(?:fasterprune|add_batch|return_given_alpha|DSnoT)$/;
/** Functions of INC that check a configuration. */
const CONFIGURATION_FUNCTIONS = /:(?:check_config|_init)$/;

/** Where a case failed; undefined if it did not. */
export function failurePlace(json: JsonObject): FailurePlace | undefined {
  if (!isJsonObject(json.error)) return undefined;
  const frames = at.texts(json.error, "in");
  if (frames.some((frame) => LAYER_FUNCTIONS.test(frame))) return "layer";
  if (frames.some((frame) => CONFIGURATION_FUNCTIONS.test(frame))) return "configuration";
  // `prune_wanda` itself prunes layers, and records each before it prunes it.
  return json.algorithm === "wanda" && at.list(json, "order").length > 0 ? "layer" : "module";
}

/** Why nothing of a case can be judged: no layer is pruned in it; undefined if there is something. */
export function calibratedRefusal(json: JsonObject): string | undefined {
  const { order, error, api } = json;
  if (!Array.isArray(order) || order.length > 0) return undefined;
  if (isJsonObject(error)) {
    if (!Array.isArray(error.in) || failurePlace(json) !== "module") return undefined;
    return `the original prunes no layer: it fails on the model's modules with ${error.type}`;
  }
  return api === "DSnoT" ? undefined : `the original prunes no layer in ${api}`;
}

/** Checks that one of the pruners is refused. */
export function refusedConfiguration(json: JsonObject): Difference | undefined {
  const config = at.object(json, "config");
  const accepted = at.objects(config, "pruning_configs").every((pruner) => {
    const { pattern = "4x1", target_sparsity: target = 0.9 } = { ...config, ...pruner };
    try {
      readOptions({
        criterion: "sparsegpt",
        profile: "inc",
        pattern: String(pattern),
        targetSparsity: Number(target),
      });
      return true;
    } catch (error) {
      if (error instanceof RangeError) return false;
      throw error;
    }
  });
  return accepted ? differenceAt("configuration", "refused", "accepted") : undefined;
}
