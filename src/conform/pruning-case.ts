/** Reads recorded pruning trajectories: the configuration, the model's modules, and one event per step. */
import { elementCount, type LayerKind, type LayerRecord } from "../prune/layer.ts";
import { at, expectedError, type JsonObject, type OpenCase, tensorValues } from "./case-files.ts";

interface CaseModel {
  readonly records: readonly LayerRecord[];
  readonly parameters: number;
}

export interface CaseEvent {
  readonly step: number;
  /** One JSON record for each pruner that pruned at this step. */
  readonly prunes: readonly JsonObject[];
  /** INC's three sparsity ratios, if recorded. */
  readonly sparsity: readonly number[] | undefined;
  readonly weightSums: readonly number[];
  readonly weightZeros: readonly number[];
}

export interface PruningCase {
  readonly files: OpenCase;
  readonly config: JsonObject;
  /**
   * The recorded gradients: `grad` for gradients of the weights; `block` for gradients of weight x block mask;
   * `retrain` for the same gradients as `block`, in a run that never updates the weights.
   */
  readonly drive: "grad" | "block" | "retrain";
  readonly model: CaseModel;
  /** The names of the layers with recorded weights, in the order of `weightSums` and `weightZeros`. */
  readonly layers: readonly string[];
  /** For each pruner, the names of the layers that it selected. */
  readonly pruners: readonly (readonly string[])[];
  readonly learningRate: number;
  readonly beginsPerStep: number;
  readonly events: readonly CaseEvent[];
  /** INC's error that ended the run. `step` is null if the error occurred before the first step. */
  readonly error: { readonly step: number | null; readonly message: string } | undefined;
  readonly finalSparsity: readonly number[] | undefined;
  readonly finalShares: readonly number[] | undefined;
}

const WEIGHTED_KINDS: readonly LayerKind[] = ["linear", "conv1d", "conv2d", "embedding"];
/** Maximum number of parameters in a model. Without it, a shape in the file could request any amount of memory. */
const MOST_ELEMENTS = 2 ** 26;
/** Maximum number of `onStepBegin` calls per step. */
const MOST_BEGINS = 16;

/** Reads a list of modules, each `[name, kind, shape, bias?]`. Dropout modules are left out. */
export function readModel(entries: unknown): CaseModel {
  if (!Array.isArray(entries)) throw expectedError("model", "a list", entries);
  let parameters = 0;
  const modules = entries.flatMap((entry: readonly unknown[]) => {
    const [name, kind, shape, bias] = entry as readonly [string, string, number[], boolean?];
    if (kind === "dropout") return [];
    if (shape.length > 0) parameters += elementCount(shape);
    if (bias || kind === "layernorm") parameters += shape[0] ?? 0;
    const known = WEIGHTED_KINDS.find((candidate) => candidate === kind);
    return { name, kind: known ?? ("other" as const), shape: known ? shape : [] };
  });
  if (!(parameters <= MOST_ELEMENTS))
    throw expectedError("model", `at most ${MOST_ELEMENTS} elements`, parameters);
  const records = modules.map((module) => ({
    ...module,
    data: new Float32Array(module.shape.length === 0 ? 0 : elementCount(module.shape)),
  }));
  return { records, parameters };
}

function readEvent(json: JsonObject): CaseEvent {
  return {
    step: at.number(json, "step"),
    prunes: "prune" in json ? at.objects(json, "prune") : [],
    sparsity: "get_sparsity_ratio" in json ? at.numbers(json, "get_sparsity_ratio") : undefined,
    weightSums: at.numbers(json, "w_sum"),
    weightZeros: at.numbers(json, "w_zeros"),
  };
}

/** Whether the scores of a prune step are recorded. */
export function hadScores(prune: JsonObject): boolean {
  return at.text(prune, "scores") === "recorded";
}

function driveAt(json: JsonObject): PruningCase["drive"] {
  const drive = at.text(json, "drive");
  if (drive === "grad" || drive === "block" || drive === "retrain") return drive;
  throw expectedError("drive", "grad, block or retrain", drive);
}

function readError(json: JsonObject): PruningCase["error"] {
  if (!("error" in json)) return undefined;
  const error = at.object(json, "error");
  const step = error.step === null ? null : at.number(error, "step");
  return { step, message: at.text(error, "message") };
}

function beginsAt(json: JsonObject): number {
  const key = "on_step_begin_calls_per_step";
  const begins = at.number(json, key);
  if (begins <= MOST_BEGINS) return begins;
  throw expectedError(key, `at most ${MOST_BEGINS}`, begins);
}

/** Reads a recorded pruning trajectory. @throws CaseFileError if a field is missing */
export function readPruningCase(files: OpenCase): PruningCase {
  const { json } = files;
  const final = "final" in json ? at.object(json, "final") : undefined;
  return {
    files,
    config: at.object(json, "config"),
    drive: driveAt(json),
    model: readModel(json.model),
    layers: at.objects(json, "layers").map((layer) => at.text(layer, "name")),
    pruners: at.objects(json, "pruners").map((pruner) => at.texts(pruner, "layers")),
    learningRate: at.number(json, "lr"),
    beginsPerStep: beginsAt(json),
    events: at.objects(json, "events").map(readEvent),
    error: readError(json),
    finalSparsity: final && at.numbers(final, "get_sparsity_ratio"),
    finalShares: final && at.numbers(final, "current_sparsity_ratio"),
  };
}

/** Returns the values of a tensor in the case; undefined if the case has no tensor with this name. */
export function statedTensor(files: OpenCase, name: string): Float32Array | undefined {
  return files.tensors.has(name) ? tensorValues(files, name) : undefined;
}

/** Returns the layer records before the first step, with their recorded weights. */
export function initialRecords({ files, model }: PruningCase): LayerRecord[] {
  return model.records.map((record) => ({
    ...record,
    data: statedTensor(files, `w0/${record.name}`) ?? record.data,
  }));
}

/** Returns a layer's name as used in tensor names: with `@<pruner index>` appended if several pruners own the layer. */
export function tensorLayer(
  { pruners }: Pick<PruningCase, "pruners">,
  pruner: number,
  layer: string,
): string {
  const owners = pruners.filter((layers) => layers.includes(layer)).length;
  return owners > 1 ? `${layer}@${pruner}` : layer;
}

/** Returns a layer after a step of gradient descent in float32. */
export function descend(layer: LayerRecord, learningRate: number): LayerRecord {
  const { data, gradient } = layer;
  const rate = Math.fround(learningRate);
  return {
    ...layer,
    data: data.map((weight, i) => weight - Math.fround(rate * (gradient?.[i] ?? 0))),
  };
}
