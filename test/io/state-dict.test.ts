import { expect, test } from "vitest";
import { isLeft } from "../../src/core/either.ts";
import type { PickleValue } from "../../src/io/pickle.ts";
import { findStateDict } from "../../src/io/state-dict.ts";

const tuple = (...values: PickleValue[]): PickleValue => ({ kind: "tuple", values });

/** A recorded call that creates a tensor. */
function tensor(...shape: number[]): PickleValue {
  const elements = shape.reduce((product, extent) => product * extent, 1);
  const type: PickleValue = { kind: "global", name: "torch.FloatStorage" };
  const id = tuple("storage", type, "0", "cpu", elements);
  const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((a, b) => a * b, 1));
  const values = [{ kind: "reference", id } as const, 0, tuple(...shape), tuple(...strides)];
  return { kind: "call", name: "torch._utils._rebuild_tensor_v2", values };
}

const dictionary = (entries: Readonly<Record<string, PickleValue>>): PickleValue =>
  new Map<PickleValue, PickleValue>(Object.entries(entries));
const weights = dictionary({ "fc.weight": tensor(2, 3), "fc.bias": tensor(2) });
const optimizer = dictionary({
  state: new Map<PickleValue, PickleValue>([[0, dictionary({ exp_avg: tensor(2, 3) })]]),
  param_groups: [dictionary({ lr: 0.1 })],
});

test.each<[string, PickleValue]>([
  ["the value itself", weights],
  ...["state_dict", "model_state_dict", "model", "net", "anything"].map(
    (key): [string, PickleValue] => [
      `under ${key}`,
      dictionary({ epoch: 3, loss: tensor(), rng: tensor(8), optimizer, [key]: weights }),
    ],
  ),
  ["a usual key beside another", dictionary({ ema: weights, model: weights })],
  ["two levels deep", dictionary({ checkpoint: dictionary({ model: weights }), optimizer })],
  ["a usual key beside a matrix", dictionary({ queue: tensor(4, 4), model: weights })],
])("finds %s", (_, value) => {
  const found = findStateDict("a.pt", value);
  if (isLeft(found)) throw new Error(JSON.stringify(found.left));
  expect(found.right).toBe(weights);
});

test.each<[string, PickleValue, string]>([
  ["two usual keys", dictionary({ net: weights, model: weights }), "several: net, model"],
  [
    "two other keys",
    dictionary({ student: weights, teacher: weights, epoch: 1 }),
    "several: student, teacher",
  ],
  [
    "tensors beside an unknown key",
    dictionary({ "fc.weight": tensor(2, 3), ema: weights }),
    "several: ema, tensors beside them",
  ],
])("%s are refused with the choices", (_, value, got) => {
  expect(findStateDict("a.pt", value)).toEqual({
    _tag: "Left",
    left: [{ path: "a.pt", expected: "one dictionary of tensors", got }],
  });
});

test("a usual key with other values is chosen, so that they are reported", () => {
  const model = dictionary({ "fc.weight": tensor(2, 3), steps: 7 });
  expect(findStateDict("a.pt", dictionary({ model }))).toEqual({ _tag: "Right", right: model });
});
