import { join } from "node:path";
import ts from "typescript";
import { describe, expect, it } from "vitest";
import { ENTRY_STEMS, PROJECT_ROOT } from "../packaging/distribution.ts";
import { isProgram, markdownSnippets, sourceSnippets } from "./snippets.ts";

/** Entries whose functions people call from their own programs: some example uses each of them. */
const WITH_EXAMPLES = [
  "index",
  "nn",
  "sparse",
  "io",
  "checkpoint",
  "calibrate",
  "classifier",
  "runtime",
  "node",
];

const stems = Object.values(ENTRY_STEMS);
const paths = new Map(stems.map((stem) => [stem, join(PROJECT_ROOT, "src", `${stem}.ts`)]));
const configuration = ts.readConfigFile(join(PROJECT_ROOT, "tsconfig.json"), ts.sys.readFile);
const { options } = ts.parseJsonConfigFileContent(configuration.config, ts.sys, PROJECT_ROOT);
const program = ts.createProgram([...paths.values()], options);
const checker = program.getTypeChecker();

/** One name that an entry exports, with the symbol that it stands for. */
interface Exported {
  readonly name: string;
  readonly symbol: ts.Symbol;
}

function exportsOf(stem: string): Exported[] {
  const file = program.getSourceFile(paths.get(stem) ?? "");
  const module = file === undefined ? undefined : checker.getSymbolAtLocation(file);
  if (module === undefined) throw new Error(`src/${stem}.ts: expected a module`);
  return checker.getExportsOfModule(module).map((symbol) => ({
    name: symbol.getName(),
    symbol: symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol,
  }));
}

/** `name (file)`, to find the item by. */
function where({ name, symbol }: Exported): string {
  const file = symbol.declarations?.[0]?.getSourceFile().fileName ?? "?";
  return `${name} (${file.slice(PROJECT_ROOT.length)})`;
}

function isDocumented({ symbol }: Exported): boolean {
  return symbol.getDocumentationComment(checker).length > 0;
}

/** Every name that some executed example imports. */
function namesInExamples(): Set<string> {
  const names = new Set<string>();
  for (const { code } of [...sourceSnippets(), ...markdownSnippets()].filter(isProgram)) {
    for (const [, list] of code.matchAll(/import\s*\{([^}]*)\}\s*from\s*"espalier/g)) {
      for (const item of (list ?? "").split(",")) names.add(item.replace(/^\s*type\s/, "").trim());
    }
  }
  return names;
}

const shown = namesInExamples();

describe.each(stems)("the entry src/%s.ts", (stem) => {
  const exported = exportsOf(stem);

  it("exports something", () => {
    expect(exported).not.toEqual([]);
  });

  it("documents every export", () => {
    expect(exported.filter((item) => !isDocumented(item)).map(where)).toEqual([]);
  });

  if (!WITH_EXAMPLES.includes(stem)) return;
  it("uses every function in an example", () => {
    const functions = exported.filter(({ symbol }) => symbol.flags & ts.SymbolFlags.Function);
    expect(functions.filter(({ name }) => !shown.has(name)).map(where)).toEqual([]);
  });
});
