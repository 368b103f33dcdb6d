import { expect, test } from "vitest";
import { isLeft } from "../../../src/core/either.ts";
import { RARE_PARSERS } from "../../../src/io/tokenizer/rare-parsers.ts";
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
    return readFast(new Map(bytes), RARE_PARSERS);
  };
  expect(isLeft(read(["tokenizer.json"]))).toBe(false);
  expect(read(["tokenizer.json", "tokenizer.4.0.0.json"])).toMatchObject({
    left: [{ path: "tokenizer_config.json: fast_tokenizer_files", got: '"tokenizer.4.0.0.json"' }],
  });
});

test("without the parsers of rare parts, such parts are refused by name and decoders are ignored", () => {
  const read = (json: object) => {
    const model = { type: "WordLevel", vocab: { a: 0 }, unk_token: "a" };
    const bytes = new TextEncoder().encode(JSON.stringify({ model, ...json }));
    return readFast(new Map([["tokenizer.json", bytes]]), null);
  };
  expect(isLeft(read({ decoder: { type: "WordPiece" } }))).toBe(false);
  const unigram = { type: "Unigram", vocab: [["a", 0]], unk_id: 0 };
  const precompiled = { type: "Precompiled", precompiled_charsmap: "" };
  const split = { type: "Split", pattern: { Regex: "a" }, behavior: "Isolated", invert: false };
  for (const [json, path, expected] of [
    [{ model: unigram }, "tokenizer.json.model.type", "one of WordPiece, BPE, WordLevel"],
    [{ normalizer: precompiled }, "tokenizer.json.normalizer.type", /^one of (?!.*Precompiled)/],
    [{ pre_tokenizer: split }, "tokenizer.json.pre_tokenizer.pattern", "an object with String"],
  ] as const)
    expect(read(json)).toMatchObject({
      left: [{ path, expected: expect.stringMatching(expected) }],
    });
});
