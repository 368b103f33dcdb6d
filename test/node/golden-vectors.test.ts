import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { espalier, temporaryDirectory } from "../cli/fixtures.ts";

const GOLDEN = join(import.meta.dirname, "../golden");
const root = temporaryDirectory();
const CASES = ["strict/1x1-global", "strict/1x1-local", "joint/4x1-distil"];
let copies = 0;

/** A copy of three cases, with a manifest of them and of a row and a case that are not there. */
function copyCases(version = "1.7.0"): string {
  const directory = join(root, `golden-${copies++}`);
  for (const name of CASES) cpSync(join(GOLDEN, name), join(directory, name), { recursive: true });
  const listed = [...CASES, "strict/absent", "pruning_tables/schedule/plans[0]"].map((name) => {
    const [family = "", ...slug] = name.split("/");
    return { family, slug: slug.join("/") };
  });
  writeManifest(directory, { format: "espalier-conformance", version, vectors: listed });
  return directory;
}

function writeManifest(directory: string, manifest: unknown): void {
  writeFileSync(join(directory, "manifest.json"), JSON.stringify(manifest));
}

test("a vector that the manifest lists and the directory lacks has failed", async () => {
  const directory = copyCases();
  const { code, out } = await espalier(["conform", directory]);
  expect(code).toBe(1);
  expect(out).toBe(
    [
      "FAIL strict absent: manifest.json: expected the vector to be there, got none",
      "FAIL pruning_tables schedule/plans[0]: manifest.json: expected the vector to be there, got none",
      "joint: 1 passed, 0 failed",
      "strict: 2 passed, 1 failed",
      "pruning_tables: 0 passed, 1 failed",
      "3 passed, 2 failed",
      "",
    ].join("\n"),
  );
  rmSync(join(directory, "strict/1x1-local"), { recursive: true });
  const { out: json } = await espalier(["conform", directory, "--json"]);
  const verdicts = json.split("\n").filter((line) => line.includes('"1x1-local"'));
  expect(verdicts.map((line) => JSON.parse(line))).toMatchObject([
    { family: "strict", status: "failed", passed: false, quantity: "manifest.json", got: "none" },
  ]);
});

test("with --only, of a part alone and without a manifest nothing is missing", async () => {
  const directory = copyCases();
  const passes = async (...argv: readonly string[]): Promise<void> => {
    const { code, out } = await espalier(["conform", ...argv]);
    expect(out).toMatch(/\n\d+ passed, 0 failed\n$/);
    expect(code).toBe(0);
  };
  await passes(directory, "--only", "^strict/");
  await passes(join(directory, "strict"));
  await passes(join(directory, "strict/1x1-global"));
  writeManifest(directory, { name: "of something else", version: 9 });
  await passes(directory);
  rmSync(join(directory, "manifest.json"));
  await passes(directory);
});

test("a manifest of an unknown major version is refused, two directories above as well", async () => {
  const directory = copyCases("2.0.0");
  for (const part of ["", "strict", "strict/1x1-global"]) {
    const { code, out, err } = await espalier(["conform", join(directory, part)]);
    expect(code).toBe(2);
    expect(out).toBe("");
    expect(err).toContain("manifest.json: expected espalier-conformance 1, got espalier-conform");
    expect(err).toContain("conformance 2.0.0");
  }
  // Three levels above it belongs to something else.
  const below = join(directory, "a/b/c");
  mkdirSync(below, { recursive: true });
  cpSync(join(directory, "strict/1x1-global"), join(below, "1x1-global"), { recursive: true });
  expect((await espalier(["conform", below])).code).toBe(0);
});

test("a manifest that cannot be read is refused", async () => {
  const directory = copyCases();
  const manifest = readFileSync(join(directory, "manifest.json"));
  const format = "espalier-conformance";
  for (const [content, message] of [
    [manifest.subarray(0, 90), "manifest.json: expected JSON, got "],
    [Uint8Array.of(0xff, 0xfe), "manifest.json: expected text in UTF-8, got "],
    [JSON.stringify({ format }), `expected ${format} 1, got ${format} of no version`],
    [JSON.stringify({ format, version: "1.0.0" }), "manifest.json vectors: expected a list"],
    [
      JSON.stringify({ format, version: "1.0.0", vectors: [{ family: "strict" }] }),
      'manifest.json vectors[0]: expected a family and a slug, got {"family":"strict"}',
    ],
  ] as const) {
    writeFileSync(join(directory, "manifest.json"), content);
    const { code, out, err } = await espalier(["conform", directory]);
    expect(code).toBe(2);
    expect(out).toBe("");
    expect(err).toContain(message);
  }
});
