/** Replays the units of slim vectors: single calls on small matrices. */
import { cutTensor } from "../checkpoint/cut-tensors.ts";
import { isJsonObject } from "../io/json.ts";
import { at, expectedError, type JsonObject, type OpenCase, tensorsBelow } from "./case-files.ts";
import { compare, type Difference, differenceAt, firstOf } from "./difference.ts";
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

/** A call of a unit, with its parameters. */
interface UnitCall {
  readonly call: JsonObject;
  readonly expected: JsonObject;
  readonly index: number;
  readonly param: (suffix?: string) => Matrix;
  readonly slim: ReadonlyMap<string, Matrix>;
}

type UnitCheck = (unit: UnitCall) => Difference | undefined;

function sameList({ expected, index }: UnitCall, got: readonly number[]): Difference | undefined {
  return compare(`units[${index}]`, at.numbers(expected, "result"), got);
}

const UNITS: Readonly<Record<string, UnitCheck>> = {
  obtain_output_masks: (unit) => sameList(unit, usedRows(unit.param())),
  obtain_input_masks: (unit) => sameList(unit, usedColumns(unit.param())),
  get_mask_indices: (unit) => sameList(unit, zeroIndices(unit.param().data)),
  get_mha_output_indice: (unit) => {
    const [, heads = 1] = at.numbers(unit.call, "args");
    return sameList(unit, zeroHeads(usedRows(unit.param()), heads));
  },
  get_mha_input_indice: (unit) => {
    const [, heads = 1] = at.numbers(unit.call, "args");
    return sameList(unit, zeroHeads(usedColumns(unit.param()), heads));
  },
  find_common_indice: (unit) => {
    const [lists = []] = at.list(unit.call, "args");
    return sameList(unit, commonIndices(at.lists({ lists }, "lists")));
  },
  find_pruneable_indices: pruneableDifference,
  prune_linear: linearDifference,
};

/** Compares the parts to remove of given ones, and the elements that stay. */
function pruneableDifference({ call, expected, index }: UnitCall): Difference | undefined {
  const [given = null, parts = null, width = null, multiple = null] = at.list(call, "args");
  const sorted = [...at.numbers({ given }, "given")].sort((a, b) => a - b);
  const count = removedCount(sorted.length, Number(multiple));
  const result = at.object(expected, "result");
  const stated = at.numbers(result, "prune");
  // INC chooses some of the given parts at random.
  const isChoice = count > 0 && count < sorted.length;
  const isAmong = stated.length === count && stated.every((part) => sorted.includes(part));
  const removed = isChoice && isAmong ? stated : sorted.slice(0, count);
  const kept = keptElements(Number(parts), removed, Number(width));
  return (
    compare(`units[${index}] prune`, stated, removed) ??
    compare(`units[${index}] keep`, at.numbers(result, "keep"), kept)
  );
}

/** Compares a linear layer that keeps some of its rows (0) or columns (1), or requires that the rows are refused. */
function linearDifference({ call, expected, index, param, slim }: UnitCall) {
  const { dim, prune_bias: prunesBias } = at.object(call, "args");
  const kept = Int32Array.from(at.numbers(call, "index"));
  const axis = dim === 0 ? 0 : 1;
  const weight = param(".weight");
  const isInside = kept.every((entry) => entry < (weight.shape[axis] ?? 0));
  if ("error" in expected || !isInside)
    return compare(`units[${index}] refused`, "error" in expected, !isInside);
  const features = at.object(expected, "result");
  const shape = weight.shape.map((extent, i) => (i === axis ? kept.length : extent));
  const cut = (matrix: Matrix): Float32Array => cutFloats(matrix, axis, kept);
  const stated = slim.get(`${index}.weight`);
  const bias = call.bias === true ? param(".bias") : undefined;
  return (
    compare(`units[${index}] out_features`, at.number(features, "out_features"), shape[0] ?? 0) ??
    compare(`units[${index}] in_features`, at.number(features, "in_features"), shape[1] ?? 0) ??
    (stated === undefined
      ? differenceAt(`slim/${index}.weight`, "a tensor", "none")
      : compare(`slim/${index}.weight`, stated.data, cut(weight))) ??
    (bias &&
      compare(
        `slim/${index}.bias`,
        slim.get(`${index}.bias`)?.data ?? new Float32Array(0),
        prunesBias === true && axis === 0 ? cut(bias) : bias.data,
      ))
  );
}

/** Returns the rows or columns of a tensor that stay. */
export function cutFloats({ shape, data }: Matrix, axis: 0 | 1, kept: Int32Array): Float32Array {
  if (kept.length === 0) return new Float32Array(0);
  const bytes = new Uint8Array(data.slice().buffer);
  return new Float32Array(cutTensor(bytes, shape, { axis, kept }).buffer);
}

export function unitsDifference(files: OpenCase): Difference | undefined {
  const calls = at.objects(files.json, "calls");
  const results = at.objects(files.json, "units");
  const params = tensorsBelow(files, "param/");
  const slim = tensorsBelow(files, "slim/");
  const unitAt = (call: JsonObject, index: number): UnitCall => ({
    call,
    index,
    expected: results[index] ?? {},
    slim,
    param: (suffix = "") => {
      const found = params.get(`${index}${suffix}`);
      if (found === undefined) throw expectedError(`param/${index}${suffix}`, "a tensor", found);
      return found;
    },
  });
  return (
    compare("units length", calls.length, results.length) ??
    firstOf(calls.entries(), ([index, call]) => {
      const name = at.text(call, "function");
      const check = Object.hasOwn(UNITS, name) ? UNITS[name] : undefined;
      if (check === undefined || !isJsonObject(results[index]))
        return differenceAt(`calls[${index}].function`, Object.keys(UNITS).join(", "), name);
      return check(unitAt(call, index));
    })
  );
}
