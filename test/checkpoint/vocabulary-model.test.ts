import { describe, expect, test } from "vitest";
import {
  isCharacter,
  passedTokens,
  piecesOfToken,
  piecesOfUnknown,
  shrinkableModel,
} from "../../src/checkpoint/vocabulary-model.ts";
import { formatProblem, getOrThrow, isLeft } from "../../src/core/either.ts";
import { readHuggingFaceTokenizer } from "../../src/io/hugging-face.ts";
import { bytePairFiles, type Files, textFiles, wordPieceFiles } from "./vocabularies.ts";

function modelOf(files: Files) {
  const tokenizer = getOrThrow(readHuggingFaceTokenizer(files));
  const model = getOrThrow(shrinkableModel("tokenizer.json", tokenizer));
  const tokensOf = (ids: readonly number[] | undefined) =>
    ids?.map((id) => tokenizer.vocabulary.tokens[id]);
  return { model, tokensOf };
}

describe("WordPiece", () => {
  const { model, tokensOf } = modelOf(
    wordPieceFiles(["tr", "##ee", "##e", "t", "ee", "##s", "日"]),
  );

  test("counts continuations of one character as characters", () => {
    const tokens = ["t", "##e", "日", "#", "😀", "##😀", "tr", "##ee", "##"];
    expect(tokens.filter((token) => isCharacter(model, token))).toEqual([
      ...["t", "##e", "日", "#", "😀", "##😀"],
    ]);
  });

  test("divides a token's text as part of a word", () => {
    expect(tokensOf(piecesOfToken(model, "trees"))).toEqual(["tr", "##ee", "##s"]);
    expect(tokensOf(piecesOfToken(model, "##ees"))).toEqual(["##ee", "##s"]);
    expect(tokensOf(piecesOfToken(model, "ees"))).toEqual(["ee", "##s"]);
    expect(piecesOfToken(model, "##t")).toBeUndefined();
  });

  test("finds pieces in unknown words, unless they are too long", () => {
    expect(tokensOf(piecesOfUnknown(model, "treex"))).toEqual(["tr", "##ee"]);
    expect(piecesOfUnknown(model, `tree${"x".repeat(97)}`)).toEqual([]);
    expect(piecesOfUnknown(model, "trees")).toEqual([]);
  });
});

test("byte-level BPE merges the characters of a token as in a word", () => {
  const pairs = [
    ["e", "e"],
    ["t", "r"],
    ["tr", "ee"],
  ] as const;
  const { model, tokensOf } = modelOf(bytePairFiles(pairs));
  expect(["t", "Ġ", "ee", "é", "<s>"].filter((token) => isCharacter(model, token))).toEqual([
    ...["t", "Ġ", "é"],
  ]);
  expect(tokensOf(passedTokens(model, "tree"))).toEqual(["ee", "tr", "tree"]);
  // No merges give a special token.
  expect(passedTokens(model, "<s>")).toEqual([]);
  expect(tokensOf(piecesOfToken(model, "trees"))).toEqual(["tree", "s"]);
});

describe("a model that cannot shrink is refused by name:", () => {
  const byteLevel = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true };
  const refusals = {
    Unigram: { model: { type: "Unigram", vocab: [["<unk>", 0]], unk_id: 0 } },
    WordLevel: { model: { type: "WordLevel", vocab: { a: 0 }, unk_token: "a" } },
    "BPE of characters": { model: { type: "BPE", vocab: { a: 0 }, merges: [] } },
    "BPE with affixes": {
      model: { type: "BPE", vocab: { a: 0 }, merges: [], end_of_word_suffix: "</w>" },
      pre_tokenizer: byteLevel,
    },
  };
  test.each(Object.entries(refusals))("%s", (name, json) => {
    const files = textFiles({ "tokenizer.json": json, "config.json": { model_type: "bert" } });
    const read = shrinkableModel("tokenizer.json", getOrThrow(readHuggingFaceTokenizer(files)));
    expect(isLeft(read) && read.left.map(formatProblem)).toEqual([
      `tokenizer.json.model.type: expected WordPiece or byte-level BPE, got ${name}`,
    ]);
  });
});
