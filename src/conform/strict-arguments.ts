/** Checks the arguments of `judgeStrictMasks`. */
import {
  checkBytes,
  checkFloat32Array,
  checkInteger,
  checkKind,
  checkList,
  checkMap,
  checkObject,
  checkRecords,
  checkString,
  isStrings,
  mismatch,
  succeeds,
} from "../core/checks.ts";
import { elementCount } from "../prune/layer.ts";
import { readPattern } from "../prune/pattern.ts";
import type { StrictLayer, StrictVector } from "./strict-vector.ts";

export function checkVector(vector: StrictVector): void {
  checkObject("vector", vector, "pattern", "layers", "budgets");
  readPattern(vector.pattern);
  checkRecords("vector.layers", vector.layers, "name", "shape", "scores", "mask");
  for (const [i, layer] of vector.layers.entries()) checkLayer(`vector.layers[${i}]`, layer);
  checkRecords("vector.budgets", vector.budgets, "layers", "pruned");
  for (const [i, { layers, pruned }] of vector.budgets.entries()) {
    checkKind(isStrings(layers), `vector.budgets[${i}].layers`, "an array of names", layers);
    checkInteger(`vector.budgets[${i}].pruned`, pruned);
  }
}

function checkLayer(name: string, layer: StrictLayer): void {
  const { shape, scores, fewest, most, mask } = layer;
  checkString(`${name}.name`, layer.name);
  checkList(`${name}.shape`, shape);
  for (let i = 0; i < shape.length; i++) checkInteger(`${name}.shape[${i}]`, shape[i]);
  checkFloat32Array(`${name}.scores`, scores);
  checkInteger(`${name}.fewest`, fewest);
  checkInteger(`${name}.most`, most);
  checkBytes(`${name}.mask`, mask);
  const count = elementCount(shape);
  if (mask.length !== count)
    throw new RangeError(mismatch(`${name}.mask`, `${count} elements`, mask.length));
}

export function checkMasks(masks: ReadonlyMap<string, ArrayLike<number>>): void {
  checkMap("masks", masks);
  for (const [name, mask] of masks) {
    checkString("a key of masks", name);
    const isList = succeeds(() => Array.isArray(mask) || ArrayBuffer.isView(mask));
    checkKind(isList, `masks of ${name}`, "an array", mask);
  }
}
