import fc from "fast-check";
import { expect, test } from "vitest";
import { JSON_MAX_DEPTH, parseJson, parseJsonObject } from "../../src/io/json.ts";
import { formatPythonJson } from "../../src/io/python-json.ts";

test("JSON without duplicates parses as JSON.parse parses it", () => {
  fc.assert(
    fc.property(fc.json({ maxDepth: 6 }), (text) => {
      expect(parseJson("x", text)).toEqual({ _tag: "Right", right: JSON.parse(text) });
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
      if (!valid) expect(parsed._tag).toBe("Left");
      else if (parsed._tag === "Left") expect(parsed.left[0]?.expected).toMatch(/once/);
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
  expect(parseJson("x", text)).toEqual({ _tag: "Right", right: JSON.parse(text) });
});

test("a name called __proto__ is a plain member", () => {
  const parsed = parseJson("x", '{"__proto__":{"polluted":true}}');
  if (parsed._tag === "Left") throw new Error("expected it to parse");
  expect(Object.keys(parsed.right as object)).toEqual(["__proto__"]);
  expect(({} as Record<string, unknown>).polluted).toBeUndefined();
});

test("nesting is bounded", () => {
  const nested = (depth: number): string => "[".repeat(depth) + "]".repeat(depth);
  expect(parseJson("x", nested(JSON_MAX_DEPTH))._tag).toBe("Right");
  expect(parseJson("x", nested(JSON_MAX_DEPTH + 1))._tag).toBe("Left");
  expect(parseJson("x", nested(1).replace("[", '["[[[\\"[[[",'))).toMatchObject({
    left: [{ expected: "JSON" }],
  });
  expect(parseJson("x", "[".repeat(1_000_000))).toMatchObject({ left: [{ got: "1000000" }] });
});

test("bytes must be UTF-8 and hold an object; a byte-order mark is allowed", () => {
  const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
  expect(parseJsonObject("x", bytes('\ufeff{"a":1}'))).toEqual({ _tag: "Right", right: { a: 1 } });
  expect(parseJsonObject("x", bytes("[1]"))._tag).toBe("Left");
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
  expect(parseJson("x", `"${megabytes}`)._tag).toBe("Left");
  expect(parseJson("x", `{"${megabytes}":"${megabytes}"}`)._tag).toBe("Right");
});
