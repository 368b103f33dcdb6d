import { describe, expect, test } from "vitest";
import { findTokenTensors } from "../../src/checkpoint/vocabulary-rows.ts";
import { formatProblem, getOrThrow, isLeft } from "../../src/core/either.ts";
import { opened, tensor } from "./small-checkpoint.ts";

describe("findTokenTensors", () => {
  test("finds embeddings and heads of masked language models, with masks", () => {
    const names = [
      ...["bert.embeddings.word_embeddings.weight", "cls.predictions.bias"],
      ...["cls.predictions.decoder.weight", "cls.predictions.decoder.bias", "lm_head.bias"],
      ...["lm_head.decoder.weight", "vocab_projector.weight", "generator_lm_head.bias"],
      ...["module.embeddings.word_embeddings.weight_orig", "word_embeddings.weight_mask"],
    ];
    const others = {
      "lm_head.dense.weight": tensor(3, 3),
      "embeddings.position_ids": tensor(1, 4),
    };
    const tensors = Object.fromEntries(names.map((name) => [name, tensor(4, 2)]));
    const found = findTokenTensors(opened({ ...tensors, ...others }), 4, () => false);
    expect([...getOrThrow(found)].sort()).toEqual(names.sort());
  });

  test("refuses other tensors with as many rows, unless the model has them", () => {
    const checkpoint = opened({
      "word_embeddings.weight": tensor(5, 2),
      "my_head.weight": tensor(2, 4),
    });
    const found = findTokenTensors(checkpoint, 4, () => false);
    expect(isLeft(found) && found.left.map(formatProblem).sort()).toEqual([
      "model.safetensors: my_head.weight: expected no tensor of this name with an extent for each token, got [2, 4]",
      "model.safetensors: word_embeddings.weight: expected 4 rows, the vocab_size of config.json, got 5",
    ]);
    const known = opened({ "classifier.weight": tensor(2, 4) });
    expect(
      getOrThrow(findTokenTensors(known, 4, (name) => name === "classifier.weight")).size,
    ).toBe(0);
  });
});
