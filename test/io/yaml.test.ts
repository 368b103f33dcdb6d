import fc from "fast-check";
import { expect, test } from "vitest";
import { getOrThrow, InputError, isLeft, isRight } from "../../src/core/either.ts";
import { parseYaml } from "../../src/io/yaml.ts";

test("JSON is read as it is", () => {
  fc.assert(
    fc.property(fc.jsonValue({ noUnicodeString: false }), (value) => {
      const text = JSON.stringify(value);
      expect(getOrThrow(parseYaml("x", text))).toEqual(JSON.parse(text));
    }),
    { numRuns: 200 },
  );
});

test("an N:M pattern is text without quotes, too", () => {
  expect(getOrThrow(parseYaml("x", "pattern: 2:4\nop_names: [.*query]"))).toEqual({
    pattern: "2:4",
    op_names: [".*query"],
  });
});

test("every syntax error is stated with its place", () => {
  const result = parseYaml("file.yaml", "a: [1\nb: 1\nb: 2\n");
  if (isRight(result)) throw new Error("expected problems");
  expect(result.left.length).toBeGreaterThan(0);
  for (const { path, expected, got } of result.left) {
    expect(path).toMatch(/^file\.yaml:\d+:\d+$/);
    expect(expected).toBe("JSON or YAML");
    expect(got).not.toMatch(/\n/);
  }
  expect(isLeft(parseYaml("file.yaml", "b: 1\nb: 2\n"))).toBe(true);
  expect(() => getOrThrow(parseYaml("file.yaml", "{"))).toThrow(InputError);
  expect(() => parseYaml("file.yaml", 1 as never)).toThrow(TypeError);
});

test("aliases that would multiply are refused", () => {
  const levels = Array.from(
    { length: 9 },
    (_, i) => `a${i + 1}: &a${i + 1} [${`*a${i},`.repeat(9)}]`,
  );
  const result = parseYaml("bomb.yaml", ["a0: &a0 [x]", ...levels].join("\n"));
  expect(isLeft(result)).toBe(true);
});

test("a key that is no text, and lists too deep to read, are refused", () => {
  expect(isLeft(parseYaml("file.yaml", "? [a, b]\n: c\n"))).toBe(true);
  expect(isLeft(parseYaml("file.yaml", "{{a: 1}: 2}"))).toBe(true);
  expect(getOrThrow(parseYaml("file.yaml", "1: one"))).toEqual({ 1: "one" });
  expect(isLeft(parseYaml("file.yaml", `${"[".repeat(50_000)}${"]".repeat(50_000)}`))).toBe(true);
});
