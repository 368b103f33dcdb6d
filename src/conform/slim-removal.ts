/** Removes zero channels and heads from a model as INC's `model_slim` does, and compares what is left. */
import { type AttentionLayer, linearLayers } from "../heads/state.ts";
import type { Backend } from "../kernels/backend.ts";
import {
  at,
  expectedError,
  type JsonObject,
  type OpenCase,
  tensorsBelow,
  tensorValues,
} from "./case-files.ts";
import { compare, type Difference, differenceAt, firstOf, type Tolerance } from "./difference.ts";
import {
  attentionsOf,
  hasOutputs,
  outputsOf,
  type Pair,
  pairsOf,
  type Removal,
  type SlimModel,
  type Tensors,
} from "./slim-model.ts";
import {
  commonIndices,
  keptElements,
  type Matrix,
  removedCount,
  usedColumns,
  usedRows,
  zeroHeads,
  zeroIndices,
} from "./slim-rules.ts";
import { cutFloats } from "./slim-units.ts";

/** Logits change only by rounding. */
const OUTPUT_TOLERANCE = { absolute: 1e-5 };
const DEFAULT_MULTIPLE = 32;

interface Cut {
  readonly name: string;
  readonly axis: 0 | 1;
  readonly kept: Int32Array;
}

/** Which parts a call removes, and where its `removed` lists begin. */
const CALLS: Readonly<Record<string, { readonly pairs: boolean; readonly heads: boolean }>> = {
  model_slim: { pairs: true, heads: true },
  model_slim_ffn2: { pairs: true, heads: false },
  model_slim_mha: { pairs: false, heads: true },
};

/** Whether INC's search for pairs has found any. It may fail, and then heads are removed all the same. */
function hasPairs(json: JsonObject): boolean {
  const log = "log" in json ? at.texts(json, "log") : [];
  const fails = (line: string): boolean => /Linear2Linear slim failed|Found 0 linear2/.test(line);
  return !log.some(fails);
}

function tensorOf(tensors: Tensors, name: string): Matrix {
  const found = tensors.get(name);
  if (found === undefined) throw expectedError(`param/${name}`, "a tensor", found);
  return found;
}

/** Returns the channels of a pair to remove. INC chooses some of them at random if a multiple leaves a choice. */
function removedChannels(
  tensors: Tensors,
  { root }: Pair,
  multiple: number,
  stated: readonly number[],
): readonly number[] {
  const zero = zeroIndices(usedColumns(tensorOf(tensors, `${root}.weight`)));
  const count = removedCount(zero.length, multiple);
  const isChoice = count > 0 && count < zero.length;
  const isAmong =
    new Set(stated).size === count && stated.every((channel) => zero.includes(channel));
  return isChoice && isAmong ? stated : zero.slice(0, count);
}

/** Returns the heads that are zero in all four layers. */
function removedHeads(tensors: Tensors, attention: AttentionLayer): readonly number[] {
  const { heads, output } = attention;
  const lists = linearLayers(attention).map((name) => {
    const weight = tensorOf(tensors, `${name}.weight`);
    return zeroHeads(name === output ? usedColumns(weight) : usedRows(weight), heads);
  });
  return commonIndices(lists);
}

/** Returns the cuts of all tensors that a removal makes smaller. */
function cutsOf(tensors: Tensors, model: SlimModel, { channels, heads }: Removal): readonly Cut[] {
  const pairCuts = pairsOf(model).flatMap(({ root, target }, i): readonly Cut[] => {
    const removed = channels[i] ?? [];
    if (removed.length === 0) return [];
    const [, width = 0] = tensorOf(tensors, `${root}.weight`).shape;
    const kept = keptElements(width, removed, 1);
    return [
      { name: `${root}.weight`, axis: 1, kept },
      { name: `${target}.weight`, axis: 0, kept },
      { name: `${target}.bias`, axis: 0, kept },
    ];
  });
  const headCuts = attentionsOf(model).flatMap((attention, i): readonly Cut[] => {
    const removed = heads[i] ?? [];
    if (removed.length === 0) return [];
    const [, width = 0] = tensorOf(tensors, `${attention.output}.weight`).shape;
    const kept = keptElements(attention.heads, removed, width / attention.heads);
    return [
      ...attention.projections.flatMap((name): readonly Cut[] => [
        { name: `${name}.weight`, axis: 0, kept },
        { name: `${name}.bias`, axis: 0, kept },
      ]),
      { name: `${attention.output}.weight`, axis: 1, kept },
    ];
  });
  return [...pairCuts, ...headCuts];
}

function withCuts(tensors: Tensors, cuts: readonly Cut[]): Tensors {
  const narrow = new Map(tensors);
  for (const { name, axis, kept } of cuts) {
    const tensor = tensorOf(tensors, name);
    const shape = tensor.shape.map((extent, i) => (i === axis ? kept.length : extent));
    narrow.set(name, { shape, data: cutFloats(tensor, axis, kept) });
  }
  return narrow;
}

/** A layer keeps one part that is zero, since models of the project have no layers without channels or heads. */
function withOneLeft(lists: readonly (readonly number[])[], count: number) {
  return lists.map((list) => (list.length < count ? list : list.slice(1)));
}

/**
 * Removes what is zero in a model, and compares the removed indices, the tensors that are left, and the outputs.
 *
 * @param tolerance the tolerance of the kept weights. Default: they are copies
 */
export function removalDifference(
  files: OpenCase,
  model: SlimModel,
  tensors: Tensors,
  backend: Backend,
  tolerance: Tolerance = {},
): Difference | undefined {
  const { json } = files;
  const call = CALLS[at.text(json, "api")];
  if (call === undefined)
    throw expectedError("api", `one of ${Object.keys(CALLS).join(", ")}`, json.api);
  const args = at.object(json, "args");
  const multiple =
    "round_multiplier" in args ? at.number(args, "round_multiplier") : DEFAULT_MULTIPLE;
  const stated = at.lists(json, "removed");
  const pairs = call.pairs && hasPairs(json) ? pairsOf(model) : [];
  // INC's lists end after the pairs if it does not know the attention of the model.
  const attentions = call.heads && stated.length > pairs.length ? attentionsOf(model) : [];
  const channels = pairs.map((pair, i) =>
    removedChannels(tensors, pair, multiple, stated[i] ?? []),
  );
  const heads = attentions.map((attention) => removedHeads(tensors, attention));
  const got = [...channels, ...heads];
  const removal = { channels, heads };
  return (
    compare("removed lists", stated.length, got.length) ??
    firstOf(got.entries(), ([i, own]) => compare(`removed[${i}]`, stated[i] ?? [], own)) ??
    tensorsDifference(files, tensors, cutsOf(tensors, model, removal), tolerance) ??
    attributesDifference(files, attentions, removal) ??
    outputsDifference(files, model, tensors, removal, backend)
  );
}

/** Compares the shapes of all tensors that changed, and the elements that are left. */
function tensorsDifference(
  files: OpenCase,
  tensors: Tensors,
  cuts: readonly Cut[],
  tolerance: Tolerance,
): Difference | undefined {
  const changed = at.object(files.json, "changed");
  const narrow = withCuts(tensors, cuts);
  const slim = tensorsBelow(files, "slim/");
  const names = cuts.map(({ name }) => name).sort();
  return (
    compare("changed", Object.keys(changed).sort(), names) ??
    compare("slim tensors", [...slim.keys()].sort(), names) ??
    firstOf(names, (name) => {
      const [before = [], after = []] = at.lists(changed, name);
      const got = tensorOf(narrow, name);
      const place = { layer: name, quantity: "kept weights" };
      return (
        compare({ layer: name, quantity: "shape" }, before, tensorOf(tensors, name).shape) ??
        compare({ layer: name, quantity: "shape after" }, after, got.shape) ??
        compare(place, slim.get(name)?.data ?? new Float32Array(0), got.data, tolerance)
      );
    })
  );
}

/** Compares the numbers of heads before and after. */
function attributesDifference(
  { json }: OpenCase,
  attentions: readonly AttentionLayer[],
  { heads }: Removal,
): Difference | undefined {
  const attributes = at.object(json, "attributes");
  return firstOf(attentions.entries(), ([i, { name, heads: before }]) => {
    const removed = heads[i] ?? [];
    if (removed.length === 0 || !(name in attributes)) return undefined;
    const own = at.object(attributes, name);
    const key = "num_attention_heads";
    if (!(key in own)) return differenceAt({ layer: name, quantity: key }, "a pair", "none");
    const got = [before, before - removed.length];
    return compare({ layer: name, quantity: key }, at.numbers(own, key), got);
  });
}

/** Compares the outputs before and after. */
function outputsDifference(
  files: OpenCase,
  model: SlimModel,
  tensors: Tensors,
  { channels, heads }: Removal,
  backend: Backend,
): Difference | undefined {
  if (!hasOutputs(model)) return undefined;
  const nothing: Removal = { channels: [], heads: [] };
  const before = outputsOf(files, model, tensors, nothing, backend);
  const first = compare(
    "output before",
    tensorValues(files, "out/before"),
    before,
    OUTPUT_TOLERANCE,
  );
  if (first !== undefined || files.json.forward_after !== "ok") return first;
  const { config } = model;
  const left: Removal = {
    channels: withOneLeft(channels, config.intermediateSize),
    heads: withOneLeft(heads, config.heads),
  };
  const narrow = withCuts(tensors, cutsOf(tensors, model, left));
  const after = outputsOf(files, model, narrow, left, backend);
  return compare("output after", tensorValues(files, "out/after"), after, OUTPUT_TOLERANCE);
}
