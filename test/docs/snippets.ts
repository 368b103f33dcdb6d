/** Finds the code that the documentation shows: fences in TSDoc comments and in Markdown. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { readSourceFiles, SOURCE_ROOT } from "../architecture/import-graph.ts";
import { PROJECT_ROOT } from "../packaging/distribution.ts";

/** One code fence: a program of its own that checks what it shows. */
export interface Snippet {
  /** Where it begins, such as `docs/architecture.md:40`. */
  readonly origin: string;
  readonly language: string;
  readonly code: string;
}

/** All fences of a Markdown text; `firstLine` is the number of its first line. */
export function findFences(text: string, file: string, firstLine: number = 1): Snippet[] {
  const snippets: Snippet[] = [];
  let open: { language: string; start: number } | undefined;
  const lines = text.split("\n");
  lines.forEach((line, index) => {
    const fence = /^\s*```(\S*)/.exec(line);
    if (fence === null) return;
    if (open === undefined) {
      open = { language: fence[1] ?? "", start: index };
      return;
    }
    const code = lines.slice(open.start + 1, index).join("\n");
    const origin = `${file}:${firstLine + open.start}`;
    snippets.push({ origin, language: open.language, code: `${code}\n` });
    open = undefined;
  });
  if (open !== undefined)
    throw new Error(`${file}:${firstLine + open.start}: the fence never ends`);
  return snippets;
}

/** The documentation comments of a source text, without their stars; the line is that of the opening. */
export function findComments(text: string): { text: string; line: number }[] {
  return [...text.matchAll(/^[ \t]*\/\*\*([\s\S]*?)\*\//gm)].map((comment) => ({
    text: (comment[1] ?? "").replace(/^[ \t]*\* ?/gm, ""),
    line: text.slice(0, comment.index).split("\n").length,
  }));
}

/** The `@example` blocks in the comments of all sources. */
export function sourceSnippets(): Snippet[] {
  return readSourceFiles().flatMap(({ path }) =>
    findComments(readFileSync(join(SOURCE_ROOT, path), "utf8")).flatMap(({ text, line }) => {
      const start = text.indexOf("@example");
      if (start < 0) return [];
      const above = text.slice(0, start).split("\n").length - 1;
      return findFences(text.slice(start), `src/${path}`, line + above);
    }),
  );
}

/** The fences of the project's Markdown documents. */
export function markdownSnippets(): Snippet[] {
  const documents = readdirSync(join(PROJECT_ROOT, "docs"))
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name}`);
  return ["README.md", "CONTRIBUTING.md", ...documents].flatMap((path) =>
    findFences(readFileSync(join(PROJECT_ROOT, path), "utf8"), path),
  );
}

/** Whether a fence is a program to run. */
export function isProgram({ language }: Snippet): boolean {
  return ["ts", "js", "typescript", "javascript"].includes(language);
}

/** The files that a Markdown text links, without anchors; links to other hosts are left out. */
export function linksOf(text: string): string[] {
  return [...text.matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)]
    .map(([, link]) => link ?? "")
    .filter((link) => !/^[a-z]+:/.test(link));
}
