/** Prunes the linear layers of a checkpoint from statistics of their inputs, into a copy, one layer at a time. */
import { type CalibratedOptions, type CalibratedRule, readOptions } from "../calibrate/options.ts";
import { type CalibratedWeight, pruneCalibrated } from "../calibrate/prune.ts";
import type { Checkpoint, CheckpointEntry } from "../checkpoint/checkpoint.ts";
import {
  type ChosenLayers,
  type ChosenTensor,
  chooseLayers,
  inModuleOrder,
  type LayerChoice,
  leaveTensor,
  requireLayers,
} from "../checkpoint/choice.ts";
import { type CopySink, filesOf, type PutBytes } from "../checkpoint/copy.ts";
import { accountFor } from "../checkpoint/coverage.ts";
import { type CheckpointLayer, moduleName } from "../checkpoint/layers.ts";
import type { PrunedCheckpoint } from "../checkpoint/prune.ts";
import { type PrunedTensor, putPruned, type TensorSizes } from "../checkpoint/pruned-tensor.ts";
import { type ModelEvidence, type SurveyedTensor, surveyCheckpoint } from "../checkpoint/survey.ts";
import { float32Values } from "../checkpoint/tensor-values.ts";
import { InputError, refuseInput } from "../core/either.ts";
import { sumOf } from "../core/sum.ts";
import { type StoredTensor, tensorFromFloat32, toFloat32 } from "../io/safetensors.ts";
import { elementCount, PruningError } from "../prune/layer.ts";
import { formatPattern } from "../prune/pattern.ts";
import type { LayoutSpec } from "../sparse/layout.ts";
import { type StatisticsFile, statisticsOf } from "./statistics-file.ts";

/** A checkpoint to prune from statistics. */
export interface CalibratedRun extends LayerChoice {
  readonly checkpoint: Checkpoint;
  /** The open file of statistics; see {@link statisticsOf}. */
  readonly statistics: Checkpoint;
  readonly options: CalibratedOptions;
  readonly evidence: ModelEvidence;
  /** The names of the model's modules, in module order. Null: layers keep the order of the files. */
  readonly modules: readonly string[] | null;
  /** Awaited before each tensor. If it rejects, the run stops and leaves no output. */
  readonly turn: () => Promise<void>;
  /** Called with the number of bytes read so far, and the total. */
  readonly onProgress: (done: number, total: number) => void;
}

/** The result, with what pruning adds to that of other criteria. */
export interface CalibratedCheckpoint extends PrunedCheckpoint {
  readonly criterion: CalibratedOptions["criterion"];
  /** SparseGPT's error of each layer on the calibration data; null for the other criteria. */
  readonly errors: Readonly<Record<string, number>> | null;
}

const FLOATS = ["F64", "F32", "F16", "BF16"] as const;

function floatType({ dtype }: CheckpointEntry): (typeof FLOATS)[number] | undefined {
  return FLOATS.find((one) => one === dtype);
}

/** Returns the reason why a tensor is not a matrix that calibrated pruning works on; undefined if it is one. */
function reasonToLeave({ tensor: { role, shape, entry } }: ChosenTensor): string | undefined {
  if (role !== "linear" || shape.length !== 2) return "not the matrix of a linear layer";
  if (elementCount(shape) === 0) return "no elements";
  return floatType(entry) === undefined ? `${entry.dtype} elements cannot be pruned` : undefined;
}

function onlyMatrices({ chosen, left }: ChosenLayers): ChosenLayers {
  return {
    chosen: chosen.filter((one) => reasonToLeave(one) === undefined),
    left: [
      ...left,
      ...chosen.flatMap((one) => {
        const reason = reasonToLeave(one);
        return reason === undefined ? [] : [leaveTensor(one.tensor, reason)];
      }),
    ],
  };
}

/** A layer that is a whole tensor. */
interface Matrix {
  readonly tensor: SurveyedTensor;
  readonly layer: CheckpointLayer;
  readonly name: string;
  readonly columns: number;
}

function matricesOf(chosen: readonly ChosenTensor[]): ReadonlyMap<string, Matrix> {
  return new Map(
    chosen.flatMap(({ tensor, layers }) =>
      layers.map((layer) => {
        const { name, shape } = layer;
        return [tensor.name, { tensor, layer, name, columns: shape[1] ?? 0 }] as const;
      }),
    ),
  );
}

/** SparseGPT changes weights that a mask of torch's would hide. */
function checkMasks(matrices: Iterable<Matrix>, { criterion }: CalibratedRule): void {
  if (criterion !== "sparsegpt") return;
  const problems = [...matrices].flatMap(({ name, tensor: { mask } }) =>
    mask === null
      ? []
      : [{ path: name, expected: "a weight without a mask for sparsegpt", got: mask.name }],
  );
  if (problems.length > 0) throw new InputError(problems);
}

/** Adds the name of the layer to a refusal. */
function naming<T>(layer: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (!(error instanceof PruningError)) throw error;
    const { path, ...rest } = error.problem;
    throw new InputError([{ path: `${layer}: ${path}`, ...rest }]);
  }
}

/** Returns the weight to store. Wanda and DSnoT keep the bits of kept weights; SparseGPT changes them. */
function storedWeight(
  { checkpoint }: CalibratedRun,
  { tensor: { entry }, name }: Matrix,
  { data }: CalibratedWeight,
  { criterion }: CalibratedRule,
): StoredTensor {
  const dtype = floatType(entry);
  if (criterion !== "sparsegpt" || dtype === undefined) return checkpoint.read(entry);
  const stored = tensorFromFloat32(dtype, entry.shape, data);
  if (!toFloat32(stored).every(Number.isFinite))
    refuseInput(name, `updated weights in the range of ${dtype}`, "larger ones");
  return stored;
}

function pruneMatrix(
  run: CalibratedRun,
  matrix: Matrix,
  statistics: StatisticsFile,
  rule: CalibratedRule,
): { readonly weight: CalibratedWeight; readonly stored: StoredTensor } {
  const { tensor, layer, name } = matrix;
  const data = float32Values(run.checkpoint, tensor);
  const wrong = data.findIndex((value) => !Number.isFinite(value));
  if (wrong >= 0) refuseInput(name, "finite weights", `${data[wrong]} at index ${wrong}`);
  const { inputsFirst } = layer;
  const input = { shape: tensor.shape, data, inputsFirst };
  const weight = naming(name, () => pruneCalibrated(input, statistics.read(matrix), run.options));
  return { weight, stored: storedWeight(run, matrix, weight, rule) };
}

/** Counts pruned weights, or groups with at least N pruned weights. INC's SparseGPT starts groups again in each block. */
function countPruned(
  { mask }: CalibratedWeight,
  { layer: { shape, inputsFirst } }: Matrix,
  rule: CalibratedRule,
): { readonly prunedBlocks: number; readonly blocks: number } {
  const { pattern } = rule;
  if (pattern.kind === "element")
    return { prunedBlocks: mask.reduce((sum, bit) => sum + 1 - bit, 0), blocks: mask.length };
  const [rows = 0, columns = 0] = shape;
  const [rowStep, step] = inputsFirst ? [1, rows] : [columns, 1];
  const block = rule.profile === "inc" && rule.criterion === "sparsegpt" ? rule.blockSize : columns;
  let [prunedBlocks, blocks] = [0, 0];
  for (let row = 0; row < rows; row++)
    for (let first = 0, end = 0; first < columns; first = end) {
      const blockEnd = (Math.floor(first / block) + 1) * block;
      end = Math.min(first + pattern.of, blockEnd, columns);
      let zeros = 0;
      for (let i = first; i < end; i++) zeros += Number(mask[row * rowStep + i * step] === 0);
      prunedBlocks += Number(zeros >= pattern.prune);
      blocks++;
    }
  return { prunedBlocks, blocks };
}

function layoutsFor({ pattern }: CalibratedRule): readonly LayoutSpec[] {
  const anywhere: LayoutSpec = { layout: "bitmask" };
  return pattern.kind === "element"
    ? [anywhere]
    : [{ layout: "groups", prune: pattern.prune, of: pattern.of }, anywhere];
}

/** What is known of the tensors written so far. */
interface Written {
  readonly layers: Map<string, PrunedCheckpoint["layers"][number]>;
  readonly errors: Map<string, number>;
  readonly sizes: TensorSizes[];
  prunedBlocks: number;
  blocks: number;
}

function putTensor(
  run: CalibratedRun,
  entry: CheckpointEntry,
  pruned: ReturnType<typeof pruneMatrix> | null,
  rule: CalibratedRule,
  put: PutBytes,
): PrunedTensor {
  const band = {
    begin: 0,
    tensor: pruned?.stored ?? run.checkpoint.read(entry),
    mask: pruned?.weight.mask ?? null,
  };
  return putPruned(entry, [band], pruned === null ? [] : layoutsFor(rule), null, put);
}

/** Writes all tensors, with at most one layer and its statistics in memory. */
async function writeTensors(
  run: CalibratedRun,
  matrices: ReadonlyMap<string, Matrix>,
  statistics: StatisticsFile,
  rule: CalibratedRule,
  sink: CopySink,
): Promise<Written & { readonly leftOut: readonly string[] }> {
  const { checkpoint, turn } = run;
  const total =
    sumOf(checkpoint.entries, ({ begin, end }) => end - begin) +
    sumOf([...matrices.values()], ({ name }) => statistics.bytesOf(name));
  let done = 0;
  const written: Written = {
    layers: new Map(),
    errors: new Map(),
    sizes: [],
    prunedBlocks: 0,
    blocks: 0,
  };
  const write = async (entry: CheckpointEntry, _: unknown, put: PutBytes): Promise<void> => {
    const matrix = matrices.get(entry.name);
    const pruned = matrix === undefined ? null : pruneMatrix(run, matrix, statistics, rule);
    const { zeros, sizes: bytes } = putTensor(run, entry, pruned, rule, put);
    written.sizes.push(bytes);
    done += bytes.dense + (matrix === undefined ? 0 : statistics.bytesOf(matrix.name));
    run.onProgress(done, total);
    if (matrix === undefined || pruned === null) return;
    const counted = countPruned(pruned.weight, matrix, rule);
    written.prunedBlocks += counted.prunedBlocks;
    written.blocks += counted.blocks;
    if (pruned.weight.error !== null) written.errors.set(matrix.name, pruned.weight.error);
    const { name } = matrix;
    const { shape, dtype } = entry;
    const elements = elementCount(shape);
    written.layers.set(entry.name, { name, shape, dtype, elements, zeros: zeros ?? 0, bytes });
  };
  const leftOut = await sink(filesOf({ checkpoint, write, atOnce: 1, turn }));
  return { ...written, leftOut };
}

/**
 * Prunes the chosen linear layers of a checkpoint from statistics, into a copy. All other tensors keep their bits.
 *
 * @throws InputError if statistics are missing or invalid, or a layer cannot be pruned with them; errors of the sink or
 *   of `turn`
 */
export async function writeCalibrated(
  run: CalibratedRun,
  sink: CopySink,
): Promise<CalibratedCheckpoint> {
  const { checkpoint } = run;
  const rule = readOptions(run.options);
  const tensors = surveyCheckpoint(checkpoint, run.evidence);
  const choice = onlyMatrices(chooseLayers(tensors, run));
  requireLayers(checkpoint.path, choice, "prune");
  const chosen = inModuleOrder(choice.chosen, run.modules);
  const matrices = matricesOf(chosen);
  checkMasks(matrices.values(), rule);
  const modules = new Set(
    tensors.flatMap(({ name, aliases }) => [name, ...aliases]).map((name) => moduleName(name)),
  );
  const statistics = statisticsOf(run.statistics, [...matrices.values()], modules, run.options);
  const written = await writeTensors(run, matrices, statistics, rule, sink);
  const { layers, errors, sizes, leftOut, prunedBlocks, blocks } = written;
  const pattern = rule.pattern.kind === "element" ? "1x1" : formatPattern(rule.pattern);
  return {
    profile: rule.profile,
    criterion: rule.criterion,
    layers: chosen.flatMap(({ tensor }) => layers.get(tensor.name) ?? []),
    ...accountFor(tensors, { ...choice, chosen }),
    pruners: [{ pattern, prunedBlocks, blocks }],
    errors: rule.criterion === "sparsegpt" ? Object.fromEntries(errors) : null,
    tied: Object.fromEntries(checkpoint.tied),
    leftOut,
    bytes: {
      dense: sumOf(sizes, ({ dense }) => dense),
      packed: sumOf(sizes, ({ packed }) => packed),
      gzip: null,
    },
  };
}
