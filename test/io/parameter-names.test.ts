import { describe, expect, test } from "vitest";
import { formatProblem, getOrThrow, isLeft } from "../../src/core/either.ts";
import type { EncoderType } from "../../src/core/encoder-types.ts";
import { canonicalNames } from "../../src/io/parameter-names.ts";

/** The new name of each tensor. */
function renamed(type: EncoderType, ...names: readonly string[]): readonly string[] {
  const named = getOrThrow(canonicalNames(type, new Map(names.map((name) => [name, name]))));
  const byStored = new Map([...named].map(([name, stored]) => [stored, name]));
  return names.map((name) => byStored.get(name) ?? "none");
}

describe("wrappers are removed", () => {
  test.each([
    ["module.bert.pooler.dense.bias", "bert.pooler.dense.bias"],
    ["_orig_mod.module.bert.pooler.dense.bias", "bert.pooler.dense.bias"],
    ["model.module._orig_mod.bert.pooler.dense.bias", "bert.pooler.dense.bias"],
    ["bert.encoder.layer.0._orig_mod.output.dense.bias", "bert.encoder.layer.0.output.dense.bias"],
    [
      "_fsdp_wrapped_module.bert.encoder.layer.1._fsdp_wrapped_module._checkpoint_wrapped_module.x",
      "bert.encoder.layer.1.x",
    ],
    ["module.encoder.layer.0.LayerNorm.gamma", "bert.encoder.layer.0.LayerNorm.weight"],
    ["model.classifier.weight", "classifier.weight"],
  ])("from %s", (stored, name) => {
    expect(renamed("bert", stored)).toEqual([name]);
  });

  test("from DistilBERT's names", () => {
    expect(renamed("distilbert", "module.pre_classifier.bias", "model.transformer.x")).toEqual([
      "pre_classifier.bias",
      "distilbert.transformer.x",
    ]);
  });

  test("only if the rest is a name of the model", () => {
    const others = ["module.cls.predictions.bias", "model.decoder.x", "module", "n_averaged"];
    expect(renamed("bert", ...others)).toEqual(others);
    expect(renamed("bert", "module.distilbert.x", "model.pre_classifier.bias")).toEqual([
      "module.distilbert.x",
      "model.pre_classifier.bias",
    ]);
  });

  test("not if a tensor has the name without them", () => {
    const names = ["classifier.bias", "module.classifier.bias", "module.classifier.weight"];
    for (const order of [names, [...names].reverse()])
      expect(renamed("bert", ...order)).toEqual(
        order.map((name) => name.replace("module.classifier.weight", "classifier.weight")),
      );
  });
});

test("the prefix of the encoder is added unless a name has it, wrapped or not", () => {
  expect(renamed("bert", "encoder.x", "module.embeddings.y")).toEqual([
    "bert.encoder.x",
    "bert.embeddings.y",
  ]);
  expect(renamed("bert", "encoder.x", "module.bert.y")).toEqual(["encoder.x", "bert.y"]);
});

test("two wrapped tensors of one name are a problem", () => {
  const tensors = new Map([
    ["module.bert.x", 1],
    ["model.bert.x", 2],
  ]);
  const named = canonicalNames("bert", tensors);
  expect(isLeft(named) && named.left.map(formatProblem)).toEqual([
    "model.bert.x: expected one tensor for bert.x, got module.bert.x too",
  ]);
});
