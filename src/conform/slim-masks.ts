/** Replays slim vectors in which masks state what a chain of linear layers loses, whatever its weights are. */
import { isJsonObject } from "../io/json.ts";
import { at, expectedError, type OpenCase, tensorsBelow } from "./case-files.ts";
import { compare, type Difference, firstOf } from "./difference.ts";
import { readModel } from "./pruning-case.ts";
import { keptElements, type Matrix, removedCount, usedColumns, zeroIndices } from "./slim-rules.ts";
import { cutFloats } from "./slim-units.ts";

/** The name of the module that contains all layers. */
const ROOT = "net";

/** Returns the linear layers, each of which follows the one before it. */
function chainOf({ json }: OpenCase): readonly string[] {
  const { records } = readModel(isJsonObject(json.model) ? json.model.modules : undefined);
  const linear = records.filter(({ kind }) => kind === "linear");
  const isChain = linear.every(
    ({ shape: [, inputs] }, i) => i === 0 || linear[i - 1]?.shape[0] === inputs,
  );
  if (!isChain) throw expectedError("model.modules", "a chain of linear layers", json.model);
  return linear.map(({ name }) => `${ROOT}.${name}`);
}

/** Removes the columns of each layer that its mask, or the zeros of the last layer, state, and the rows before it. */
export function masksDifference(files: OpenCase): Difference | undefined {
  const { json } = files;
  const multiple = at.number(at.object(json, "args"), "round_value");
  const tensors = new Map(tensorsBelow(files, "param/"));
  const masks = tensorsBelow(files, "metric/");
  const original = new Map(tensors);
  const cut = (name: string, axis: 0 | 1, kept: Int32Array): void => {
    const tensor = tensors.get(name);
    if (tensor === undefined) return;
    const shape = tensor.shape.map((extent, i) => (i === axis ? kept.length : extent));
    tensors.set(name, { shape, data: cutFloats(tensor, axis, kept) });
  };
  const chain = chainOf(files);
  for (const [i, root] of chain.slice(1).entries()) {
    const weight: Matrix | undefined = original.get(`${root}.weight`);
    if (weight === undefined) throw expectedError(`param/${root}.weight`, "a tensor", weight);
    const zero = zeroIndices(masks.get(String(i))?.data ?? usedColumns(weight));
    const removed = zero.slice(0, removedCount(zero.length, multiple));
    const kept = keptElements(weight.shape[1] ?? 0, removed, 1);
    cut(`${root}.weight`, 1, kept);
    cut(`${chain[i]}.weight`, 0, kept);
    cut(`${chain[i]}.bias`, 0, kept);
  }
  const changed = at.object(json, "changed");
  const slim = tensorsBelow(files, "slim/");
  const names = [...tensors.keys()].filter(
    (name) => tensors.get(name)?.shape.join() !== original.get(name)?.shape.join(),
  );
  return (
    compare("changed", Object.keys(changed).sort(), names.sort()) ??
    firstOf(names, (name) => {
      const [before = [], after = []] = at.lists(changed, name);
      const got = tensors.get(name);
      const expected = slim.get(name)?.data ?? new Float32Array(0);
      return (
        compare({ layer: name, quantity: "shape" }, before, original.get(name)?.shape ?? []) ??
        compare({ layer: name, quantity: "shape after" }, after, got?.shape ?? []) ??
        compare({ layer: name, quantity: "kept weights" }, expected, got?.data ?? [])
      );
    })
  );
}
