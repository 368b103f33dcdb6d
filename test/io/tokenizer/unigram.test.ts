import { expect, test } from "vitest";
import { unigramModel, unigrams } from "../../../src/io/tokenizer/unigram.ts";

test("without an unknown token, only the chosen pieces need a token", () => {
  const model = unigramModel(
    [
      ["a", -2],
      ["ab", -1],
    ],
    null,
    false,
  );
  expect(unigrams(model, "aab")).toEqual([0, 1]);
  expect(() => unigrams(model, "ba")).toThrow(/there is no unknown token/);
});
