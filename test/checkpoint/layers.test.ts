import { describe, expect, it } from "vitest";
import { isPrunable, roleOfTensor } from "../../src/checkpoint/layers.ts";

describe("the role of a tensor", () => {
  it.each([
    ["bert.encoder.layer.0.output.dense.weight", [8, 8], "linear"],
    ["bert.embeddings.word_embeddings.weight", [99, 8], "embedding"],
    ["transformer.wte.weight", [99, 8], "embedding"],
    ["model.embed_tokens.weight", [99, 8], "embedding"],
    ["conv1.weight", [8, 3, 3, 3], "conv2d"],
    ["conv1.weight", [8, 3, 3], "conv1d"],
    ["bert.embeddings.LayerNorm.weight", [8], "other"],
    ["classifier.bias", [2], "other"],
    ["position_ids", [1, 512], "other"],
  ])("%s %j is %s", (name, shape, kind) => {
    const role = roleOfTensor({ name, shape });
    expect(role.kind).toBe(kind);
    expect(role.reason).not.toBe("");
    expect(isPrunable(role.kind)).toBe(!["embedding", "other"].includes(kind));
  });
});
