/** The parts of fast tokenizers beside what `tokenizers` 0.22.2 does. scripts/tokenizer-vectors.py makes the vectors. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { getOrThrow, type Problem } from "../../../src/core/either.ts";
import type { JsonObject } from "../../../src/io/json.ts";
import { decodeFast } from "../../../src/io/tokenizer/decoder.ts";
import { encodeFast } from "../../../src/io/tokenizer/fast-tokenizer.ts";
import { normalize } from "../../../src/io/tokenizer/normalizer.ts";
import { OTHER_PARTS } from "../../../src/io/tokenizer/other-parts.ts";
import { parseNormalizer } from "../../../src/io/tokenizer/parse-normalizer.ts";
import { parsePreTokenizer } from "../../../src/io/tokenizer/parse-pre-tokenizer.ts";
import { preTokenize } from "../../../src/io/tokenizer/pre-tokenizer.ts";
import { readFast } from "../../../src/io/tokenizer/read-fast.ts";

type TokenizerCase = readonly [
  text: string,
  pair: string | null,
  maxLength: number | null,
  side: "left" | "right" | null,
  addSpecialTokens: boolean,
  ids: readonly number[],
  types: readonly number[],
  decoded: string,
];

interface Vectors {
  readonly normalizers: readonly (readonly [JsonObject, readonly (readonly [string, string])[]])[];
  readonly pre_tokenizers: readonly (readonly [
    JsonObject,
    readonly (readonly [string, readonly string[]])[],
  ])[];
  readonly tokenizers: readonly (readonly [JsonObject, readonly TokenizerCase[]])[];
}

const path = process.env.ESPALIER_TOKENIZER_VECTORS ?? new URL("vectors.json", import.meta.url);
const vectors = JSON.parse(readFileSync(path, "utf8")) as Vectors;

/** Parses a part with a parser that collects problems. */
function parsed<T>(
  parse: (fields: {
    readonly path: string;
    readonly json: JsonObject;
    readonly problems: Problem[];
  }) => T,
  json: JsonObject,
): T {
  const problems: Problem[] = [];
  const part = parse({ path: "part", json, problems });
  expect(problems).toEqual([]);
  return part;
}

/** The index of the first code unit from the input, as `preTokenize` wants it. */
function headOf(text: string): number {
  return (text.codePointAt(0) ?? 0) > 0xffff ? 2 : 1;
}

function shown(json: JsonObject): string {
  return JSON.stringify(json).slice(0, 90);
}

describe("normalizers", () => {
  test.each(vectors.normalizers.map(([json, cases]) => [shown(json), json, cases] as const))(
    "%s",
    (_, json, cases) => {
      const normalizer = parsed((fields) => parseNormalizer(fields, OTHER_PARTS), json);
      for (const [text, expected] of cases)
        expect([text, normalize(normalizer, { text, head: 0 }).text]).toEqual([text, expected]);
    },
  );
});

describe("pre-tokenizers", () => {
  test.each(vectors.pre_tokenizers.map(([json, cases]) => [shown(json), json, cases] as const))(
    "%s",
    (_, json, cases) => {
      const preTokenizer = parsed((fields) => parsePreTokenizer(fields, OTHER_PARTS), json);
      for (const [text, expected] of cases) {
        const pieces = preTokenize(preTokenizer, { text, head: headOf(text) });
        expect([text, pieces.map((piece) => piece.text)]).toEqual([text, expected]);
      }
    },
  );
});

describe("tokenizers", () => {
  test.each(
    vectors.tokenizers.map(([json, cases], i) => {
      const { type } = json.model as JsonObject;
      return [i, String(type), json, cases] as const;
    }),
  )("%i: %s", (_, __, json, cases) => {
    const bytes = new TextEncoder().encode(JSON.stringify(json));
    const { pipeline, tokens } = getOrThrow(
      readFast(new Map([["tokenizer.json", bytes]]), OTHER_PARTS),
    );
    for (const [text, pair, maxLength, side, addSpecialTokens, ids, types, decoded] of cases) {
      const own = encodeFast(
        { ...pipeline, truncationSide: side ?? "right" },
        text,
        pair ?? undefined,
        { maxLength: maxLength ?? undefined, addSpecialTokens },
      );
      expect([text, pair, own.inputIds]).toEqual([text, pair, ids]);
      expect([text, pair, own.tokenTypeIds]).toEqual([text, pair, types]);
      const shownTokens = ids.map((id) => tokens[id] ?? "");
      expect([text, decodeFast(pipeline.decoder, shownTokens)]).toEqual([text, decoded]);
    }
  });
});
