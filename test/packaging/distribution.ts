/** The built package: where it is, and what its files import. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";

/** The project's root folder. */
export const PROJECT_ROOT: string = fileURLToPath(new URL("../..", import.meta.url));

/** The folder of the build's output. */
export const DIST: string = join(PROJECT_ROOT, "dist");

/** The public entries, as package.json exports them: subpath to the stem of its files in dist. */
export const ENTRY_STEMS: Readonly<Record<string, string>> = {
  espalier: "index",
  "espalier/nn": "nn",
  "espalier/sparse": "sparse",
  "espalier/io": "io",
  "espalier/checkpoint": "checkpoint",
  "espalier/calibrate": "calibrate",
  "espalier/classifier": "classifier",
  "espalier/runtime": "runtime",
  "espalier/node": "node",
  "espalier/reference": "reference",
};

/** The package's scripts: run for what they do, by an address or as a command. */
export const SCRIPT_STEMS: readonly string[] = ["worker", "cli"];

/** Refuses to go on where `npm run build` has not run: `npm test` builds first. */
export function requireBuild(): void {
  for (const stem of [...Object.values(ENTRY_STEMS), ...SCRIPT_STEMS]) {
    if (!existsSync(join(DIST, `${stem}.js`))) {
      throw new Error(`dist/${stem}.js: expected a build; run "npm run build" first`);
    }
  }
}

/** A file of dist with the specifiers of everything that it imports, requires or takes types from. */
export interface BuiltFile {
  readonly name: string;
  readonly text: string;
  readonly specifiers: readonly string[];
}

/** Reads one file of dist. */
export function readBuilt(name: string): BuiltFile {
  const text = readFileSync(join(DIST, name), "utf8");
  const { importedFiles } = ts.preProcessFile(text, true, true);
  return { name, text, specifiers: importedFiles.map(({ fileName }) => fileName) };
}

/** The names of the files in dist whose name ends so. */
export function builtNames(...endings: string[]): string[] {
  return readdirSync(DIST, { recursive: true, encoding: "utf8" })
    .filter((name) => endings.some((ending) => name.endsWith(ending)))
    .sort();
}

/** Resolves a relative specifier in dist, to JavaScript or, from a declaration, to its declaration. */
function resolveBuilt(from: string, specifier: string): string {
  const path = resolve(DIST, dirname(from), specifier).slice(DIST.length + 1);
  if (!/\.d\.c?ts$/.test(from)) return path;
  return path.replace(/\.(c?)js$/, ".d.$1ts");
}

/** A file of dist and all files of dist that it reaches by imports. */
export function reachedFrom(entry: string): BuiltFile[] {
  const reached = new Map<string, BuiltFile>();
  const visit = (name: string): void => {
    if (reached.has(name)) return;
    const file = readBuilt(name);
    reached.set(name, file);
    for (const specifier of file.specifiers) {
      if (specifier.startsWith(".")) visit(resolveBuilt(name, specifier));
    }
  };
  visit(entry);
  return [...reached.values()];
}
