import { describe, expect, test } from "vitest";
import {
  otherVocabularies,
  type Renumbering,
  renumberFiles,
  statedTokenIds,
} from "../../src/checkpoint/vocabulary-files.ts";
import { formatProblem, getOrThrow, isLeft } from "../../src/core/either.ts";
import { readHuggingFaceTokenizer } from "../../src/io/hugging-face.ts";
import { bytePairFiles, type Files, textFiles, wordPieceFiles } from "./vocabularies.ts";

/** Five tokens, of which the second and the fourth are removed. */
const RENUMBERING: Renumbering = {
  tokens: ["[PAD]", "a", "[UNK]", "b", "2"],
  newIds: Int32Array.of(0, -1, 1, -1, 2),
  size: 3,
  keepsMerge: (left, right) => `${left} ${right}` === "a b",
};

function renumbered(files: Files, renumbering: Renumbering = RENUMBERING): Record<string, string> {
  const changed = getOrThrow(renumberFiles(files, renumbering));
  const texts = [...changed].map(([name, bytes]) => [name, new TextDecoder().decode(bytes)]);
  return Object.fromEntries(texts);
}

function changedJson(name: string, json: object): unknown {
  return JSON.parse(renumbered(textFiles({ [name]: json }))[name] ?? "null");
}

function problemsOf(name: string, content: string | object): readonly string[] {
  const changed = renumberFiles(textFiles({ [name]: content }), RENUMBERING);
  return isLeft(changed) ? changed.left.map(formatProblem) : [];
}

describe("renumberFiles", () => {
  test("sets the size and the ids of config.json, and keeps other numbers", () => {
    const ids = { pad_token_id: 4, bos_token_id: null, eos_token_id: [2, 4], sep_token_id: 99 };
    const others = { vocab_size: 5, hidden_size: 4, id2label: { "0": "a" }, layer_norm_eps: 1e-12 };
    expect(changedJson("config.json", { ...ids, ...others })).toEqual({
      ...{ pad_token_id: 2, bos_token_id: null, eos_token_id: [1, 2], sep_token_id: 99 },
      ...{ vocab_size: 3, hidden_size: 4, id2label: { "0": "a" }, layer_norm_eps: 1e-12 },
    });
  });

  test("renumbers added_tokens_decoder, added_tokens.json and generation_config.json", () => {
    const config = {
      added_tokens_decoder: { "0": { content: "[PAD]" }, "2": { content: "[UNK]" } },
    };
    expect(changedJson("tokenizer_config.json", { ...config, do_lower_case: true })).toEqual({
      added_tokens_decoder: { "0": { content: "[PAD]" }, "1": { content: "[UNK]" } },
      do_lower_case: true,
    });
    expect(changedJson("added_tokens.json", { "[UNK]": 2, "[PAD]": 0 })).toEqual({
      ...{ "[UNK]": 1, "[PAD]": 0 },
    });
    expect(changedJson("generation_config.json", { pad_token_id: 2 })).toEqual({ pad_token_id: 1 });
  });

  test("returns only files that change", () => {
    const files = textFiles({
      "tokenizer_config.json": { do_lower_case: true },
      "special_tokens_map.json": { pad_token: "[PAD]" },
      "notes.txt": "a",
    });
    expect(renumbered(files)).toEqual({});
  });

  test("writes vocabularies in the order of ids, also tokens like numbers", () => {
    const vocab = { "2": 4, "[PAD]": 0, a: 1, "[UNK]": 2, b: 3 };
    const files = textFiles({ "vocab.json": vocab, "vocab.txt": "[PAD]\na\n[UNK]\nb\n2\n" });
    expect(renumbered(files)).toEqual({
      "vocab.json": '{"[PAD]":0,"[UNK]":1,"2":2}',
      "vocab.txt": "[PAD]\n[UNK]\n2\n",
    });
  });

  test("keeps the first line of merges.txt and the merges that stay", () => {
    const files = textFiles({ "merges.txt": "#version: 0.2\na b\nb a\n" });
    expect(renumbered(files)).toEqual({ "merges.txt": "#version: 0.2\na b\n" });
  });

  test("renumbers all parts of tokenizer.json", () => {
    const template = { id: "[UNK]", ids: [2], tokens: ["[UNK]"] };
    const json = {
      padding: { pad_id: 0, pad_token: "[PAD]" },
      added_tokens: [{ id: 2, content: "[UNK]" }],
      post_processor: {
        type: "Sequence",
        processors: [
          { type: "TemplateProcessing", single: [], special_tokens: { "[UNK]": template } },
          { type: "BertProcessing", sep: ["2", 4], cls: ["[UNK]", 2] },
        ],
      },
      model: { type: "BPE", vocab: { "2": 4, b: 3 }, merges: ["a b", ["b", "a"], ["a", "b"]] },
    };
    expect(changedJson("tokenizer.json", json)).toEqual({
      padding: { pad_id: 0, pad_token: "[PAD]" },
      added_tokens: [{ id: 1, content: "[UNK]" }],
      post_processor: {
        type: "Sequence",
        processors: [
          {
            ...{ type: "TemplateProcessing", single: [] },
            special_tokens: { "[UNK]": { ...template, ids: [1] } },
          },
          { type: "BertProcessing", sep: ["2", 2], cls: ["[UNK]", 1] },
        ],
      },
      model: { type: "BPE", vocab: { "2": 2 }, merges: ["a b", ["a", "b"]] },
    });
  });

  test("with all ids changes only the form", () => {
    for (const files of [wordPieceFiles(["a", "##b"]), bytePairFiles([["a", "b"]])]) {
      const { tokens } = getOrThrow(readHuggingFaceTokenizer(files)).vocabulary;
      const newIds = Int32Array.from(tokens.keys());
      const all = { tokens, newIds, size: tokens.length, keepsMerge: () => true };
      for (const [name, text] of Object.entries(renumbered(files, all))) {
        const before = new TextDecoder().decode(files.get(name));
        if (name.endsWith(".json")) expect(JSON.parse(text)).toEqual(JSON.parse(before));
        else expect(text).toBe(before);
      }
    }
  });

  test("refuses files that contradict each other, and tokens that must stay", () => {
    expect(problemsOf("vocab.txt", "[PAD]\nb\n")).toEqual([
      'vocab.txt: "b": expected the id that the token has in the tokenizer\'s other files, got 1, the id of "a"',
    ]);
    expect(problemsOf("vocab.json", { "[PAD]": 0, c: 7 })).toEqual([
      'vocab.json: "c": expected the id that the token has in the tokenizer\'s other files, got 7',
    ]);
    expect(problemsOf("added_tokens.json", { a: 1 })).toEqual([
      "added_tokens.json: a: expected the id of a token that stays, got 1",
    ]);
    expect(problemsOf("vocab.json", "[")).toHaveLength(1);
  });
});

test("statedTokenIds lists the ids outside of vocabularies", () => {
  const files = textFiles({
    "config.json": { pad_token_id: 3, eos_token_id: [4, 5], bos_token_id: null, vocab_size: 9 },
    "generation_config.json": { decoder_start_token_id: 6 },
    "tokenizer.json": { padding: { pad_id: 7 } },
  });
  expect(getOrThrow(statedTokenIds(files))).toEqual([3, 4, 5, 6, 7]);
  expect(isLeft(statedTokenIds(textFiles({ "config.json": "[" })))).toBe(true);
});

test("otherVocabularies names vocabularies in other forms", () => {
  const names = ["config.json", "sentencepiece.bpe.model", "spm.model", "bpe.codes", "vocab.txt"];
  expect(otherVocabularies(names).map(({ path }) => path)).toEqual(names.slice(1, 4));
});
