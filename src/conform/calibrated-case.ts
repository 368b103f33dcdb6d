/** Reads calibrated vectors: the layers in the order in which they are pruned, their inputs, weights and options. */
import type { CalibratedLayer } from "../calibrate/layer.ts";
import type { CalibratedOptions } from "../calibrate/options.ts";
import {
  addBatchInto,
  type CalibrationBatch,
  createStatistics,
  type LayerStatistics,
} from "../calibrate/statistics.ts";
import { isJsonObject } from "../io/json.ts";
import { toFloat32 } from "../io/safetensors.ts";
import type { Backend } from "../kernels/backend.ts";
import { gramOf } from "../tensor/gram.ts";
import { at, CaseFileError, expectedError, type JsonObject, type OpenCase } from "./case-files.ts";

/** One pruning of a layer. */
export interface CalibratedStep {
  readonly layer: string;
  /** How often the layer was pruned before. */
  readonly earlier: number;
  /** What INC recorded of it. */
  readonly record: JsonObject;
  /** The names of the input tensors, one for each batch. */
  readonly inputs: readonly string[];
  readonly options: readonly CalibratedOptions[];
}

/** Names of transformers' Conv1D modules, which GPT and GPT-2 have. */
const CONV1D = /\.c_(?:attn|proj|fc)$/;

/** Whether a layer's weight is stored [in, out]. */
export function storesInputsFirst({ json }: OpenCase, layer: string): boolean {
  const model = at.object(json, "model");
  if (typeof model.hf === "string")
    return /^(?:GPT2|OpenAIGPT)/.test(model.hf) && CONV1D.test(layer);
  const [, index = "", ...path] = layer.split(".");
  const block = at.objects(model, "blocks")[Number(index)] ?? {};
  // A block may itself be a layer.
  if (path.length === 0) return Array.isArray(block.is) && block.is[0] === "conv1d";
  if (!Array.isArray(block.ops)) return false;
  const row = block.ops.find((op) => Array.isArray(op) && op[0] === path.join("."));
  return Array.isArray(row) && row[1] === "conv1d";
}

/** The weight of a layer at the start. @throws CaseFileError if the case has none */
export function startLayer(files: OpenCase, layer: string): CalibratedLayer {
  const name = `w0/${layer}`;
  const stored = files.tensors.get(name) ?? files.tensors.get(`param/${layer}.weight`);
  if (stored === undefined)
    throw new CaseFileError({ path: "tensors.safetensors", expected: name, got: "none" });
  return {
    shape: stored.shape,
    data: toFloat32(stored),
    inputsFirst: storesInputsFirst(files, layer),
  };
}

function batchOf(files: OpenCase, name: string): CalibrationBatch {
  const tensor = files.tensors.get(name);
  if (tensor === undefined)
    throw new CaseFileError({ path: "tensors.safetensors", expected: name, got: "none" });
  const data = toFloat32(tensor);
  const { shape } = tensor;
  if (shape.length > 1) return { data, samples: shape.length === 3 ? shape[0] : 1 };
  // INC counts the n features of a single vector x as samples, and adds x'x to every entry of the Hessian. That is the
  // product of n tokens, of which the i-th has x[i] for all features.
  const { length } = data;
  return {
    data: Float32Array.from({ length: length * length }, (_, i) => data[Math.floor(i / length)]),
    samples: length,
  };
}

/** Statistics of a layer's recorded inputs. */
export function statisticsOf(
  files: OpenCase,
  backend: Backend,
  { layer, inputs }: Pick<CalibratedStep, "layer" | "inputs">,
): LayerStatistics {
  const { shape, inputsFirst } = startLayer(files, layer);
  const hessian = files.json.algorithm === "sparsegpt";
  const empty = createStatistics(shape[inputsFirst ? 0 : 1], { profile: "inc", hessian });
  const gram = gramOf(backend);
  return inputs.reduce((state, name) => addBatchInto(state, batchOf(files, name), gram), empty);
}

/** Every pruning of a layer in order; one that failed is the last. */
export function stepsOf(files: OpenCase): readonly CalibratedStep[] {
  const { json } = files;
  const records =
    json.api === "DSnoT"
      ? [{ layer: at.text(json, "layer"), ...at.objects(json, "order")[0] }]
      : at.objects(json, "order");
  const counts = new Map<string, number>();
  return records.map((record) => {
    const layer = at.text(record, "layer");
    const earlier = counts.get(layer) ?? 0;
    counts.set(layer, earlier + 1);
    const seen = records.slice(0, records.indexOf(record)).filter((other) => other.layer === layer);
    const used = seen.filter(({ nsamples }) => nsamples !== 0).length;
    return {
      layer,
      earlier,
      record,
      inputs: inputsOf(json, layer, record.nsamples === 0 ? null : used),
      options: optionsOf(json, layer, used),
    };
  });
}

/** The pruners that own a layer, by index. */
function prunersOf(json: JsonObject, layer: string): readonly number[] {
  const lists = Array.isArray(json.layers_per_pruner) ? json.layers_per_pruner : [];
  return lists.flatMap((list, i) => (Array.isArray(list) && list.includes(layer) ? [i] : []));
}

/**
 * The inputs of one pruning of a layer. Each pruner of a layer is called for each batch, one after the other, and
 * `on_train_begin` repeats all.
 *
 * @param used the number of earlier prunings with inputs; null for one without.
 */
function inputsOf(json: JsonObject, layer: string, used: number | null): readonly string[] {
  if (used === null) return [];
  const all = at.object(json, "inputs");
  const names = layer in all ? at.texts(all, layer) : [];
  const pruners = Math.max(1, prunersOf(json, layer).length);
  const passes = json.then === undefined ? 1 : 2;
  const length = names.length / passes;
  const pass = Math.floor(used / pruners);
  return names
    .slice(pass * length, (pass + 1) * length)
    .filter((_, i) => i % pruners === used % pruners);
}

/** The options of one pruning: of DSnoT through `prune_wanda`, those of Wanda too. */
function optionsOf(json: JsonObject, layer: string, used: number): readonly CalibratedOptions[] {
  const args = isJsonObject(json.args) ? json.args : {};
  switch (json.algorithm) {
    case "sparsegpt":
      return [sparseGptOptions(json, args, layer, used)];
    case "wanda": {
      const { sparsity_ratio: ratio, prune_n: n, prune_m: m, use_variant, dsnot } = args;
      const shared = sharedOptions(ratio, dsnot === true ? 0 : n, m);
      const wanda = { criterion: "wanda", ...shared, variant: use_variant === true } as const;
      if (dsnot !== true) return [wanda];
      // DSnoT gets neither N:M nor options, and the mask of Wanda is thrown away.
      return use_variant === true
        ? [wanda, { criterion: "dsnot", ...shared }]
        : [{ criterion: "dsnot", ...shared }];
    }
    case "dsnot":
      return [dsnotOptions(args)];
    default:
      throw expectedError("algorithm", "sparsegpt, wanda or dsnot", json.algorithm);
  }
}

interface Shared {
  readonly profile: "inc";
  readonly targetSparsity: number;
  readonly pattern: string;
}

function sharedOptions(ratio: unknown, prune: unknown, of: unknown): Shared {
  return {
    profile: "inc",
    targetSparsity: typeof ratio === "number" ? ratio : 0.5,
    pattern: typeof prune === "number" && prune > 0 ? `${prune}:${of}` : "1x1",
  };
}

/** INC's defaults of a pruning configuration. */
const DEFAULTS: JsonObject = { pattern: "4x1", target_sparsity: 0.9 };

function sparseGptOptions(
  json: JsonObject,
  args: JsonObject,
  layer: string,
  used: number,
): CalibratedOptions {
  const config = at.object(json, "config");
  const pruners = prunersOf(json, layer);
  const own = at.objects(config, "pruning_configs")[pruners[used % pruners.length] ?? 0] ?? {};
  const settings = { ...DEFAULTS, ...config, ...own };
  const { blocksize, percdamp } = args;
  return {
    criterion: "sparsegpt",
    profile: "inc",
    pattern: at.text(settings, "pattern"),
    targetSparsity: at.number(settings, "target_sparsity"),
    ...(typeof blocksize === "number" && { blockSize: blocksize }),
    ...(typeof percdamp === "number" && { damping: percdamp }),
  };
}

function dsnotOptions(args: JsonObject): CalibratedOptions {
  const { max_cycle_time: cycles, update_threshold: threshold } = args;
  const { pow_of_var_regrowing: power, without_same_sign: free } = args;
  return {
    criterion: "dsnot",
    ...sharedOptions(args.sparsity_ratio, args.prune_n, args.prune_m),
    ...(typeof cycles === "number" && { maxCycles: cycles }),
    ...(typeof threshold === "number" && { updateThreshold: threshold }),
    ...(typeof power === "number" && { variancePower: power }),
    ...(typeof free === "boolean" && { keepSign: !free }),
  };
}
