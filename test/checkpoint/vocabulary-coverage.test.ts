import { expect, test } from "vitest";
import { measureCoverage, replacementOf } from "../../src/checkpoint/vocabulary-coverage.ts";
import { shrinkableModel } from "../../src/checkpoint/vocabulary-model.ts";
import { getOrThrow } from "../../src/core/either.ts";
import { shrunk, wordPieceFiles } from "./vocabularies.ts";

const pieces = ["tree", "##s", "t", "##r", "##e", "wall", "oak", "o", "##ak"];
const { before, after, choice } = shrunk(wordPieceFiles(pieces), ["trees oak"]);
const change = {
  before,
  beforeModel: getOrThrow(shrinkableModel("", before)),
  after,
  afterModel: getOrThrow(shrinkableModel("", after)),
  newIds: choice.newIds,
};

test("measureCoverage counts rows and tokens with the same ids, and unknown tokens", () => {
  const { add, coverage, removed } = measureCoverage(change);
  add(["trees", "oak oak"]);
  add(["a tree", "wall wall trees"]);
  expect(coverage()).toEqual({
    ...{ rows: 2, sameRows: 1 },
    // The unknown "a" stays unknown. "trees" has two tokens.
    ...{ tokens: 10, sameTokens: 8 },
    ...{ unknownBefore: 1, unknownAfter: 3 },
  });
  const wall = before.vocabulary.ids.get("wall") ?? -1;
  expect([...removed]).toEqual([[wall, 2]]);
});

test("replacementOf divides a removed token, or says that it is unknown", () => {
  expect(replacementOf(change, "wall")).toBeNull();
  expect(replacementOf(change, "##ak")).toBeNull();
  expect(replacementOf(change, "tre")).toEqual(["t", "##r", "##e"]);
});
