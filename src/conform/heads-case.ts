/** Reads vectors of pruning attention heads: the settings, the attention layers, and one event per step. */
import type { AttentionLayer } from "../heads/state.ts";
import { isJsonObject } from "../io/json.ts";
import { at, expectedError, type JsonObject, type OpenCase } from "./case-files.ts";

/** The record of a prune step. */
interface HeadPrune {
  readonly targetRatio: number;
  readonly completed: number;
  readonly planned: number;
  readonly scored: boolean;
}

export interface HeadEvent {
  readonly step: number;
  readonly prune: HeadPrune | undefined;
  /** The share of pruned heads, recorded at prune steps. */
  readonly sparsity: number | undefined;
  readonly weightSums: readonly number[];
  readonly weightZeros: readonly number[];
  /** The loss of the step, recorded if a model is trained. */
  readonly loss: number | undefined;
}

export interface HeadCase {
  readonly files: OpenCase;
  readonly config: JsonObject;
  /** `grad`: the gradients are recorded. `real`: a model is trained on recorded batches. */
  readonly drive: "grad" | "real";
  readonly attentions: readonly AttentionLayer[];
  /** The names of the linear layers, in the order of `weightSums` and `weightZeros`. */
  readonly layers: readonly string[];
  readonly events: readonly HeadEvent[];
  /** INC's error that ended the run. `step` is null if the error occurred before the first step. */
  readonly error: { readonly step: number | null; readonly message: string } | undefined;
}

function readPrune(event: JsonObject): HeadPrune | undefined {
  if (!("prune" in event)) return undefined;
  const [prune, ...others] = at.objects(event, "prune");
  if (prune === undefined || others.length > 0)
    throw expectedError("prune", "one record", others.length);
  return {
    targetRatio: at.number(prune, "target_ratio"),
    completed: at.number(prune, "scheduler_completed"),
    planned: at.number(prune, "scheduler_total"),
    scored: at.text(prune, "scores") === "recorded",
  };
}

function readEvent(event: JsonObject): HeadEvent {
  const prune = readPrune(event);
  return {
    step: at.number(event, "step"),
    prune,
    sparsity: prune && at.numbers(event, "current_sparsity_ratio")[0],
    weightSums: at.numbers(event, "w_sum"),
    weightZeros: at.numbers(event, "w_zeros"),
    loss: "loss" in event ? at.number(event, "loss") : undefined,
  };
}

function readAttention(mha: JsonObject): AttentionLayer {
  const outputs = at.texts(mha, "ffn");
  const [output] = outputs;
  if (output === undefined || outputs.length > 1) throw expectedError("ffn", "one layer", outputs);
  const projections = at.texts(mha, "qkv");
  return { name: at.text(mha, "name"), heads: at.number(mha, "heads"), projections, output };
}

/** Reads attention layers as recorded in vectors. */
export function readAttentions(json: JsonObject): readonly AttentionLayer[] {
  return "mha" in json ? at.objects(json, "mha").map(readAttention) : [];
}

/** Reads a vector of pruning heads. @throws CaseFileError if a field is missing */
export function readHeadCase(files: OpenCase): HeadCase {
  const { json } = files;
  const drive = at.text(json, "drive");
  if (drive !== "grad" && drive !== "real") throw expectedError("drive", "grad or real", drive);
  const error = isJsonObject(json.error) ? json.error : undefined;
  return {
    files,
    config: at.object(json, "config"),
    drive,
    attentions: readAttentions(json),
    layers: "layers" in json ? at.texts(json, "layers") : [],
    events: at.objects(json, "events").map(readEvent),
    error: error && {
      step: error.step === null ? null : at.number(error, "step"),
      message: at.text(error, "message"),
    },
  };
}

/**
 * Why a vector only shows how INC finds attention layers: it ends in an error of INC's tracer, or INC finds no layer.
 * The project knows the attention layers of its models. Undefined for all other vectors.
 */
export function headRefusal(json: JsonObject): string | undefined {
  const { error, mha } = json;
  if (Array.isArray(mha) && mha.length === 0)
    return "INC's tracer finds no attention layer in this model";
  const places = isJsonObject(error) && Array.isArray(error.in) ? error.in : [];
  return places.some((place) => String(place).includes("/model_slim/"))
    ? "INC's tracer fails on this model"
    : undefined;
}
