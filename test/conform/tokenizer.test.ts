import { expect, test } from "vitest";
import { replayTokenizer } from "../../src/conform/tokenizer.ts";
import { countVerdicts, type Verdict } from "../../src/conform/verdict.ts";
import { createTokenizer } from "../../src/io/tokenizer.ts";
import { readSharedFile, readVectorFile } from "../io/sources.ts";
import { needing } from "../needs.ts";

const tokenizer = createTokenizer(readVectorFile("vocab.txt"));
const cases = readVectorFile("cases.jsonl");

function replay(text: string): readonly Verdict[] {
  return replayTokenizer("cases.jsonl", text, tokenizer);
}

test("the project's own vectors pass", () => {
  const verdicts = replay(cases);
  expect(verdicts.filter(({ passed }) => !passed)).toEqual([]);
  expect(verdicts).toHaveLength(cases.trimEnd().split("\n").length);
});

test(needing("shared data", "the original tokenizer's vectors pass"), ({ skip }) => {
  const golden = readSharedFile("ESPALIER_GOLDEN", "tokenizer/cases.jsonl");
  const vocabulary = readSharedFile("ESPALIER_DATA", "bert-uncased/vocab.txt");
  if (golden === undefined || vocabulary === undefined) return skip();
  const verdicts = replayTokenizer("cases.jsonl", golden, createTokenizer(vocabulary));
  expect(verdicts.filter(({ passed }) => !passed)).toEqual([]);
  expect(countVerdicts(verdicts).passed).toBe(410);
});

test("an altered id, type or length fails, and says where", () => {
  const line = JSON.parse(cases.split("\n")[0] as string);
  const altered = (change: object): string | undefined =>
    replay(JSON.stringify({ ...line, ...change }))[0]?.detail;
  expect(altered({})).toBeUndefined();
  expect(altered({ input_ids: line.input_ids.with(2, 999) })).toMatch(
    /^input_ids\[2\]: expected 999, got \d+$/,
  );
  expect(altered({ input_ids: line.input_ids.slice(1) })).toMatch(/^input_ids\[0\]/);
  expect(altered({ input_ids: line.input_ids.slice(0, -1) })).toMatch(
    /^input_ids length: expected 10, got 11$/,
  );
  expect(altered({ token_type_ids: line.token_type_ids.with(0, 1) })).toBe(
    "token_type_ids[0]: expected 1, got 0",
  );
  expect(altered({ text_pair: "tree" })).toMatch(/^input_ids/);
});

test("a line that is not a case fails by its number, and the others count", () => {
  const [first] = cases.split("\n");
  const verdicts = replay(
    [first, "{", "[]", "", '{"text":1}', '{"text":"a","text_pair":0}', first, ""].join("\n"),
  );
  expect(verdicts.map(({ passed }) => passed)).toEqual([
    true,
    false,
    false,
    false,
    false,
    false,
    true,
  ]);
  expect(verdicts[4]).toMatchObject({
    name: "cases.jsonl:5",
    family: "tokenizer",
    status: "failed",
    detail: "replay: expected no error, got text: expected a string",
  });
  const bad = JSON.stringify({ ...JSON.parse(first as string), max_length: 0 });
  expect(replay(bad)[0]?.detail).toMatch(/maxLength: expected an integer from 1/);
});
