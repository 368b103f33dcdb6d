import { expect, test } from "vitest";
import { isLeft } from "../../../src/core/either.ts";
import { OTHER_PARTS } from "../../../src/io/tokenizer/other-parts.ts";
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
    return readFast(new Map(bytes), OTHER_PARTS);
  };
  expect(isLeft(read(["tokenizer.json"]))).toBe(false);
  expect(read(["tokenizer.json", "tokenizer.4.0.0.json"])).toMatchObject({
    left: [{ path: "tokenizer_config.json: fast_tokenizer_files", got: '"tokenizer.4.0.0.json"' }],
  });
});

test("without the code of other parts, such parts are refused by name and decoders are ignored", () => {
  const read = (json: object) => {
    const model = { type: "WordLevel", vocab: { a: 0 }, unk_token: "a" };
    const bytes = new TextEncoder().encode(JSON.stringify({ model, ...json }));
    return readFast(new Map([["tokenizer.json", bytes]]), null);
  };
  expect(isLeft(read({ decoder: { type: "WordPiece" } }))).toBe(false);
  const unigram = { type: "Unigram", vocab: [["a", 0]], unk_id: 0 };
  const flags = { lstrip: false, rstrip: false, normalized: false, special: false };
  const added = [{ id: 1, content: "b", single_word: true, ...flags }];
  for (const [json, path, expected] of [
    [{ model: unigram }, "tokenizer.json.model.type", "one of WordPiece, WordLevel"],
    [
      { normalizer: { type: "Nmt" } },
      "tokenizer.json.normalizer.type",
      "one of BertNormalizer, Lowercase, Strip, Sequence",
    ],
    [
      { pre_tokenizer: { type: "Whitespace" } },
      "tokenizer.json.pre_tokenizer.type",
      "one of BertPreTokenizer, Sequence",
    ],
    [{ added_tokens: added }, "tokenizer.json: added_tokens", "tokens without single_word"],
  ] as const)
    expect(read(json)).toMatchObject({ left: [{ path, expected }] });
});
