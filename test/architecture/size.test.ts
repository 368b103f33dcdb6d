import ts from "typescript";
import { describe, expect, it } from "vitest";
import { readSourceFiles, type SourceFile } from "./import-graph.ts";

/** One stage, one file: longer ones are split by theme. */
const LONGEST_FILE = 350;
/** A function is read in one look. */
const LONGEST_FUNCTION = 60;

/** Longer functions that no cut makes clearer, each with the reason. */
const ACCEPTED_FUNCTIONS: Readonly<Record<string, string>> = {};

const files = readSourceFiles();

/** The functions of a file with their lengths in lines, signature included, nested ones too. */
function functionLengths(file: SourceFile): { name: string; lines: number }[] {
  const found: { name: string; lines: number }[] = [];
  const lineAt = (position: number): number =>
    file.syntax.getLineAndCharacterOfPosition(position).line;
  const visit = (node: ts.Node): void => {
    if (ts.isFunctionLike(node) && "body" in node && node.body !== undefined) {
      const start = lineAt(node.getStart(file.syntax));
      const name = node.name?.getText(file.syntax) ?? `function in line ${start + 1}`;
      found.push({ name, lines: lineAt(node.end) - start + 1 });
    }
    ts.forEachChild(node, visit);
  };
  visit(file.syntax);
  return found;
}

describe("the sources", () => {
  it(`keep files below ${LONGEST_FILE} lines`, () => {
    const long = files
      .filter(({ lines }) => lines >= LONGEST_FILE)
      .map(({ path, lines }) => `src/${path}: ${lines} lines`);
    expect(long).toEqual([]);
  });

  it(`keep functions at ${LONGEST_FUNCTION} lines or below, but for accepted ones`, () => {
    const long = files.flatMap((file) =>
      functionLengths(file)
        .filter(({ lines }) => lines > LONGEST_FUNCTION)
        .filter(({ name }) => ACCEPTED_FUNCTIONS[`src/${file.path}: ${name}`] === undefined)
        .map(({ name, lines }) => `src/${file.path}: ${name} has ${lines} lines`),
    );
    expect(long).toEqual([]);
  });

  it("say what they are by their names", () => {
    const vague = files
      .map(({ path }) => path)
      .filter((path) => /(^|\/)(utils?|helpers?|common|misc)(\.ts$|\/)/i.test(path));
    expect(vague).toEqual([]);
  });
});
