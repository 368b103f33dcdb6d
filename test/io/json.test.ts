import fc from "fast-check";
import { expect, test } from "vitest";
import { isLeft, isRight, right } from "../../src/core/either.ts";
import { formatPythonJson } from "../../src/io/hugging-face-writer.ts";
import {
  JSON_MAX_DEPTH,
  parseJson,
  parseJsonObject,
  parsePythonJsonObject,
} from "../../src/io/json.ts";

test("JSON without duplicates parses as JSON.parse parses it", () => {
  fc.assert(
    fc.property(fc.json({ maxDepth: 6 }), (text) => {
      expect(parseJson("x", text)).toEqual(right(JSON.parse(text)));
    }),
  );
});

test("any other text is refused as JSON.parse refuses it, without throwing", () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...'{}[]":,\\1 ntruefalse') }), (text) => {
      let valid = true;
      try {
        JSON.parse(text);
      } catch {
        valid = false;
      }
      const parsed = parseJson("x", text);
      if (!valid) expect(isLeft(parsed)).toBe(true);
      else if (isLeft(parsed)) expect(parsed.left[0]?.expected).toMatch(/once/);
    }),
    { numRuns: 2000 },
  );
});

test.each([
  ['{"a":1,"a":2}', '"a" twice'],
  ['{"a":1,"\\u0061" : 2}', '"\\u0061" twice'],
  ['[{"b":{"a":1},"c":[{"a":1,"x":"a","a":0}]}]', '"a" twice'],
  ['{"__proto__":1,"__proto__":2}', '"__proto__" twice'],
])("%s: duplicate names are refused", (text, got) => {
  expect(parseJson("f.json", text)).toMatchObject({ left: [{ path: "f.json", got }] });
});

test.each([
  '{"a":{"a":{"a":1}}}',
  '[{"a":1},{"a":1}]',
  '{"a":"a","b":"a"}',
  '{"a":"\\"a\\":","b":"{\\"b\\":"}',
])("%s: equal names in different objects, or in values, are not duplicates", (text) => {
  expect(parseJson("x", text)).toEqual(right(JSON.parse(text)));
});

test("a name called __proto__ is a plain member", () => {
  const parsed = parseJson("x", '{"__proto__":{"polluted":true}}');
  if (isLeft(parsed)) throw new Error("expected it to parse");
  expect(Object.keys(parsed.right as object)).toEqual(["__proto__"]);
  expect(({} as Record<string, unknown>).polluted).toBeUndefined();
});

test("nesting is bounded", () => {
  const nested = (depth: number): string => "[".repeat(depth) + "]".repeat(depth);
  expect(isRight(parseJson("x", nested(JSON_MAX_DEPTH)))).toBe(true);
  expect(isLeft(parseJson("x", nested(JSON_MAX_DEPTH + 1)))).toBe(true);
  expect(parseJson("x", nested(1).replace("[", '["[[[\\"[[[",'))).toMatchObject({
    left: [{ expected: "JSON" }],
  });
  expect(parseJson("x", "[".repeat(1_000_000))).toMatchObject({ left: [{ got: "1000000" }] });
});

test("bytes must be UTF-8 and hold an object; a byte-order mark is allowed", () => {
  const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
  expect(parseJsonObject("x", bytes('\ufeff{"a":1}'))).toEqual(right({ a: 1 }));
  expect(isLeft(parseJsonObject("x", bytes("[1]")))).toBe(true);
  expect(parseJsonObject("x", Uint8Array.of(0x7b, 0xff, 0x7d))).toMatchObject({
    left: [{ path: "x", expected: "UTF-8 text" }],
  });
});

test("Python's form: names sorted at every depth, two blanks, ASCII, a final newline", () => {
  const text = formatPythonJson({ b: [1, { z: 1e-12, y: "é😀\x7f" }], a: {}, c: [] });
  expect(text).toBe(
    `{
  "a": {},
  "b": [
    1,
    {
      "y": "\\u00e9\\ud83d\\ude00\\u007f",
      "z": 1e-12
    }
  ],
  "c": []
}
`,
  );
});

test("long strings, ended or not, take one pass", () => {
  const megabytes = '\\"'.repeat(4_000_000);
  expect(isLeft(parseJson("x", `"${megabytes}`))).toBe(true);
  expect(isRight(parseJson("x", `{"${megabytes}":"${megabytes}"}`))).toBe(true);
});

test("Python's names of numbers are numbers outside strings; strict JSON refuses them", () => {
  const text = '{"limit": [0.0, Infinity, -Infinity], "x": NaN, "NaN": "Infinity, \\"NaN"}';
  const bytes = new TextEncoder().encode(text);
  expect(parsePythonJsonObject("x", bytes)).toEqual(
    right({
      limit: [0, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY],
      x: null,
      NaN: 'Infinity, "NaN',
    }),
  );
  expect(isLeft(parseJsonObject("x", bytes))).toBe(true);
});
