import { describe, expect, test } from "vitest";
import { formatProblem, getOrThrow, isLeft } from "../../src/core/either.ts";
import { planVocabulary, type ShrinkRows } from "../../src/run/shrink.ts";
import { readShrinkable, readVocabulary } from "../../src/run/shrinkable-directory.ts";
import { type Files, textFiles, wordPieceFiles } from "../checkpoint/vocabularies.ts";
import { memoryStorage } from "./memory-storage.ts";

/** Rows in pieces of one. */
function rows(path: string, ...texts: readonly (string | readonly [string, string])[]): ShrinkRows {
  return {
    path,
    pieces: async (onRows) => {
      for (const row of texts) {
        const [text, textPair = null] = [row].flat();
        await onRows([{ text: text ?? "", textPair }]);
      }
    },
  };
}

async function plan(files: Files, vocabulary: ShrinkRows, checks: ShrinkRows[], keep?: number) {
  const storage = memoryStorage();
  for (const [name, bytes] of files) await storage.write(`m/${name}`, bytes);
  const directory = await readShrinkable(storage, { name: "m", path: "m" }, "IN");
  const read = getOrThrow(readVocabulary(getOrThrow(directory)));
  return planVocabulary(read, { vocabulary: [vocabulary], checks }, keep);
}

const CONFIG = textFiles({ "config.json": { model_type: "bert", vocab_size: 40 } });
const FILES = new Map([
  ...wordPieceFiles(["oak", "elm", "tree", "##s", "e", "##e", "t", "##r"]),
  ...CONFIG,
]);

describe("planVocabulary", () => {
  test("measures pairs as one row, and lists removed tokens by their number", async () => {
    const found = getOrThrow(
      await plan(FILES, rows("train", ["trees", "oak"]), [
        rows("check", ["elm", "oak"], "elm tree"),
      ]),
    );
    expect(found.vocabularyFiles).toMatchObject([
      { path: "train", rows: 1, sameRows: 1, tokens: 3 },
    ]);
    expect(found.checks).toMatchObject([{ path: "check", rows: 2, sameRows: 0, sameTokens: 2 }]);
    expect(found.removed).toEqual([{ token: "elm", inFiles: 0, inChecks: 2, becomes: null }]);
    expect(found).toMatchObject({
      size: 40,
      choice: { reasons: { special: 5, character: 5, used: 2 } },
    });
  });

  test("keeps the most frequent tokens", async () => {
    const found = getOrThrow(await plan(FILES, rows("train", "oak oak tree elm elm"), [], 2));
    expect(found.removed).toEqual([
      { token: "tree", inFiles: 1, inChecks: 0, becomes: ["t", "##r", "##e", "##e"] },
    ]);
  });

  test("refuses an added token whose id cannot follow the others", async () => {
    const json = JSON.parse(new TextDecoder().decode(FILES.get("tokenizer.json")));
    // The tokenizer gives the added token the id 14, the number of tokens, beside "##r" with the id 20.
    const vocab = { ...json.model.vocab, "##r": 20, "##q": 21 };
    const added_tokens = [
      ...json.added_tokens,
      { ...json.added_tokens[0], id: 14, content: "[X]" },
    ];
    const altered = textFiles({
      "tokenizer.json": { ...json, added_tokens, model: { ...json.model, vocab } },
    });
    const found = await plan(new Map([...altered, ...CONFIG]), rows("train", "oak"), []);
    expect(isLeft(found) && found.left.map(formatProblem)).toEqual([
      'm/tokenizer.json: expected a vocabulary in which "[X]" can have the id 10, got none',
    ]);
  });
});
