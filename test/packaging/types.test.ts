import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { PROJECT_ROOT } from "./distribution.ts";
import { type Installation, installPackage } from "./installation.ts";

/** A user's program; the compiler must find every type in it without any other package. */
const PORTABLE_PROGRAM = `
import * as espalier from "espalier";
import * as nn from "espalier/nn";
import * as calibrate from "espalier/calibrate";
import * as checkpoint from "espalier/checkpoint";
import * as classifier from "espalier/classifier";
import * as io from "espalier/io";
import * as reference from "espalier/reference";
import * as sparse from "espalier/sparse";

const config: espalier.Either<readonly espalier.Problem[], espalier.PruningConfig> =
  espalier.parsePruningConfig({ pattern: "4x1", target_sparsity: 0.5 });
if (config._tag === "Left") throw new espalier.InputError(config.left);
const pattern: espalier.PruningConfig = config.right;
const backend: nn.Backend = nn.createBackend({ variant: "scalar" });
const bytes: Uint8Array = io.writeSafetensors(new Map());
// @ts-expect-error a pattern is no number
espalier.parsePruningConfig().nothing;
export { backend, bytes, calibrate, checkpoint, classifier, pattern, reference, sparse };
`;
const NODE_PROGRAM = `
import * as node from "espalier/node";
export { node };
`;

let installation: Installation;

beforeAll(() => {
  installation = installPackage();
}, 120_000);

afterAll(() => installation?.remove());

/** Compiles a program in the installation; gives the compiler's complaints. */
function compile(name: string, text: string, options: ts.CompilerOptions): string[] {
  const folder = join(installation.root, "types");
  mkdirSync(folder, { recursive: true });
  const file = join(folder, name);
  writeFileSync(file, text);
  const program = ts.createProgram([file], {
    target: ts.ScriptTarget.ES2022,
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    skipLibCheck: false,
    noEmit: true,
    types: [],
    lib: ["lib.es2022.d.ts", "lib.dom.d.ts"],
    ...options,
  });
  return ts.getPreEmitDiagnostics(program).map((diagnostic) => {
    const where = diagnostic.file === undefined ? "" : `${diagnostic.file.fileName}: `;
    return where + ts.flattenDiagnosticMessageText(diagnostic.messageText, "\n");
  });
}

const NODE16: ts.CompilerOptions = {
  module: ts.ModuleKind.Node16,
  moduleResolution: ts.ModuleResolutionKind.Node16,
};
const BUNDLER: ts.CompilerOptions = {
  module: ts.ModuleKind.ESNext,
  moduleResolution: ts.ModuleResolutionKind.Bundler,
};
const NODE_TYPES: ts.CompilerOptions = {
  types: ["node"],
  typeRoots: [join(PROJECT_ROOT, "node_modules", "@types")],
};

describe("a user's program type-checks, declarations of the package included", () => {
  it("as an ES module under node16", () => {
    expect(compile("portable.mts", PORTABLE_PROGRAM, NODE16)).toEqual([]);
  });

  it("as CommonJS under node16", () => {
    expect(compile("portable.cts", PORTABLE_PROGRAM, NODE16)).toEqual([]);
  });

  it("under a bundler", () => {
    expect(compile("portable.ts", PORTABLE_PROGRAM, BUNDLER)).toEqual([]);
  });

  it("without the DOM library and Node's types, for every entry", () => {
    const names = [
      "calibrate",
      "checkpoint",
      "classifier",
      "io",
      "nn",
      "node",
      "reference",
      "sparse",
      "worker",
    ];
    const imports = names.map((name) => `import * as ${name} from "espalier/${name}";`);
    const text = [
      'import * as core from "espalier";',
      ...imports,
      `export { core, ${names.join(", ")} };`,
    ].join("\n");
    const options = { ...NODE16, lib: ["lib.es2022.d.ts"] };
    expect(compile("bare.mts", text, options)).toEqual([]);
  });

  it("for Node, with Node's types", () => {
    expect(compile("node.mts", NODE_PROGRAM, { ...NODE16, ...NODE_TYPES })).toEqual([]);
  });
});
