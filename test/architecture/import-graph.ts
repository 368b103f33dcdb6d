/** The import graph of src/, read from its syntax alone. */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";

/** The folder of the sources. */
export const SOURCE_ROOT: string = fileURLToPath(new URL("../../src", import.meta.url));

/** One import or re-export of a source file. */
export interface ImportEdge {
  /** The specifier as written. */
  readonly specifier: string;
  /** The imported source file, relative to src/ with `/`; undefined for anything outside src/. */
  readonly target: string | undefined;
  /** Whether nothing of it is left at run time. */
  readonly typeOnly: boolean;
  readonly line: number;
}

/** A source file with all its imports. */
export interface SourceFile {
  /** Relative to src/ with `/`, such as `core/checks.ts`. */
  readonly path: string;
  readonly lines: number;
  readonly imports: readonly ImportEdge[];
  readonly syntax: ts.SourceFile;
}

/** The folder of a source file below src/; the empty string for an entry directly in it. */
export function folderOf(path: string): string {
  const slash = path.indexOf("/");
  return slash < 0 ? "" : path.slice(0, slash);
}

function isTypeOnlyImport(clause: ts.ImportClause | undefined): boolean {
  if (clause === undefined) return false;
  if (clause.isTypeOnly) return true;
  const bindings = clause.namedBindings;
  return (
    clause.name === undefined &&
    bindings !== undefined &&
    ts.isNamedImports(bindings) &&
    bindings.elements.length > 0 &&
    bindings.elements.every((element) => element.isTypeOnly)
  );
}

/** The specifier node of an import in any of its forms, and whether it is erased. */
function importOf(node: ts.Node): { specifier: ts.Node; typeOnly: boolean } | undefined {
  if (ts.isImportDeclaration(node)) {
    return { specifier: node.moduleSpecifier, typeOnly: isTypeOnlyImport(node.importClause) };
  }
  if (ts.isExportDeclaration(node) && node.moduleSpecifier !== undefined) {
    return { specifier: node.moduleSpecifier, typeOnly: node.isTypeOnly };
  }
  if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
    const [argument] = node.arguments;
    if (argument !== undefined) return { specifier: argument, typeOnly: false };
  }
  if (ts.isImportTypeNode(node)) return { specifier: node.argument, typeOnly: true };
  return undefined;
}

function specifierText(node: ts.Node): string | undefined {
  if (ts.isStringLiteralLike(node)) return node.text;
  if (ts.isLiteralTypeNode(node) && ts.isStringLiteral(node.literal)) return node.literal.text;
  return undefined;
}

/** The file of src/ that a specifier in another one means, relative to src/. */
function sourceTarget(path: string, specifier: string): string | undefined {
  if (!specifier.startsWith(".")) return undefined;
  const target = relative(SOURCE_ROOT, resolve(SOURCE_ROOT, dirname(path), specifier));
  return target.startsWith("..") ? undefined : target.split(sep).join("/");
}

function readImports(path: string, syntax: ts.SourceFile): ImportEdge[] {
  const edges: ImportEdge[] = [];
  const visit = (node: ts.Node): void => {
    const found = importOf(node);
    const specifier = found === undefined ? undefined : specifierText(found.specifier);
    if (found !== undefined && specifier !== undefined) {
      const target = sourceTarget(path, specifier);
      const line = syntax.getLineAndCharacterOfPosition(node.getStart(syntax)).line + 1;
      edges.push({ specifier, target, typeOnly: found.typeOnly, line });
    }
    ts.forEachChild(node, visit);
  };
  visit(syntax);
  return edges;
}

/** Whether a build step writes the file; such files follow no rule of style. */
export function isGenerated(path: string): boolean {
  return path.endsWith(".generated.ts");
}

/** Reads every TypeScript file below src/, generated ones excepted, in order of their paths. */
export function readSourceFiles(): SourceFile[] {
  return readdirSync(SOURCE_ROOT, { recursive: true, encoding: "utf8" })
    .map((name) => name.split(sep).join("/"))
    .filter((name) => name.endsWith(".ts") && !isGenerated(name))
    .sort()
    .map((path) => {
      const text = readFileSync(join(SOURCE_ROOT, path), "utf8");
      const syntax = ts.createSourceFile(path, text, ts.ScriptTarget.ES2022, true);
      const lines = text.split("\n").length - (text.endsWith("\n") ? 1 : 0);
      return { path, lines, imports: readImports(path, syntax), syntax };
    });
}

/** The first import cycle found among the files, as the paths along it; undefined where there is none. */
export function findCycle(files: readonly SourceFile[]): string[] | undefined {
  const targets = new Map(
    files.map((file) => [file.path, file.imports.flatMap((edge) => edge.target ?? [])]),
  );
  const finished = new Set<string>();
  const trail: string[] = [];
  const visit = (path: string): string[] | undefined => {
    const start = trail.indexOf(path);
    if (start >= 0) return [...trail.slice(start), path];
    if (finished.has(path)) return undefined;
    trail.push(path);
    for (const target of targets.get(path) ?? []) {
      const cycle = visit(target);
      if (cycle !== undefined) return cycle;
    }
    trail.pop();
    finished.add(path);
    return undefined;
  };
  for (const path of targets.keys()) {
    const cycle = visit(path);
    if (cycle !== undefined) return cycle;
  }
  return undefined;
}
