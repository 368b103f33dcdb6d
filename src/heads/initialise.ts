/** Creates the initial state of pruning heads. */
import {
  checkInteger,
  checkKind,
  checkObject,
  checkOneOf,
  checkOptions,
  checkRecords,
  isStrings,
  mismatch,
} from "../core/checks.ts";
import type { Profile, PrunerConfig } from "../prune/config.ts";
import { checkLayers, formatShape, type LayerRecord, refusePruning } from "../prune/layer.ts";
import { PROFILE_NAMES } from "../prune/profiles.ts";
import { planPruneSteps } from "../prune/schedule.ts";
import { HEAD_PROFILES } from "./profiles.ts";
import { headPruner } from "./refusals.ts";
import {
  type AttentionLayer,
  type HeadPruningState,
  type LiveAttention,
  linearLayers,
  refuseMissing,
} from "./state.ts";

/** Options for {@link initialiseHeadPruning}. */
export interface HeadPruningOptions {
  /** Whether to reproduce INC's behaviour (`inc`) or exact counts with bounds (`strict`). Default `inc`. */
  readonly profile?: Profile;
  /** Under `strict`, the number of heads that each layer keeps at least. Default 1. */
  readonly minHeads?: number;
}

/** Checks the form of attention layers, and that no layer belongs to two of them. */
function checkAttentions(attentions: readonly AttentionLayer[]): void {
  checkRecords("attentions", attentions, "name", "heads", "projections", "output");
  const seen = new Set<string>();
  attentions.forEach((attention, i) => {
    const path = `attentions[${i}]`;
    checkInteger(`${path}.heads`, attention.heads, 1);
    const { projections, output } = attention;
    checkKind(isStrings(projections), `${path}.projections`, "a list of strings", projections);
    checkKind(typeof output === "string", `${path}.output`, "a string", output);
    for (const name of linearLayers(attention)) {
      if (seen.has(name)) throw new RangeError(mismatch(path, "layers of its own", name));
      seen.add(name);
    }
  });
}

/** Checks that an attention layer has projections, and that its weights divide evenly into heads. */
function checkWeights(attention: AttentionLayer, layers: ReadonlyMap<string, LayerRecord>): void {
  const { heads, projections, output, name } = attention;
  if (projections.length === 0)
    refusePruning("no-layers", name, "at least one projection", "none", name);
  for (const layer of linearLayers(attention)) {
    const { kind, shape } = layers.get(layer) ?? refuseMissing(layer);
    const extent = shape[layer === output ? 1 : 0] ?? 0;
    if (kind === "linear" && extent > 0 && extent % heads === 0) continue;
    const axis = layer === output ? "inputs" : "outputs";
    refusePruning(
      "indivisible-shape",
      layer,
      `a linear layer whose ${axis} divide into the ${heads} heads of ${name}`,
      `${kind} ${formatShape(shape)}`,
      layer,
    );
  }
}

/**
 * Creates the initial state of pruning whole attention heads.
 *
 * @param config one pruner of a configuration from `parsePruningConfig`, with the pattern `mha`. Parse it with the same
 * profile. Its schedule, scope, criterion and bounds have their usual meaning, with heads in place of blocks.
 * @param attentions the attention layers of the model, in order.
 * @param layers records of their linear layers; others are ignored.
 * @throws PruningError if the heads cannot be pruned as configured, TypeError or RangeError if an argument is invalid.
 *
 * @example
 * ```ts
 * import { parsePruningConfigOrThrow } from "espalier";
 * import { headHooks, initialiseHeadPruning } from "espalier/nn";
 *
 * const weight = (name: string, data: readonly number[]) =>
 *   ({ name, kind: "linear", shape: [2, 2], data: Float32Array.from(data) }) as const;
 * const layers = [
 *   weight("query", [1, 1, 5, 5]),
 *   weight("key", [1, 1, 5, 5]),
 *   weight("value", [1, 1, 5, 5]),
 *   weight("output", [1, 5, 1, 5]),
 * ];
 * const projections = ["query", "key", "value"];
 * const attention = { name: "attention", heads: 2, projections, output: "output" };
 * const keys = { pattern: "mha", criterion_type: "magnitude", target_sparsity: 0.5 };
 * const [pruner] = parsePruningConfigOrThrow(keys).pruners;
 * if (pruner === undefined) throw new Error();
 * const state = initialiseHeadPruning(pruner, [attention], layers);
 * const { weights } = headHooks.onStepBegin(state, 0, layers);
 * if (weights.get("query")?.join() !== "0,0,5,5") throw new Error();
 * if (weights.get("output")?.join() !== "0,5,0,5") throw new Error();
 * ```
 */
export function initialiseHeadPruning(
  config: PrunerConfig,
  attentions: readonly AttentionLayer[],
  layers: readonly LayerRecord[],
  options: HeadPruningOptions = {},
): HeadPruningState {
  checkObject("config", config, "pattern", "criterion");
  checkAttentions(attentions);
  checkLayers(layers);
  checkOptions("options", options, ["profile", "minHeads"]);
  const { profile = "inc" } = options;
  checkOneOf("profile", profile, PROFILE_NAMES);
  const rules = HEAD_PROFILES[profile];
  const { minHeads = rules.minHeads } = options;
  checkInteger("minHeads", minHeads);
  if (profile === "inc" && minHeads > 0)
    throw new RangeError(mismatch("minHeads", "none under inc, which has no such limit", minHeads));
  const pruner = headPruner(config);
  rules.checkSettings(pruner);
  const selected = attentions.filter((attention) => rules.selects(pruner, attention));
  if (selected.length === 0)
    refusePruning("no-layers", "op_names", "to match an attention layer", "none");
  const records = new Map(layers.map((layer) => [layer.name, layer]));
  for (const attention of selected) checkWeights(attention, records);
  rules.checkRoom(pruner, selected, minHeads);
  const { total, completed } = planPruneSteps(pruner);
  return {
    version: 1,
    profile,
    config: pruner,
    minHeads,
    attentions: selected.map(
      ({ name, heads, projections, output }): LiveAttention => ({
        name,
        heads,
        projections: [...projections],
        output,
        mask: new Uint8Array(heads).fill(1),
        elementScores: null,
        scores: null,
      }),
    ),
    step: 0,
    handledStep: -1,
    completedPruneSteps: completed,
    totalPruneSteps: total,
    currentSparsity: 0,
    lastEvent: null,
  };
}
