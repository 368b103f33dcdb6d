import { beforeAll, describe, expect, it } from "vitest";
import { builtNames, ENTRY_STEMS, reachedFrom, readBuilt, requireBuild } from "./distribution.ts";
import { minifiedSize } from "./minified.ts";

/** Code made from strings, which a content security policy without 'unsafe-eval' refuses. */
const CODE_FROM_STRINGS = /\bnew Function\b|\bFunction\s*\(|\beval\s*\(/;
/** The entries that run anywhere: pages, workers, edge runtimes. */
const PORTABLE = [
  "espalier",
  "espalier/nn",
  "espalier/sparse",
  "espalier/io",
  "espalier/checkpoint",
  "espalier/calibrate",
  "espalier/classifier",
  "espalier/runtime",
];

beforeAll(requireBuild);

describe.each(PORTABLE)("the bundle of %s", (entry) => {
  const stem = ENTRY_STEMS[entry] as string;

  it.each([`${stem}.js`, `${stem}.cjs`])("%s makes no code from strings", (name) => {
    const offenders = reachedFrom(name).filter(({ text }) => CODE_FROM_STRINGS.test(text));
    expect(offenders.map((file) => file.name)).toEqual([]);
  });

  it.each([`${stem}.js`, `${stem}.cjs`])("%s imports nothing from outside the package", (name) => {
    const outside = reachedFrom(name)
      .flatMap((file) => file.specifiers)
      .filter((specifier) => !specifier.startsWith("."));
    expect(outside).toEqual([]);
  });
});

describe("the script of a Web Worker", () => {
  it("is one file, which makes no code from strings", () => {
    const { text, specifiers } = readBuilt("worker.js");
    expect(specifiers).toEqual([]);
    expect(text).not.toMatch(CODE_FROM_STRINGS);
  });
});

describe("the pruning core", () => {
  it("contains no WebAssembly", () => {
    const offenders = reachedFrom("index.js").filter(({ text }) => text.includes("WebAssembly"));
    expect(offenders.map((file) => file.name)).toEqual([]);
  });

  // Bytes, minified and compressed. docs/decisions.md states them; raise a bound only with a reason.
  it.each([
    ["all of it", `export * from "espalier";`, 20_040],
    ["pruning once", `export { pruneOnce } from "espalier";`, 17_610],
    [
      "the reducer",
      `export { initialisePruning, createPruningScratch, onStepBeginInto } from "espalier";
       export { onBeforeOptimizerStepInto, onAfterOptimizerStepInto } from "espalier";`,
      16_200,
    ],
  ])("stays small enough to embed: %s", async (_, program, most) => {
    const size = await minifiedSize(program);
    expect(size).toBeGreaterThan(5_000);
    expect(size).toBeLessThan(most);
  });
});

describe("the remaining entries", () => {
  it.each(["reference.js", "reference.cjs"])("%s bundles what it uses", (name) => {
    const outside = reachedFrom(name)
      .flatMap((file) => file.specifiers)
      .filter((specifier) => !specifier.startsWith("."));
    expect(outside).toEqual([]);
  });

  it.each(["node.js", "node.cjs", "cli.js"])("%s imports Node's own modules at most", (name) => {
    const outside = reachedFrom(name)
      .flatMap((file) => file.specifiers)
      .filter((specifier) => !specifier.startsWith(".") && !specifier.startsWith("node:"));
    expect(outside).toEqual([]);
  });
});

describe("the declarations", () => {
  it("name no package that a user would have to install", () => {
    const outside = builtNames(".d.ts", ".d.cts").flatMap((name) =>
      readBuilt(name)
        .specifiers.filter((specifier) => !/^(\.|node:)/.test(specifier))
        .map((specifier) => `${name}: ${specifier}`),
    );
    expect(outside).toEqual([]);
  });

  it("need Node's types for espalier/node alone", () => {
    const portable = Object.entries(ENTRY_STEMS).filter(([entry]) => entry !== "espalier/node");
    const offenders = portable.flatMap(([, stem]) =>
      reachedFrom(`${stem}.d.ts`)
        .filter(({ text }) => /from ['"]node:|\bBuffer\b|\bNodeJS\./.test(text))
        .map(({ name }) => name),
    );
    expect(offenders).toEqual([]);
  });
});
