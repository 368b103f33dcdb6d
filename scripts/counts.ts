/**
 * Counts figures of the sources that should stay small. `npx tsx scripts/counts.ts [DIRECTORY]...` prints one column
 * for each checkout.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import ts from "typescript";
import { countNames, readSurface } from "./surface.ts";

/** A source file below src/. */
interface Source {
  /** Relative to src/. */
  readonly path: string;
  readonly text: string;
  readonly syntax: ts.SourceFile;
}

const CRITERIA = ["magnitude", "gradient", "snip", "snip_momentum"];
const NODE_GLOBALS = ["process", "Buffer", "setImmediate", "require", "__dirname", "NodeJS"];

function readSources(root: string): readonly Source[] {
  const folder = join(root, "src");
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".ts"))
    .map((path) => {
      const text = readFileSync(join(folder, path), "utf8");
      return { path, text, syntax: ts.createSourceFile(path, text, ts.ScriptTarget.ES2022, true) };
    });
}

/** How many nodes of the sources satisfy `matches`. */
function countNodes(sources: readonly Source[], matches: (node: ts.Node) => boolean): number {
  let count = 0;
  const visit = (node: ts.Node): void => {
    if (matches(node)) count++;
    ts.forEachChild(node, visit);
  };
  for (const { syntax } of sources) visit(syntax);
  return count;
}

function isIdentifier(name: string): (node: ts.Node) => boolean {
  return (node) => ts.isIdentifier(node) && node.text === name;
}

function isStrictParameter(node: ts.Node): boolean {
  return (
    ts.isParameter(node) &&
    isIdentifier("strict")(node.name) &&
    node.type?.kind === ts.SyntaxKind.BooleanKeyword
  );
}

/** Whether code that runs in `source` names a module or a global of Node. */
function usesNode(source: Source): boolean {
  const nodes = countNodes(
    [source],
    (node) =>
      (ts.isStringLiteral(node) && node.text.startsWith("node:")) ||
      (ts.isIdentifier(node) && NODE_GLOBALS.includes(node.text)),
  );
  return nodes > 0;
}

/** Whether a node states the names of all criteria: as a list, a union or the keys of a table. */
function listsCriteria(node: ts.Node): boolean {
  const parts = ts.isArrayLiteralExpression(node)
    ? node.elements
    : ts.isUnionTypeNode(node)
      ? node.types.map((type) => (ts.isLiteralTypeNode(type) ? type.literal : type))
      : ts.isObjectLiteralExpression(node)
        ? node.properties.flatMap(({ name }) => name ?? [])
        : [];
  const names = parts.map((part) =>
    ts.isStringLiteral(part) || ts.isIdentifier(part) ? part.text : "",
  );
  return CRITERIA.every((criterion) => names.includes(criterion));
}

function words(root: string, name: string): number {
  return readFileSync(join(root, name), "utf8").split(/\s+/).filter(Boolean).length;
}

function counts(root: string): Readonly<Record<string, number>> {
  const sources = readSources(root);
  const inFolder = (folder: string) => sources.filter(({ path }) => path.startsWith(`${folder}/`));
  return {
    "parameters `strict: boolean`": countNodes(sources, isStrictParameter),
    "uses of `Mutable`": countNodes(sources, isIdentifier("Mutable")),
    "`_tag` outside the Either module": countNodes(
      sources.filter(({ path }) => path !== "core/either.ts"),
      isIdentifier("_tag"),
    ),
    "files of node/ without Node": inFolder("node").filter(
      (source) => !source.path.endsWith(".generated.ts") && !usesNode(source),
    ).length,
    "files of prune/ that list criteria": inFolder("prune").filter(
      (source) => countNodes([source], listsCriteria) > 0,
    ).length,
    "public names": countNames(readSurface(root).entries),
    "lines of src/": sources.reduce((sum, { text }) => sum + text.split("\n").length - 1, 0),
    "words of README.md": words(root, "README.md"),
    "words of docs/performance.md": words(root, join("docs", "performance.md")),
  };
}

const roots = process.argv.length > 2 ? process.argv.slice(2) : ["."];
const missing = roots.find((root) => !existsSync(join(root, "src")));
if (missing !== undefined) throw new Error(`${missing}: expected a checkout with a folder src/`);
const columns = roots.map((root) => counts(resolve(root)));
for (const name of Object.keys(columns[0] ?? {}))
  console.log(
    `${name.padEnd(36)}${columns.map((column) => String(column[name]).padStart(8)).join("")}`,
  );
