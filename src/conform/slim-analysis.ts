/** Judges what INC's search finds in a model against what the project knows from the architecture. */
import type { AttentionLayer } from "../heads/state.ts";
import { isJsonObject, type JsonValue } from "../io/json.ts";
import { findClassifierHead } from "../prune/select.ts";
import { moduleList } from "../model/modules.ts";
import { slimPruningConfig } from "../train/slim-config.ts";
import { at, type JsonObject, type OpenCase } from "./case-files.ts";
import { compare, type Difference, firstOf } from "./difference.ts";
import { attentionsOf, pairsOf, readSlimModel, type SlimModel } from "./slim-model.ts";

/** The keys of `parse_auto_slim_config` that become options. The others are keys of all pruners. */
const SHARES = ["ffn2_sparsity", "mha_sparsity"];

/** Returns the pruners for the recorded arguments, with the names of the vector. */
export function autoSlimPruners(model: SlimModel, args: JsonObject): readonly JsonObject[] {
  const share = (key: string): number | undefined =>
    key in args ? at.number(args, key) : undefined;
  const [feedForward, heads] = SHARES.map(share);
  const keys = Object.fromEntries(Object.entries(args).filter(([key]) => !SHARES.includes(key)));
  const options = {
    ...(feedForward === undefined ? {} : { feedForward }),
    ...(heads === undefined ? {} : { heads }),
  };
  const pruners = slimPruningConfig(model.config, options, keys);
  const { prefix } = model;
  return pruners.map(({ op_names: names, ...pruner }) => ({
    ...(pruner as JsonObject),
    ...(names ? { op_names: names.map((name) => name.slice(prefix.length)) } : {}),
  }));
}

/** Returns JSON text with sorted keys. */
function sorted(value: JsonValue | undefined): string {
  return JSON.stringify(value ?? null, (_, entry: JsonValue) =>
    isJsonObject(entry)
      ? Object.fromEntries(Object.entries(entry).sort(([a], [b]) => (a < b ? -1 : 1)))
      : entry,
  );
}

/** Compares the pruners of all recorded calls that gave any. */
export function autoSlimDifference(files: OpenCase, model: SlimModel): Difference | undefined {
  return firstOf(at.objects(files.json, "auto_slim").entries(), ([i, call]) => {
    if (!("result" in call)) return undefined;
    const got = autoSlimPruners(model, at.object(call, "args"));
    return compare(`auto_slim[${i}]`, sorted(call.result), sorted(got as JsonValue));
  });
}

/** Returns what INC's search is expected to find, by the names of its results. */
function expectedFindings(model: SlimModel): JsonObject {
  const attentions = attentionsOf(model);
  const { config, className } = model;
  const width = config.hiddenSize / config.heads;
  const head = findClassifierHead(
    moduleList(config).map(({ name, kind }) => ({
      name,
      kind: kind === "linear" ? kind : "other",
    })),
  );
  return {
    linear2linear: pairsOf(model).map(({ root, target }) => ({
      root_linear: root,
      target_frontier_linears: [target],
    })),
    mha: attentions.map(({ name, projections, output }: AttentionLayer) => ({
      qkv: projections,
      ffn: [output],
      mha_name: [name],
    })),
    mha_split: [
      attentions.flatMap(({ projections }) => projections),
      attentions.map(({ output }) => output),
    ],
    head_pattern: [`${width}xchannel`, `channelx${width}`],
    ...(className === "ForSequenceClassification" ? { classifier_head: head ?? null } : {}),
  };
}

/** Compares pairs, attention layers, the pattern of a head, and the configurations made from them. */
export function analysisDifference(files: OpenCase): Difference | undefined {
  const model = readSlimModel(files.json);
  const found = at.object(files.json, "found");
  return (
    firstOf(Object.entries(expectedFindings(model)), ([key, expected]) => {
      const { result = null } = at.object(found, key);
      return compare(`found.${key}`, sorted(result), sorted(expected));
    }) ?? autoSlimDifference(files, model)
  );
}
