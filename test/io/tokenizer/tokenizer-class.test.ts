import { expect, test } from "vitest";
import type { Problem } from "../../../src/core/either.ts";
import { tokenizerClassOf } from "../../../src/io/tokenizer/tokenizer-class.ts";

test.each(["camembert", "mpnet", "constructor"])(
  "a model of type %s needs a named class",
  (type) => {
    const problems: Problem[] = [];
    tokenizerClassOf({ config: { do_lower_case: false }, model: { model_type: type } }, problems);
    expect(problems).toMatchObject([
      { path: "config.json: model_type", got: JSON.stringify(type) },
    ]);
    const config = { tokenizer_class: "PreTrainedTokenizerFast" };
    const found = tokenizerClassOf({ config, model: { model_type: type } }, []);
    expect(found).toMatchObject({ setsNormalizer: false, tokens: {} });
  },
);
