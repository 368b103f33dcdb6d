import { expect, test } from "vitest";
import { formatProblem, isLeft } from "../../src/core/either.ts";
import { parseJsonFile } from "../../src/io/json-file.ts";

function read(text: string): unknown {
  const parsed = parseJsonFile("w.json", text);
  return isLeft(parsed) ? parsed.left.map(formatProblem) : parsed.right;
}

test("problems have the line and the column", () => {
  expect(read('{\n  "good": 1,\n  "bad" 2\n}')).toEqual(['w.json:3:9: expected JSON, got "2"']);
  expect(read("[1, 2,, 3]")).toEqual(['w.json:1:7: expected JSON, got ","']);
  expect(read("[1, 2")).toEqual(["w.json:1:6: expected JSON, got end of file"]);
  expect(read("")).toEqual(["w.json:1:1: expected JSON, got end of file"]);
  expect(read('{"good": 1, "good": 2}')).toEqual([
    'w.json: expected every name once in its object, got "good" twice',
  ]);
  expect(read("[1, 2]")).toEqual([1, 2]);
});
