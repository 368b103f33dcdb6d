/**
 * A pruning trajectory as its files state it: configuration, modules, and what happened at each step.
 */
import type { LayerKind, LayerRecord } from "../prune/layer.ts";
import { elementCount } from "../prune/layer.ts";
import {
  expectedError,
  type JsonObject,
  numberAt,
  numbersAt,
  type OpenCase,
  objectAt,
  objectsAt,
  tensorValues,
  textAt,
  textsAt,
} from "./case-files.ts";

/** A module of the model: name, kind, weight shape, and its number of parameters. */
export interface CaseModule {
  readonly name: string;
  readonly kind: LayerKind;
  readonly shape: readonly number[];
  readonly parameters: number;
}

/** A prune step of one pruner. */
export interface CasePrune {
  readonly pruner: number;
  readonly targetRatio: number;
  readonly completed: number;
  readonly total: number;
  readonly scored: boolean;
  /** The share at which the schedule starts, where it keeps one. */
  readonly initialShare: number | undefined;
  /** The share of elements that interpolated masks prune. */
  readonly interpolated: number | undefined;
  readonly currentSparsity: number;
  readonly frozenAfterSelection: readonly string[];
  readonly frozenAfterStep: readonly string[];
  readonly prunedBlocks: number;
  readonly totalBlocks: number;
  /** The share that these stand for, in elements. */
  readonly blockSparsity: number;
  /** Zeros in each mask. */
  readonly zeros: ReadonlyMap<string, number>;
}

/** One step. */
export interface CaseEvent {
  readonly step: number;
  readonly prunes: readonly CasePrune[];
  /** INC's triple, where it was taken. */
  readonly sparsity: readonly number[] | undefined;
  readonly weightSums: readonly number[];
  readonly weightZeros: readonly number[];
}

/** A run that ended in an error of INC: at which step (`null`: while preparing) and what it was. */
export interface CaseError {
  readonly step: number | null;
  readonly message: string;
}

/** A whole trajectory. */
export interface PruningCase {
  readonly files: OpenCase;
  readonly config: JsonObject;
  /**
   * How the run was driven: `grad` takes gradients as they are; `block` computes with weight x block mask, of
   * which they are the gradients; `retrain` does too and never updates a weight.
   */
  readonly drive: "grad" | "block" | "retrain";
  readonly modules: readonly CaseModule[];
  /** The layers whose weights are stated, in their order. */
  readonly layers: readonly string[];
  /** Names of each pruner's layers, in its order. */
  readonly pruners: readonly (readonly string[])[];
  readonly learningRate: number;
  readonly beginsPerStep: number;
  readonly events: readonly CaseEvent[];
  readonly error: CaseError | undefined;
  readonly finalSparsity: readonly number[] | undefined;
  /** Each pruner's share at the end. */
  readonly finalShares: readonly number[] | undefined;
}

const WEIGHTED_KINDS: ReadonlyMap<string, LayerKind> = new Map<string, LayerKind>([
  ["linear", "linear"],
  ["conv1d", "conv1d"],
  ["conv2d", "conv2d"],
  ["embedding", "embedding"],
]);

/** Elements that a case's modules have at most, in all: a shape says them before there are any. */
const MOST_ELEMENTS = 2 ** 26;
/** How often a step may begin. */
const MOST_BEGINS = 16;

/** `[name, kind, shape, bias?]`; a dropout module is left out, as records ask for. */
export function caseModules(entries: unknown): CaseModule[] {
  if (!Array.isArray(entries)) throw expectedError("model", "a list", entries);
  const modules = entries.flatMap((entry: readonly unknown[]) => {
    const [name, kind, shape, bias] = entry as readonly [string, string, number[], boolean?];
    if (kind === "dropout") return [];
    const weights = shape.length === 0 ? 0 : elementCount(shape);
    const biases = bias || kind === "layernorm" ? (shape[0] ?? 0) : 0;
    const known = WEIGHTED_KINDS.get(kind);
    const record = { name, kind: known ?? ("other" as const), shape: known ? shape : [] };
    return [{ ...record, parameters: weights + biases }];
  });
  const elements = modules.reduce((sum, { parameters }) => sum + parameters, 0);
  if (!(elements <= MOST_ELEMENTS))
    throw expectedError("model", `at most ${MOST_ELEMENTS} elements`, elements);
  return modules;
}

/** Records of the modules, with zero weights. */
export function moduleRecords(modules: readonly CaseModule[]): LayerRecord[] {
  return modules.map(({ name, kind, shape }) => ({
    name,
    kind,
    shape,
    data: new Float32Array(shape.length === 0 ? 0 : elementCount(shape)),
  }));
}

function optionalNumberAt(json: JsonObject, key: string): number | undefined {
  return (json[key] ?? null) === null ? undefined : numberAt(json, key);
}

function readPrune(json: JsonObject): CasePrune {
  const blocks = objectAt(json, "pattern_sparsity");
  return {
    pruner: numberAt(json, "pruner"),
    targetRatio: numberAt(json, "target_ratio"),
    completed: numberAt(json, "scheduler_completed"),
    total: numberAt(json, "scheduler_total"),
    scored: textAt(json, "scores") === "recorded",
    initialShare: optionalNumberAt(json, "scheduler_init_ratio"),
    interpolated: optionalNumberAt(json, "progressive_sparsity"),
    currentSparsity: numberAt(json, "current_sparsity_ratio"),
    frozenAfterSelection: textsAt(json, "keep_mask_layers_after_get_masks"),
    frozenAfterStep: textsAt(json, "keep_mask_layers"),
    prunedBlocks: numberAt(blocks, "zero_cnt"),
    totalBlocks: numberAt(blocks, "total_cnt"),
    blockSparsity: numberAt(blocks, "sparsity_ratio"),
    zeros: new Map(
      Object.entries(objectAt(json, "zeros")).map(([name, count]) => [name, Number(count)]),
    ),
  };
}

function readEvent(json: JsonObject): CaseEvent {
  return {
    step: numberAt(json, "step"),
    prunes: "prune" in json ? objectsAt(json, "prune").map(readPrune) : [],
    sparsity: "get_sparsity_ratio" in json ? numbersAt(json, "get_sparsity_ratio") : undefined,
    weightSums: numbersAt(json, "w_sum"),
    weightZeros: numbersAt(json, "w_zeros"),
  };
}

function driveAt(json: JsonObject): PruningCase["drive"] {
  const drive = textAt(json, "drive");
  if (drive === "grad" || drive === "block" || drive === "retrain") return drive;
  throw expectedError("drive", "grad, block or retrain", drive);
}

function readError(json: JsonObject): CaseError | undefined {
  if (!("error" in json)) return undefined;
  const error = objectAt(json, "error");
  const step = error.step === null ? null : numberAt(error, "step");
  return { step, message: textAt(error, "message") };
}

function beginsAt(json: JsonObject): number {
  const key = "on_step_begin_calls_per_step";
  const begins = numberAt(json, key);
  if (begins <= MOST_BEGINS) return begins;
  throw expectedError(key, `at most ${MOST_BEGINS}`, begins);
}

/** Reads a trajectory. @throws Error where a field is missing. */
export function readPruningCase(files: OpenCase): PruningCase {
  const { json } = files;
  return {
    files,
    config: objectAt(json, "config"),
    drive: driveAt(json),
    modules: caseModules(json.model),
    layers: objectsAt(json, "layers").map((layer) => textAt(layer, "name")),
    pruners: objectsAt(json, "pruners").map((pruner) => textsAt(pruner, "layers")),
    learningRate: numberAt(json, "lr"),
    beginsPerStep: beginsAt(json),
    events: objectsAt(json, "events").map(readEvent),
    error: readError(json),
    finalSparsity:
      "final" in json ? numbersAt(objectAt(json, "final"), "get_sparsity_ratio") : undefined,
    finalShares:
      "final" in json ? numbersAt(objectAt(json, "final"), "current_sparsity_ratio") : undefined,
  };
}

/** Records at the first step: stated weights where there are any. */
export function initialRecords({ files, modules }: PruningCase): LayerRecord[] {
  return moduleRecords(modules).map((record) =>
    files.tensors.has(`w0/${record.name}`)
      ? { ...record, data: tensorValues(files, `w0/${record.name}`) }
      : record,
  );
}

/** A layer as tensors of one pruner name it: a layer of two pruners has the pruner's index after it. */
export function tensorLayer(
  { pruners }: Pick<PruningCase, "pruners">,
  pruner: number,
  layer: string,
): string {
  const owners = pruners.filter((layers) => layers.includes(layer)).length;
  return owners > 1 ? `${layer}@${pruner}` : layer;
}
