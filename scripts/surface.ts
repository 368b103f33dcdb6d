/**
 * Counts the public names of the package: values and types of every entry, members of namespaces included.
 * `npm run surface [DIRECTORY]` prints the names of each entry and their total, and fails above the limit.
 */
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import ts from "typescript";

/** Most public names over all entries. */
export const MOST_NAMES = 300;

/** One name that an entry exports, with the symbol that it stands for. */
export interface PublicName {
  /** Members of a namespace are written `namespace.member`. */
  readonly name: string;
  readonly symbol: ts.Symbol;
}

/** An entry of the package. */
export interface Entry {
  /** As in the manifest: `.` or `./nn`. */
  readonly path: string;
  /** The source file, relative to the package's root. */
  readonly source: string;
  readonly names: readonly PublicName[];
}

/** The public names of a package, and the checker that its symbols belong to. */
export interface Surface {
  readonly entries: readonly Entry[];
  readonly checker: ts.TypeChecker;
}

/** The sources of the entries in package.json that have types, by their paths there. */
function entrySources(root: string): readonly (readonly [path: string, source: string])[] {
  const manifest: {
    readonly exports: Readonly<Record<string, string | { readonly import: { types: string } }>>;
  } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  return Object.entries(manifest.exports).flatMap(([path, target]) =>
    typeof target === "string"
      ? []
      : [[path, target.import.types.replace(/^\.\/dist\/(.*)\.d\.ts$/, "src/$1.ts")] as const],
  );
}

/** The symbol that an exported name stands for. */
function resolved(checker: ts.TypeChecker, symbol: ts.Symbol): ts.Symbol {
  return symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
}

function namesOf(checker: ts.TypeChecker, module: ts.Symbol, prefix: string): PublicName[] {
  return checker.getExportsOfModule(module).flatMap((exported) => {
    const name = `${prefix}${exported.getName()}`;
    const symbol = resolved(checker, exported);
    const members =
      symbol.flags & ts.SymbolFlags.Module ? namesOf(checker, symbol, `${name}.`) : [];
    return [{ name, symbol }, ...members];
  });
}

/** Reads the public names of the package in `root` from its sources. */
export function readSurface(root: string): Surface {
  const sources = entrySources(root);
  const configuration = ts.readConfigFile(join(root, "tsconfig.json"), ts.sys.readFile);
  const { options } = ts.parseJsonConfigFileContent(configuration.config, ts.sys, root);
  const program = ts.createProgram(
    sources.map(([, source]) => join(root, source)),
    options,
  );
  const checker = program.getTypeChecker();
  const entries = sources.map(([path, source]): Entry => {
    const file = program.getSourceFile(join(root, source));
    const module = file && checker.getSymbolAtLocation(file);
    // A script exports nothing, and is not a module.
    return { path, source, names: module ? namesOf(checker, module, "") : [] };
  });
  return { entries, checker };
}

/** The number of names over all entries: a name that several entries export counts once. */
export function countNames(entries: readonly Entry[]): number {
  return new Set(entries.flatMap(({ names }) => names.map(({ name }) => name))).size;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const { entries } = readSurface(resolve(process.argv[2] ?? "."));
  for (const { path, names } of entries)
    console.log(`${path.padEnd(14)} ${String(names.length).padStart(4)}`);
  const total = countNames(entries);
  console.log(`${"total, each once".padEnd(14)} ${total}, limit ${MOST_NAMES}`);
  process.exitCode = total > MOST_NAMES ? 1 : 0;
}
