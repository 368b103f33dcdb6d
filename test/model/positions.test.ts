import { describe, expect, it } from "vitest";
import { parseModelConfigOrThrow } from "../../src/model/config.ts";
import { positionIds, sinusoidalPositions } from "../../src/model/positions.ts";

describe("positions", () => {
  const batch = { positions: 4, inputIds: Int32Array.of(5, 1, 6, 7, 8, 9, 1, 1) };
  const ids = (json: object) => [...positionIds(parseModelConfigOrThrow(json), batch)];

  it("of BERT and ELECTRA are indices", () => {
    for (const model_type of ["bert", "electra", "distilbert"])
      expect(ids({ model_type })).toEqual([0, 1, 2, 3, 0, 1, 2, 3]);
  });

  it("of RoBERTa count other ids than the padding id, and start after it", () => {
    for (const model_type of ["roberta", "xlm-roberta", "camembert"])
      expect(ids({ model_type })).toEqual([2, 1, 3, 4, 2, 3, 1, 1]);
    expect(ids({ model_type: "roberta", pad_token_id: 0 })).toEqual([1, 2, 3, 4, 1, 2, 3, 4]);
    expect(ids({ model_type: "roberta", pad_token_id: 7 })).toEqual([8, 9, 10, 7, 8, 9, 10, 11]);
  });
});

describe("sinusoids", () => {
  it("interleave sines and cosines, whose frequencies fall from 1", () => {
    const table = sinusoidalPositions(3, 4);
    const expected = [0, 1, 2].flatMap((row) => [
      Math.sin(row),
      Math.cos(row),
      Math.sin(row / 100),
      Math.cos(row / 100),
    ]);
    expect(table).toEqual(Float32Array.from(expected));
  });
});
