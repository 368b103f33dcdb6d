import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";
import { afterAll, describe, expect, it, vi } from "vitest";
import { PROJECT_ROOT } from "../packaging/distribution.ts";
import {
  findComments,
  findFences,
  isProgram,
  markdownSnippets,
  type Snippet,
  sourceSnippets,
} from "./snippets.ts";

const programs = [...sourceSnippets(), ...markdownSnippets()].filter(isProgram);

// Below the project's root, so that vitest transforms the programs and resolves the package's name.
const runs = join(PROJECT_ROOT, "test", "docs", ".runs");
mkdirSync(runs, { recursive: true });
const folder = mkdtempSync(join(runs, "run-"));
const written = new Map(
  programs.map((snippet) => {
    const path = join(folder, `${snippet.origin.replace(/[^A-Za-z0-9]+/g, "-")}.ts`);
    writeFileSync(path, snippet.code);
    return [path, snippet] as const;
  }),
);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Whether an example notices that it is wrong. */
function checksItself({ code }: Snippet): boolean {
  return /\bassert\b|\bthrow\b/.test(code);
}

/** The compiler's complaints about all examples, compiled against the sources. */
function typeErrors(): string[] {
  const program = ts.createProgram([...written.keys()], {
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.ESNext,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
    moduleDetection: ts.ModuleDetectionKind.Force,
    lib: ["lib.es2023.d.ts", "lib.dom.d.ts"],
    types: ["node"],
    strict: true,
    exactOptionalPropertyTypes: true,
    allowImportingTsExtensions: true,
    skipLibCheck: true,
    noEmit: true,
    paths: {
      espalier: [join(PROJECT_ROOT, "src", "index.ts")],
      "espalier/*": [join(PROJECT_ROOT, "src", "*.ts")],
    },
  });
  return [...written].flatMap(([path, { origin }]) => {
    const file = program.getSourceFile(path);
    const found = [
      ...program.getSyntacticDiagnostics(file),
      ...program.getSemanticDiagnostics(file),
    ];
    return found.map(({ messageText, start }) => {
      const line = file?.getLineAndCharacterOfPosition(start ?? 0).line ?? 0;
      return `${origin}, line ${line + 1}: ${ts.flattenDiagnosticMessageText(messageText, "\n")}`;
    });
  });
}

describe("the documentation's examples", () => {
  it("type-check", () => {
    expect(typeErrors()).toEqual([]);
  });

  it("check what they show", () => {
    const unchecked = programs.filter((snippet) => !checksItself(snippet));
    expect(unchecked.map(({ origin }) => origin)).toEqual([]);
  });

  it.each([...written].map(([path, { origin }]) => ({ origin, path })))(
    "$origin runs",
    async ({ path }) => {
      const assert = vi.spyOn(console, "assert").mockImplementation((condition, ...message) => {
        if (!condition) throw new Error(`assertion failed: ${message.join(" ")}`);
      });
      const log = vi.spyOn(console, "log").mockImplementation(() => undefined);
      try {
        await import(/* @vite-ignore */ path);
      } finally {
        assert.mockRestore();
        log.mockRestore();
      }
    },
  );
});

describe("the finder of fences", () => {
  it("takes each fence with its language and its line", () => {
    const text = "text\n```ts\nlet a = 1;\n```\n\n```sh\nls\n```\n";
    expect(findFences(text, "x.md", 10)).toEqual([
      { origin: "x.md:11", language: "ts", code: "let a = 1;\n" },
      { origin: "x.md:15", language: "sh", code: "ls\n" },
    ]);
  });

  it("takes comments after template literals, without their stars", () => {
    const text = [
      `const a = \`\${b} {\`;`,
      "/** One. */",
      "const c = `}`;",
      "  /**",
      "   * Two.",
      "   */",
    ];
    expect(findComments(text.join("\n"))).toEqual([
      { text: " One. ", line: 2 },
      { text: "\nTwo.\n   ", line: 4 },
    ]);
  });

  it("refuses a fence that never ends", () => {
    expect(() => findFences("```ts\nlet a;", "x.md")).toThrow("x.md:1: the fence never ends");
  });
});
