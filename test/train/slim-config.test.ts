import { describe, expect, test } from "vitest";
import { parsePruningConfigOrThrow } from "../../src/prune/parse.ts";
import { slimPruningConfig } from "../../src/train/slim-config.ts";
import { SMALL_BERT, SMALL_DISTILBERT } from "../model/small-models.ts";

describe("the pruners for narrower layers", () => {
  test("prune columns of the second feed-forward layers, and heads", () => {
    const keys = { start_step: 2, end_step: 8 };
    const pruners = slimPruningConfig(SMALL_DISTILBERT, { feedForward: 0.5, heads: 0.25 }, keys);
    expect(pruners).toEqual([
      {
        op_names: [0, 1].map((layer) => `distilbert.transformer.layer.${layer}.ffn.lin2`),
        pattern: "channelx1",
        target_sparsity: 0.5,
        ...keys,
      },
      { pattern: "mha", target_sparsity: 0.25, ...keys },
    ]);
    expect(() => parsePruningConfigOrThrow(pruners)).not.toThrow();
    expect(slimPruningConfig(SMALL_BERT, {})).toEqual([]);
    expect(slimPruningConfig(SMALL_BERT, { heads: 0.5 })).toHaveLength(1);
  });

  test("under inc, other shares count as none; strict refuses them by name", () => {
    for (const share of [0, 1, 1.5, -0.5]) {
      expect(slimPruningConfig(SMALL_BERT, { feedForward: share, heads: share })).toEqual([]);
      expect(() => slimPruningConfig(SMALL_BERT, { heads: share, profile: "strict" })).toThrow(
        /^options\.heads: expected a number between 0 and 1/,
      );
    }
  });
});
