/** Pruning configurations for narrower layers: fewer feed-forward channels and attention heads. */
import {
  checkKind,
  checkNumber,
  checkOneOf,
  checkOptions,
  isReadable,
  mismatch,
} from "../core/checks.ts";
import { checkConfig } from "../model/check.ts";
import type { ModelConfig } from "../model/config.ts";
import { modelNames } from "../model/names.ts";
import type { Profile, PrunerInput } from "../prune/config.ts";
import { PROFILE_NAMES } from "../prune/profiles.ts";

/** Options for {@link slimPruningConfig}. */
export interface SlimOptions {
  /** The share of feed-forward channels to prune. Default: none. */
  readonly feedForward?: number;
  /** The share of attention heads to prune. Default: none. */
  readonly heads?: number;
  /** Under `inc`, a share outside of (0, 1) counts as none; `strict` refuses it. Default `inc`. */
  readonly profile?: Profile;
}

/** Returns whether a share is asked for. */
function isAsked(name: string, share: number | undefined, profile: Profile): share is number {
  if (share === undefined) return false;
  checkNumber(name, share);
  if (share > 0 && share < 1) return true;
  if (profile === "strict") throw new RangeError(mismatch(name, "a number between 0 and 1", share));
  return false;
}

/**
 * Returns the pruners that make a model's layers narrower (INC: `parse_auto_slim_config`): whole input columns of the second
 * layer of each feed-forward pair, and whole attention heads. After training, `shrink` removes what is zero.
 *
 * @param keys keys that all pruners get.
 *
 * @example
 * ```ts
 * import { MODEL_CONFIGS, parseModelConfigOrThrow, slimPruningConfig } from "espalier/nn";
 *
 * const config = parseModelConfigOrThrow(MODEL_CONFIGS["bert-mini"]);
 * const pruners = slimPruningConfig(config, { feedForward: 0.5, heads: 0.25 }, { end_step: 90 });
 * console.assert(pruners.map(({ pattern }) => pattern).join() === "channelx1,mha");
 * console.assert(pruners[0]?.op_names?.[3] === "bert.encoder.layer.3.output.dense");
 * ```
 */
export function slimPruningConfig(
  config: ModelConfig,
  options: SlimOptions,
  keys: PrunerInput = {},
): readonly PrunerInput[] {
  checkConfig(config);
  checkKind(typeof keys === "object" && isReadable(keys), "keys", "an object", keys);
  checkOptions("options", options, ["feedForward", "heads", "profile"]);
  const { feedForward, heads, profile = "inc" } = options;
  checkOneOf("options.profile", profile, PROFILE_NAMES);
  const names = modelNames(config).layers.map(({ output }) => output);
  const pruners: PrunerInput[] = [];
  if (isAsked("options.feedForward", feedForward, profile))
    pruners.push({ op_names: names, pattern: "channelx1", target_sparsity: feedForward, ...keys });
  if (isAsked("options.heads", heads, profile))
    pruners.push({ pattern: "mha", target_sparsity: heads, ...keys });
  return pruners;
}
