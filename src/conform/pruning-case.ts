/** A pruning trajectory as its files state it: configuration, modules, and the events of each step. */
import { elementCount, type LayerKind, type LayerRecord } from "../prune/layer.ts";
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
interface CaseModule {
  readonly name: string;
  readonly kind: LayerKind;
  readonly shape: readonly number[];
  readonly parameters: number;
}

export interface CaseEvent {
  readonly step: number;
  /** The records of the pruners that pruned. */
  readonly prunes: readonly JsonObject[];
  /** INC's triple of sparsities, if it was taken. */
  readonly sparsity: readonly number[] | undefined;
  readonly weightSums: readonly number[];
  readonly weightZeros: readonly number[];
}

/** An error of INC that ended the run; `step` is null if it came while preparing. */
interface CaseError {
  readonly step: number | null;
  readonly message: string;
}

export interface PruningCase {
  readonly files: OpenCase;
  readonly config: JsonObject;
  /**
   * `grad`: gradients are those of the weights. `block`: they are those of weight x block mask. `retrain`: as
   * `block`, and weights are never updated.
   */
  readonly drive: "grad" | "block" | "retrain";
  readonly modules: readonly CaseModule[];
  /** The layers with stated weights, in their order. */
  readonly layers: readonly string[];
  /** Names of each pruner's layers, in its order. */
  readonly pruners: readonly (readonly string[])[];
  readonly learningRate: number;
  readonly beginsPerStep: number;
  readonly events: readonly CaseEvent[];
  readonly error: CaseError | undefined;
  /** INC's triple of sparsities at the end. */
  readonly finalSparsity: readonly number[] | undefined;
  /** Each pruner's share at the end. */
  readonly finalShares: readonly number[] | undefined;
}

const WEIGHTED_KINDS: readonly LayerKind[] = ["linear", "conv1d", "conv2d", "embedding"];
/** Limit of the elements of all modules together: a shape alone can ask for any amount of memory. */
const MOST_ELEMENTS = 2 ** 26;
/** Limit of the calls of `onStepBegin` in a step. */
const MOST_BEGINS = 16;

/** Reads modules `[name, kind, shape, bias?]`; records have no dropout modules. */
export function caseModules(entries: unknown): CaseModule[] {
  if (!Array.isArray(entries)) throw expectedError("model", "a list", entries);
  const modules = entries.flatMap((entry: readonly unknown[]) => {
    const [name, kind, shape, bias] = entry as readonly [string, string, number[], boolean?];
    if (kind === "dropout") return [];
    const weights = shape.length === 0 ? 0 : elementCount(shape);
    const biases = bias || kind === "layernorm" ? (shape[0] ?? 0) : 0;
    const known = WEIGHTED_KINDS.find((candidate) => candidate === kind);
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

function readEvent(json: JsonObject): CaseEvent {
  return {
    step: numberAt(json, "step"),
    prunes: "prune" in json ? objectsAt(json, "prune") : [],
    sparsity: "get_sparsity_ratio" in json ? numbersAt(json, "get_sparsity_ratio") : undefined,
    weightSums: numbersAt(json, "w_sum"),
    weightZeros: numbersAt(json, "w_zeros"),
  };
}

/** Whether scores were recorded at a prune step. */
export function hadScores(prune: JsonObject): boolean {
  return textAt(prune, "scores") === "recorded";
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

/** Reads a trajectory. @throws Error if a field is missing. */
export function readPruningCase(files: OpenCase): PruningCase {
  const { json } = files;
  const final = "final" in json ? objectAt(json, "final") : undefined;
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
    finalSparsity: final && numbersAt(final, "get_sparsity_ratio"),
    finalShares: final && numbersAt(final, "current_sparsity_ratio"),
  };
}

/** A tensor of the case, or undefined if it has none of that name. */
export function statedTensor(files: OpenCase, name: string): Float32Array | undefined {
  return files.tensors.has(name) ? tensorValues(files, name) : undefined;
}

/** Records at the first step, with the stated weights. */
export function initialRecords({ files, modules }: PruningCase): LayerRecord[] {
  return moduleRecords(modules).map((record) => ({
    ...record,
    data: statedTensor(files, `w0/${record.name}`) ?? record.data,
  }));
}

/** The name of a layer in tensors: with the pruner's index after it if two pruners own the layer. */
export function tensorLayer(
  { pruners }: Pick<PruningCase, "pruners">,
  pruner: number,
  layer: string,
): string {
  const owners = pruners.filter((layers) => layers.includes(layer)).length;
  return owners > 1 ? `${layer}@${pruner}` : layer;
}
