import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { linksOf } from "../docs/snippets.ts";
import { ENTRY_STEMS, PROJECT_ROOT } from "./distribution.ts";
import { type Installation, installPackage } from "./installation.ts";

let installation: Installation;

beforeAll(() => {
  installation = installPackage();
}, 120_000);

afterAll(() => installation?.remove());

describe("the packed tarball", () => {
  it("holds the build, the benchmarks' peers and the documents alone", () => {
    const expected = [
      /^dist\/[^/]+\.(js|cjs|d\.ts|d\.cts)$/,
      /^dist\/kernels\/(simd|fma|revectorized)\.wasm$/,
      /^bench\/peers\/[^/]+\.(py|mjs|json)$/,
      /^docs\/[^/]+\.(md|svg|json)$/,
      /^(package\.json|README\.md|CHANGELOG\.md|CONTRIBUTING\.md|LICENSE)$/,
    ];
    const strays = installation.files.filter((path) => !expected.some((one) => one.test(path)));
    expect(strays).toEqual([]);
    expect(installation.files).toEqual(
      expect.arrayContaining(["CHANGELOG.md", "LICENSE", "README.md", "package.json"]),
    );
  });

  it("holds every file that the README links", () => {
    const links = linksOf(readFileSync(join(PROJECT_ROOT, "README.md"), "utf8"));
    expect(links.length).toBeGreaterThan(10);
    expect(links.filter((link) => !installation.files.includes(link))).toEqual([]);
  });

  it("installs offline, and nothing beside it", () => {
    const names = readdirSync(join(installation.root, "node_modules"));
    expect(names.filter((name) => !name.startsWith("."))).toEqual(["espalier"]);
  });
});

describe("a program that prunes, trains and saves with the installed package", () => {
  let results: string;

  beforeAll(() => {
    results = installation.node("main.mjs");
  });

  it("runs as an ES module", () => {
    expect(JSON.parse(results)).toEqual({
      pruning: expect.objectContaining({ digest: expect.stringMatching(/^[0-9a-f]{16}$/) }),
      training: expect.objectContaining({ digest: expect.stringMatching(/^[0-9a-f]{16}$/) }),
      classifier: expect.objectContaining({ sparse: expect.stringMatching(/^[0-9a-f]{16}$/) }),
      roundTrip: expect.objectContaining({ digest: expect.stringMatching(/^[0-9a-f]{16}$/) }),
    });
  });

  it("gives the same in CommonJS", () => {
    expect(installation.node("main.cjs")).toBe(results);
  });

  it("gives the same where no code may be made from strings", () => {
    expect(installation.node("--disallow-code-generation-from-strings", "main.mjs")).toBe(results);
  });
});

describe("the installed entries", () => {
  it("load by require, with the exports of the ES modules", () => {
    const names = (program: string): unknown => JSON.parse(installation.node("-e", program));
    for (const entry of Object.keys(ENTRY_STEMS)) {
      const required = names(
        `console.log(JSON.stringify(Object.keys(require(${JSON.stringify(entry)})).sort()))`,
      );
      const imported = names(
        `import(${JSON.stringify(entry)}).then((m) => console.log(JSON.stringify(Object.keys(m).filter((k) => k !== "module.exports").sort())))`,
      );
      expect(required).toEqual(imported);
      expect(required).not.toEqual([]);
    }
  });

  it("share their error class, so that instanceof works across them", () => {
    const program =
      'Promise.all([import("espalier"), import("espalier/io")]).then(([a, b]) => console.log(a.InputError === b.InputError))';
    expect(installation.node("-e", program).trim()).toBe("true");
  });

  it("include a command that says how to use it", () => {
    const command = join(installation.root, "node_modules", ".bin", "espalier");
    const help = execFileSync(command, ["--help"], { encoding: "utf8" });
    expect(help).toContain("finetune");
    expect(help).toContain("conform");
  });
});
