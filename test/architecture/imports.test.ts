import { existsSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";
import { describe, expect, it } from "vitest";
import {
  findCycle,
  folderOf,
  type ImportEdge,
  isGenerated,
  readSourceFiles,
  SOURCE_ROOT,
  type SourceFile,
} from "./import-graph.ts";

/** Every folder of src/, in order: one imports only from itself and from those before it. */
const ORDER = [
  "core",
  "kernels",
  "prune",
  "heads",
  "calibrate",
  "tensor",
  "autograd",
  "model",
  "train",
  "sparse",
  "io",
  "checkpoint",
  "onnx",
  "experiment",
  "report",
  "conform",
  "run",
  "node",
  "cli",
] as const;

/** Folders that see less than what stands before them. */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  prune: ["core"],
  heads: ["core", "prune"],
  calibrate: ["core", "prune"],
  io: ["core"],
  sparse: ["core", "kernels", "tensor", "autograd", "model"],
  checkpoint: ["core", "prune", "sparse", "io"],
  onnx: ["core", "autograd", "model"],
  reference: ["core", "prune"],
};

/** What each public entry may be made of, so that it embeds where its description says. */
const ENTRIES: Readonly<Record<string, readonly string[]>> = {
  "index.ts": ["core", "prune"],
  "nn.ts": [
    "core",
    "kernels",
    "prune",
    "heads",
    "tensor",
    "autograd",
    "model",
    "train",
    "experiment",
  ],
  "sparse.ts": ["core", "kernels", "sparse"],
  "io.ts": ["core", "io"],
  "checkpoint.ts": ["core", "prune", "sparse", "io", "checkpoint"],
  "calibrate.ts": ["core", "prune", "calibrate"],
  "classifier.ts": ["run"],
  "runtime.ts": ["kernels", "run"],
  "reference.ts": ["core", "prune", "conform", "reference"],
  "node.ts": ORDER.slice(0, -1),
  "worker.ts": ["core", "kernels"],
};

/** What from outside src/ gets bundled, and where it may be used. */
const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  "@bufbuild": ["onnx"],
  "fp-ts": ["core", "prune", "model", "train", "io", "checkpoint", "run", "node", "cli"],
  ndarray: ["reference"],
  "ndarray-ops": ["reference"],
  papaparse: ["io"],
  yaml: ["io"],
  // The version that the command states.
  "../../package.json": ["cli"],
};

const files = readSourceFiles();

function importable(folder: string): readonly string[] {
  const allowed = ALLOWED[folder];
  if (allowed !== undefined) return allowed;
  return ORDER.slice(0, Math.max(0, ORDER.indexOf(folder as (typeof ORDER)[number])));
}

/** All edges of all files for which `wrong` holds, as lines that say where. */
function offences(wrong: (file: SourceFile, edge: ImportEdge) => boolean): string[] {
  return files.flatMap((file) =>
    file.imports
      .filter((edge) => wrong(file, edge))
      .map((edge) => `src/${file.path}:${edge.line} imports ${edge.specifier}`),
  );
}

/** Whether code, comments aside, names the tag of an Either. */
function usesTag(syntax: ts.SourceFile): boolean {
  const visit = (node: ts.Node): boolean =>
    (ts.isIdentifier(node) && node.text === "_tag") || ts.forEachChild(node, visit) === true;
  return visit(syntax);
}

/** What Node alone has. */
const NODE_GLOBALS = ["process", "Buffer", "setImmediate", "require", "__dirname", "NodeJS"];

/** Whether a file, comments aside, names a module or a global of Node. */
function usesNode({ syntax, imports }: SourceFile): boolean {
  const visit = (node: ts.Node): boolean =>
    (ts.isIdentifier(node) && NODE_GLOBALS.includes(node.text)) ||
    ts.forEachChild(node, visit) === true;
  return imports.some(({ specifier }) => specifier.startsWith("node:")) || visit(syntax);
}

describe("the sources", () => {
  it("are found", () => {
    expect(files.map((file) => file.path)).toContain("core/checks.ts");
  });

  it("lie in the documented folders", () => {
    const known: readonly string[] = [...ORDER, "reference"];
    const strays = files
      .filter(({ path }) => {
        const folder = folderOf(path);
        return folder === "" ? ENTRIES[path] === undefined : !known.includes(folder);
      })
      .map(({ path }) => path);
    expect(strays).toEqual([]);
  });

  it("import only from the folders before their own", () => {
    const wrong = offences(({ path }, { target }) => {
      const folder = folderOf(path);
      if (target === undefined || folder === "") return false;
      const from = folderOf(target);
      return from !== folder && !importable(folder).includes(from);
    });
    expect(wrong).toEqual([]);
  });

  it("keep each public entry to the folders that it promises", () => {
    const wrong = offences(({ path }, { target }) => {
      const allowed = ENTRIES[path];
      return allowed !== undefined && target !== undefined && !allowed.includes(folderOf(target));
    });
    expect(wrong).toEqual([]);
  });

  it("take only types of prune into the reference", () => {
    const wrong = offences(
      ({ path }, { target, typeOnly }) =>
        folderOf(path) === "reference" &&
        target !== undefined &&
        folderOf(target) === "prune" &&
        !typeOnly,
    );
    expect(wrong).toEqual([]);
  });

  it("join pruning with autograd in train, and above it, alone", () => {
    const joining = files
      .filter(({ path }) => ORDER.indexOf(folderOf(path) as (typeof ORDER)[number]) >= 0)
      .filter(({ imports }) => {
        const from = new Set(imports.flatMap(({ target }) => target ?? []).map(folderOf));
        return from.has("prune") && from.has("autograd");
      })
      .map(({ path }) => folderOf(path));
    expect(
      joining.filter(
        (folder) => !["train", "experiment", "conform", "run", "node", "cli"].includes(folder),
      ),
    ).toEqual([]);
  });

  it("use Node in every file of node/, and nowhere else but in cli/", () => {
    const wrong = files
      .filter((file) => folderOf(file.path) !== "cli")
      .filter((file) => usesNode(file) !== (folderOf(file.path) === "node"))
      .map(({ path }) => path);
    expect(wrong).toEqual([]);
  });

  it("use what is outside only where it is planned", () => {
    const wrong = offences(({ path }, { specifier, target }) => {
      if (target !== undefined || specifier.startsWith("node:")) return false;
      const name = specifier.startsWith(".") ? specifier : (specifier.split("/")[0] ?? specifier);
      return !(PACKAGES[name] ?? []).includes(folderOf(path));
    });
    expect(wrong).toEqual([]);
  });

  it("import fp-ts/Either in core/either.ts alone, and compare no tags elsewhere", () => {
    const direct = offences(
      ({ path }, { specifier }) => specifier === "fp-ts/Either" && path !== "core/either.ts",
    );
    expect(direct).toEqual([]);
    const tagged = files
      .filter(({ path, syntax }) => path !== "core/either.ts" && usesTag(syntax))
      .map(({ path }) => path);
    expect(tagged).toEqual([]);
  });

  it("name existing files, with their extension", () => {
    const wrong = offences(
      (_, { target }) =>
        target !== undefined &&
        !isGenerated(target) &&
        !(target.endsWith(".ts") && existsSync(join(SOURCE_ROOT, target))),
    );
    expect(wrong).toEqual([]);
  });

  it("contain no import cycle between files", () => {
    expect(findCycle(files)).toBeUndefined();
  });
});

describe("the cycle finder", () => {
  const file = (path: string, ...targets: string[]): SourceFile => ({
    path,
    lines: 1,
    imports: targets.map((target) => ({ specifier: target, target, typeOnly: false, line: 1 })),
    syntax: (files[0] as SourceFile).syntax,
  });

  it("finds a cycle away from the first file", () => {
    const cycle = findCycle([file("a", "b"), file("b", "c"), file("c", "d"), file("d", "b")]);
    expect(cycle).toEqual(["b", "c", "d", "b"]);
  });

  it("accepts a diamond", () => {
    expect(
      findCycle([file("a", "b", "c"), file("b", "d"), file("c", "d"), file("d")]),
    ).toBeUndefined();
  });
});
