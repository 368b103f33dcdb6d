/** The files beside a tokenizer, as transformers 4.57.1 reads them. scripts/tokenizer-settings.py makes the vectors. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { formatProblem, isLeft } from "../../../src/core/either.ts";
import { readHuggingFaceTokenizer, type TokenizerKind } from "../../../src/io/hugging-face.ts";
import { encode } from "../../../src/io/tokenizer.ts";

interface SettingsCase {
  readonly name: string;
  readonly kind: TokenizerKind;
  readonly files: Readonly<Record<string, number>>;
  readonly ids?: readonly (readonly [
    text: string,
    pair: string | null,
    maxLength: number | null,
    ids: readonly number[],
  ])[];
  readonly error?: string;
}

const { contents, cases } = JSON.parse(
  readFileSync(new URL("settings.json", import.meta.url), "utf8"),
) as { readonly contents: readonly string[]; readonly cases: readonly SettingsCase[] };

/** Cases that are refused by name, although transformers reads them. */
const REFUSED: Readonly<Record<string, RegExp>> = {
  "slow, never split": /never_split: expected null or an empty list/,
  "slow, other mask": /mask_token: expected \[MASK\]/,
  "slow, plain class": /tokenizer_class: expected one of/,
  "slow, unknown class": /tokenizer_class: expected one of/,
  "slow, split special": /split_special_tokens: expected false/,
  "fast, unknown class": /tokenizer_class: expected one of/,
};

test.each(cases.map((one, i) => [i, `${one.kind}, ${one.name}`, one] as const))(
  "%i: %s",
  (_, label, { kind, files, ids, error }) => {
    const encoder = new TextEncoder();
    const bytes = Object.entries(files).map(
      ([name, index]) => [name, encoder.encode(contents[index])] as const,
    );
    const read = readHuggingFaceTokenizer(new Map(bytes), kind);
    const refused = REFUSED[label];
    if (refused !== undefined || error !== undefined) {
      expect(isLeft(read) && read.left.map(formatProblem).join("\n")).toMatch(
        refused ?? /expected/,
      );
      return;
    }
    if (isLeft(read)) throw new Error(read.left.map(formatProblem).join("\n"));
    for (const [text, pair, maxLength, expected] of ids ?? []) {
      const own = encode(read.right, text, pair ?? undefined, maxLength ?? undefined);
      expect([text, pair, maxLength, [...own.inputIds]]).toEqual([text, pair, maxLength, expected]);
    }
  },
);
