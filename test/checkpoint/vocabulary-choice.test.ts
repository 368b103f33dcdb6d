import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { encode } from "../../src/io/tokenizer.ts";
import { bytePairFiles, type Shrunk, shrunk, wordPieceFiles } from "./vocabularies.ts";

/** Words over few letters, so that pieces repeat; `e` is in no vocabulary. */
const word = fc.string({
  unit: fc.constantFrom("a", "b", "c", "d", "e"),
  minLength: 1,
  maxLength: 9,
});
const text = fc.array(word, { maxLength: 6 }).map((words) => words.join(" "));
const texts = fc.array(text, { maxLength: 6 });
const keep = fc.option(fc.integer({ min: 0, max: 6 }), { nil: undefined });

const pieces = fc
  .uniqueArray(
    fc.tuple(
      fc.constantFrom("", "##"),
      fc.string({ unit: fc.constantFrom("a", "b", "c", "d"), minLength: 1, maxLength: 4 }),
    ),
    { selector: (parts) => parts.join(""), maxLength: 40 },
  )
  .map((all) => all.map((parts) => parts.join("")));

/** Merges of tokens that are there: each number chooses two of them. */
const merges = fc.array(fc.tuple(fc.nat(), fc.nat()), { maxLength: 24 }).map((choices) => {
  const tokens = ["a", "b", "c", "d", "Ġ"];
  const pairs = new Map<string, readonly [string, string]>();
  for (const [left, right] of choices) {
    const pair = [tokens[left % tokens.length] ?? "", tokens[right % tokens.length] ?? ""] as const;
    pairs.set(pair.join(" "), pair);
    if (!tokens.includes(pair.join(""))) tokens.push(pair.join(""));
  }
  return [...pairs.values()];
});

/** The ids of a text after the vocabulary has shrunk, and those before, renumbered. */
function idsOf({ before, after, choice }: Shrunk, input: string) {
  const old = [...encode(before, input).inputIds];
  const renumbered = old.map((id) => choice.newIds[id] ?? -1);
  return { renumbered, ids: [...encode(after, input).inputIds] };
}

function expectSameTokens(
  vocabulary: Shrunk,
  corpus: readonly string[],
  others: readonly string[],
) {
  for (const one of corpus) {
    const { renumbered, ids } = idsOf(vocabulary, one);
    expect(ids).toEqual(renumbered);
  }
  for (const one of others) {
    const { renumbered, ids } = idsOf(vocabulary, one);
    if (!renumbered.includes(-1)) expect(ids).toEqual(renumbered);
  }
}

describe("a shrunk vocabulary", () => {
  for (const kind of ["fast", "slow"] as const)
    test(`gives the texts that it comes from the same tokens: WordPiece, ${kind}`, () => {
      fc.assert(
        fc.property(pieces, texts, (vocabulary, corpus) => {
          expectSameTokens(shrunk(wordPieceFiles(vocabulary), corpus, { kind }), corpus, []);
        }),
      );
    });

  test("of WordPiece gives a text of kept tokens the same tokens, if it has no unknown word", () => {
    fc.assert(
      fc.property(pieces, texts, texts, keep, (vocabulary, corpus, others, most) => {
        const result = shrunk(wordPieceFiles(vocabulary), corpus, {
          ...(most !== undefined && { keep: most }),
        });
        const unknown = result.before.vocabulary.ids.get("[UNK]") ?? -1;
        const known = [...corpus, ...others].filter(
          (one) => !encode(result.before, one).inputIds.includes(unknown),
        );
        expectSameTokens(result, [], known);
      }),
    );
  });

  test("of BPE gives a text of kept tokens the same tokens", () => {
    fc.assert(
      fc.property(merges, texts, texts, keep, (pairs, corpus, others, most) => {
        const result = shrunk(bytePairFiles(pairs), corpus, {
          ...(most !== undefined && { keep: most }),
        });
        expectSameTokens(result, most === undefined ? corpus : [], [...corpus, ...others]);
      }),
    );
  });

  test("has special tokens, single characters and the tokens of the texts, in their order", () => {
    const files = wordPieceFiles(["tree", "##s", "s", "wall", "##ing", "t", "日"]);
    const { after, choice } = shrunk(files, ["trees"]);
    expect(after.vocabulary.tokens.slice(5)).toEqual(["tree", "##s", "s", "t", "日"]);
    expect(choice.reasons).toEqual({ special: 5, character: 4, used: 1, passed: 0 });
    expect([...choice.kept]).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 10, 11]);
  });

  test("has the most frequent tokens, and of equally frequent ones the first", () => {
    const files = wordPieceFiles(["oak", "elm", "ash", "fig"]);
    const texts = ["fig elm fig", "ash oak"];
    const kept = (keep: number): readonly string[] =>
      shrunk(files, texts, { keep }).after.vocabulary.tokens.slice(5);
    expect([0, 1, 2, 3].map(kept)).toEqual([[], ["fig"], ["oak", "fig"], ["oak", "elm", "fig"]]);
  });

  test("leaves a word unknown whose first pieces no other word has", () => {
    // Without "ab", the word would be divided into "a" and "##bc".
    const files = wordPieceFiles(["ab", "a", "b", "##bc"]);
    const { choice } = shrunk(files, ["abc", "xbc bbc"]);
    expect(choice.reasons.passed).toBe(1);
    expectSameTokens(shrunk(files, ["abc", "bbc"]), ["abc", "bbc"], []);
  });

  test("has the tokens that merges pass through, and only merges that can be reached", () => {
    const files = bytePairFiles([
      ["a", "b"],
      ["c", "d"],
      ["ab", "cd"],
      ["b", "c"],
      ["bc", "d"],
      ["a", "bcd"],
    ]);
    const result = shrunk(files, ["abcd"]);
    expect(result.choice.reasons).toEqual({ special: 5, character: 256, used: 1, passed: 2 });
    const text = new TextDecoder().decode(result.files.get("merges.txt"));
    expect(text).toBe("#version: 0.2\na b\nc d\nab cd\n");
  });
});
