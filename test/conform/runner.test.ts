import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { readSafetensorsOrThrow, writeSafetensors } from "../../src/io/safetensors.ts";
import { findPython, needing } from "../needs.ts";

const GOLDEN = join(import.meta.dirname, "../golden");
const PYTHON = findPython();

const root = mkdtempSync(join(tmpdir(), "espalier-runner-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const CASES = ["pruning/4x1-snipmom-local-exp", "pruning/2of4-conv2d", "strict", "pruning_tables"];
let copies = 0;

/** A copy of the runner with a few vectors. */
function copy(): string {
  const directory = join(root, `golden-${copies++}`);
  for (const name of ["run.py", "manifest.json", ...CASES])
    cpSync(join(GOLDEN, name), join(directory, name), { recursive: true });
  return directory;
}

/** What the runner prints and its exit status. */
function run(directory: string, ...options: string[]): { code: number | null; out: string } {
  const path = join(directory, "run.py");
  const { status, stdout, stderr } = spawnSync(PYTHON ?? "", ["-B", path, ...options], {
    encoding: "utf8",
  });
  return { code: status, out: stdout + stderr };
}

/** Flips the last element of the last mask of a case. */
function alterMask(directory: string, name: string): void {
  const file = join(directory, name, "tensors.safetensors");
  const { tensors } = readSafetensorsOrThrow(new Uint8Array(readFileSync(file)));
  const mask = [...tensors.keys()].filter((key) => key.startsWith("mask/")).at(-1) ?? "";
  const tensor = tensors.get(mask);
  if (tensor === undefined) throw new Error(`${name}: no mask`);
  const bytes = tensor.bytes.slice();
  bytes[bytes.length - 1] = 1 - (bytes.at(-1) as number);
  writeFileSync(file, writeSafetensors(new Map(tensors).set(mask, { ...tensor, bytes })));
}

/** One line that says what is wrong, no count that reads as a success, and the exit status 2. */
function expectRefusal(
  { code, out }: ReturnType<typeof run>,
  option: string,
  expected: string,
): void {
  expect(out).toContain(`${option}: expected `);
  expect(out).toContain(expected);
  expect(out).toMatch(/^[^\n]+\n$/);
  expect(code).toBe(2);
}

describe.runIf(PYTHON !== undefined)(needing("python3 with numpy", "the runner"), () => {
  test("passes all that it covers", () => {
    const { code, out } = run(GOLDEN);
    expect(out).toMatch(/^209 passed, 0 acceptable, 0 failed, 960 skipped\n$/);
    expect(code).toBe(0);
  });

  test.each(["pruning/4x1-snipmom-local-exp", "pruning/2of4-conv2d", "strict/ties-4x1-global"])(
    "an altered mask of %s fails",
    (name) => {
      const directory = copy();
      alterMask(directory, name);
      const { code, out } = run(directory, "--only", `^${name}$`);
      expect(code).toBe(1);
      expect(out).toMatch(
        new RegExp(`^FAIL ${name.replace("/", " ")}: .*mask.*\\[\\d+\\]|blocks?`),
      );
      expect(out).toMatch(/\n0 passed, 0 acceptable, 1 failed, 0 skipped\n$/);
    },
  );

  test("an altered row, score or count fails", () => {
    const directory = copy();
    const table = join(directory, "pruning_tables/pattern_units.json");
    const json = JSON.parse(readFileSync(table, "utf8"));
    json.single_mask[0].mask.data[0] = 1 - json.single_mask[0].mask.data[0];
    writeFileSync(table, JSON.stringify(json));
    const strict = join(directory, "strict/1x1-global/case.json");
    const vector = JSON.parse(readFileSync(strict, "utf8"));
    vector.budgets[0].pruned += 1;
    writeFileSync(strict, JSON.stringify(vector));
    const { code, out } = run(directory, "--only", "single_mask|^strict/1x1-global");
    expect(code).toBe(1);
    expect(out).toMatch(
      /^FAIL pruning_tables pattern_units\/single_mask\[0\]: mask\[0\]: expected/,
    );
    expect(out).toMatch(/\nFAIL strict 1x1-global: /);
    expect(out).toMatch(/\n39 passed, 0 acceptable, 2 failed, 0 skipped\n$/);
  });

  test("another implementation: ties broken otherwise are acceptable, what it lacks is skipped", () => {
    const file = join(root, "last_first.py");
    writeFileSync(
      file,
      [
        "import numpy as np",
        "def strict_units(scores, pruned, fewest, most):",
        "    '''Ties by the highest index.'''",
        "    order = sorted(((s, -l, -i) for l, layer in enumerate(scores)",
        "                    for i, s in enumerate(layer.ravel().tolist())))",
        "    masks = [np.ones(score.size, np.uint8) for score in scores]",
        "    for limits in (fewest, most):",
        "        for _, l, i in order:",
        "            if (sum(int((m == 0).sum()) for m in masks) < pruned",
        "                    and int((masks[-l] == 0).sum()) < limits[-l]):",
        "                masks[-l][-i] = 0",
        "    return [mask.reshape(score.shape) for mask, score in zip(masks, scores)]",
      ].join("\n"),
    );
    const { code, out } = run(
      copy(),
      "--only",
      "^strict/|^pruning/2of4-conv2d$",
      "--implementation",
      file,
    );
    // The runner itself breaks ties within groups, so the vector that has no others passes.
    expect(out).toBe("19 passed, 9 acceptable, 0 failed, 1 skipped\n");
    expect(code).toBe(0);
    const broken = join(root, "broken.py");
    writeFileSync(broken, "def strict_units(scores, pruned, fewest, most):\n    return scores\n");
    const wrong = run(copy(), "--only", "^strict/", "--implementation", broken);
    expect(wrong.code).toBe(1);
    expect(wrong.out).toMatch(/\n0 passed, 0 acceptable, 28 failed, 0 skipped\n$/);
  });

  test.each([
    ["syntax.py", "def (", "a Python file that can be loaded, got SyntaxError"],
    ["raises.py", "raise ValueError('a\\nb')", "that can be loaded, got ValueError: a b\n"],
    ["exits.py", "raise SystemExit(0)", "that can be loaded, got SystemExit: 0\n"],
    ["other.py", "x = 1", "a function inc_blocks, inc_groups, magnitude or strict_units, got none"],
    ["none.txt", "x = 1", "a Python file, named *.py, got "],
    ["unused.py", "def magnitude(matrix, height, width):\n    return matrix", "a vector to judge"],
  ])("an implementation that cannot be judged is refused: %s", (name, text, expected) => {
    const file = join(root, name);
    writeFileSync(file, text);
    expectRefusal(run(GOLDEN, "--implementation", file), "--implementation", expected);
  });

  test("options that lead to no vector are refused", () => {
    const missing = join(root, "missing.py");
    for (const [option, value, expected] of [
      ["--implementation", missing, "a Python file, got "],
      ["--implementation", root, "a Python file, got "],
      ["--only", "(", "a regular expression, got ("],
      ["--only", "no-such-vector", "to find a vector, got no-such-vector"],
      ["--only", "^model/", "a vector to judge, got none"],
    ] as const)
      expectRefusal(run(GOLDEN, option, value), option, expected);
  });

  test("a manifest that is missing, broken or of another major version is refused", () => {
    const directory = copy();
    const manifest = join(directory, "manifest.json");
    const text = readFileSync(manifest, "utf8");
    for (const [altered, expected] of [
      [text.replace('"1.', '"2.'), "espalier-conformance 1, got espalier-conformance 2."],
      [text.replace("espalier-", "other-"), "espalier-conformance 1, got other-conformance 1."],
      [text.slice(0, 900), "JSON, got "],
      ["[]", "espalier-conformance 1, got no format no version"],
    ] as const) {
      writeFileSync(manifest, altered);
      expectRefusal(run(directory), "manifest.json", expected);
    }
    rmSync(manifest);
    expectRefusal(run(directory), "manifest.json", "a file, got none");
  });
});
