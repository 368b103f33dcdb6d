import fc from "fast-check";
import { expect, test } from "vitest";
import {
  createValueScanner,
  jsonErrorIndex,
  jsonParts,
} from "../../../src/io/rows/json-members.ts";

const texts = fc.json({ noUnicodeString: false, maxDepth: 3 });

test("members and elements are those of JSON.parse", () => {
  fc.assert(
    fc.property(
      fc.dictionary(fc.string({ unit: "binary" }), fc.jsonValue()),
      fc.nat(2),
      (object, indent) => {
        const parts = jsonParts(JSON.stringify(object, null, indent));
        const values = parts.map(({ name, text }) => [name, JSON.parse(text)]);
        expect(values).toEqual(Object.entries(JSON.parse(JSON.stringify(object))));
        const list = Object.values(object);
        const elements = jsonParts(JSON.stringify(list, null, indent)).map(({ text }) => text);
        expect(elements.map((text) => JSON.parse(text))).toEqual(JSON.parse(JSON.stringify(list)));
      },
    ),
  );
});

test("values are as written, and a name twice is listed twice", () => {
  expect(jsonParts('{ "a" : 1.50 , "a":[1e0, {}] }')).toEqual([
    { name: "a", text: "1.50" },
    { name: "a", text: "[1e0, {}]" },
  ]);
  expect(jsonParts(" [ ] ")).toEqual([]);
  expect(jsonParts("{}")).toEqual([]);
});

test("a scanner finds the end of a value, in any pieces", () => {
  fc.assert(
    fc.property(texts, fc.nat(), (json, place) => {
      const scanner = createValueScanner(0);
      const whole = `${json},`;
      const cut = place % whole.length;
      const early = scanner.resume(whole.slice(0, cut), false);
      expect(early ?? scanner.resume(whole, false)).toBe(json.length);
    }),
  );
});

test("an error is found exactly in texts that JSON.parse refuses", () => {
  const damaged = fc.tuple(
    texts,
    fc.nat(),
    fc.constantFrom("", ",", "]", '"', "x", "\n", "{", ":"),
  );
  fc.assert(
    fc.property(damaged, ([json, place, insert]) => {
      const at = place % (json.length + 1);
      const text = json.slice(0, at) + insert + json.slice(insert === "" ? at + 1 : at);
      let isValid = true;
      try {
        JSON.parse(text);
      } catch {
        isValid = false;
      }
      const index = jsonErrorIndex(text);
      if (isValid) expect(index).toBe(text.length);
      else expect(index).toBeLessThanOrEqual(text.length);
    }),
    { numRuns: 1000 },
  );
});

test("errors have their places", () => {
  const errors: readonly (readonly [string, number])[] = [
    ['{"a": 1 "b": 2}', 8],
    ['{"a": 1,}', 8],
    ["[1, NaN]", 4],
    ['["a\nb"]', 3],
    ['["a', 1],
    ['["\\x"]', 2],
    ['{"a" 1}', 5],
    ["[1, 2", 5],
    ["[01]", 2],
    ["{1: 2}", 1],
  ];
  for (const [text, index] of errors) expect([text, jsonErrorIndex(text)]).toEqual([text, index]);
});
