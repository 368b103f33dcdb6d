/** Comments and documents are plain technical English: some words that read as translated are rejected. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { isGenerated } from "../architecture/import-graph.ts";
import { PROJECT_ROOT } from "../packaging/distribution.ts";
import { commentLines, type Line, proseLines } from "./prose.ts";

/** Rejected words with the plain ones. */
const REJECTED: readonly (readonly [RegExp, string])[] = [
  [/\banew\b/i, "again"],
  [/\bturned around\b/i, "transposed, reversed"],
  [/\bthreads in all\b/i, "threads"],
  [/(?<!\bthere )\bis no (?!longer\b|more\b|less\b|worse\b|better\b)/i, "is not a, invalid"],
  [/(?<!\bthere )\b(?:is|are) none\b/i, "is not one, invalid"],
  [/\bnone (?:that|which|who) (?:is|are|was|were)\b/i, "a ... that is not"],
  [/\bnone of (?:whose|which)\b/i, "without"],
];

/** "where" in the sense of "if" or "when": before a pronoun or another word that starts a condition. */
const CONDITION =
  /\bwhere (?:it|they|there|one|ones|that|this|these|those|all|any|both|each|either|neither|no|none|nothing|some|such|only|needed|possible|given|asked)\b/i;
/** Phrases in which such a "where" is a place. */
const PLACES = [
  "where each element lies",
  "where it begins",
  "where it comes from",
  "where it goes",
  "where it lies",
  "where it stands",
  "where they come from",
];

function isConditional(text: string): boolean {
  const rest = PLACES.reduce((all, place) => all.replaceAll(place, ""), text.toLowerCase());
  return CONDITION.test(rest);
}

/** TypeScript files below a folder of the project. */
function sources(folder: string): readonly string[] {
  return readdirSync(join(PROJECT_ROOT, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts") && !isGenerated(name) && !name.includes("node_modules"))
    .map((name) => `${folder}/${name}`)
    .sort();
}

function read(path: string): string {
  return readFileSync(join(PROJECT_ROOT, path), "utf8");
}

const DOCUMENTS = [
  "README.md",
  "CONTRIBUTING.md",
  "CHANGELOG.md",
  ...readdirSync(join(PROJECT_ROOT, "docs"))
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name}`),
];
const comments = ["src", "bench", "scripts"].flatMap((folder) =>
  sources(folder).flatMap((path) => commentLines(read(path), path)),
);
const prose = DOCUMENTS.flatMap((path) => proseLines(read(path), path));

function offences(lines: readonly Line[], matches: (text: string) => boolean): string[] {
  return lines.filter(({ text }) => matches(text)).map(({ place, text }) => `${place}: ${text}`);
}

describe.each([
  ["comments", comments],
  ["documents", prose],
] as const)("%s", (_, lines) => {
  test.each(REJECTED)("avoid %s (instead: %s)", (word) => {
    expect(offences(lines, (text) => word.test(text))).toEqual([]);
  });

  test('use "where" for places, not for conditions', () => {
    expect(offences(lines, isConditional)).toEqual([]);
  });
});

test('few comment lines have a "where"', () => {
  const lines = comments.filter(({ text }) => /\bwhere\b/i.test(text));
  const share = lines.length / comments.length;
  expect(share, `${lines.length} of ${comments.length} lines`).toBeLessThanOrEqual(0.01);
});

describe("the rules", () => {
  test.each([
    "Undefined where there is none that is open.",
    "Computed anew where it is needed.",
    "A file that is no text",
    "layers none of whose blocks is kept",
  ])("reject: %s", (text) => {
    expect(isConditional(text) || REJECTED.some(([word]) => word.test(text))).toBe(true);
  });

  test.each([
    "The byte where it begins.",
    "There is no cache, and it is no longer needed.",
    "Places where values differ",
  ])("accept: %s", (text) => {
    expect(isConditional(text) || REJECTED.some(([word]) => word.test(text))).toBe(false);
  });
});
