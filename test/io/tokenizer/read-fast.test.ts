import { expect, test } from "vitest";
import { isLeft } from "../../../src/core/either.ts";
import { readFast } from "../../../src/io/tokenizer/read-fast.ts";

test("a tokenizer.json for some versions of transformers is refused by name", () => {
  const model = { type: "WordLevel", vocab: { a: 0 }, unk_token: "a" };
  const read = (names: readonly string[]) => {
    const files = {
      "tokenizer.json": { model },
      "tokenizer_config.json": { fast_tokenizer_files: names },
    };
    const bytes = Object.entries(files).map(
      ([name, json]) => [name, new TextEncoder().encode(JSON.stringify(json))] as const,
    );
    return readFast(new Map(bytes));
  };
  expect(isLeft(read(["tokenizer.json"]))).toBe(false);
  expect(read(["tokenizer.json", "tokenizer.4.0.0.json"])).toMatchObject({
    left: [{ path: "tokenizer_config.json: fast_tokenizer_files", got: '"tokenizer.4.0.0.json"' }],
  });
});
