import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { type CaseFiles, openCase } from "../../src/conform/case-files.ts";
import { replayPruning } from "../../src/conform/pruning.ts";
import type { Verdict } from "../../src/conform/verdict.ts";
import { writeSafetensors } from "../../src/io/safetensors.ts";

const root = process.env.ESPALIER_GOLDEN ?? join(import.meta.dirname, "../golden");
const casesAt = join(root, "pruning");
const names = readdirSync(casesAt).filter((name) => existsSync(join(casesAt, name, "case.json")));

function readCase(name: string): CaseFiles {
  return {
    name,
    json: readFileSync(join(casesAt, name, "case.json"), "utf8"),
    tensors: new Uint8Array(readFileSync(join(casesAt, name, "tensors.safetensors"))),
  };
}

function failures(verdicts: Iterable<Verdict>): string[] {
  return [...verdicts]
    .filter(({ passed }) => !passed)
    .map(({ name, detail }) => `${name}: ${detail}`);
}

describe("pruning vectors", () => {
  test("all trajectories pass", () => {
    expect(names.length).toBeGreaterThanOrEqual(187);
    expect(failures(names.map((name) => replayPruning(readCase(name))))).toEqual([]);
  });

  test("an altered vector fails, and says where", () => {
    const slug = "4x1-snipmom-global-exp";
    const original = readCase(slug);
    const altered = (change: (files: CaseFiles) => CaseFiles): string | undefined =>
      failures([replayPruning(change(original))])[0];
    expect(altered((files) => files)).toBeUndefined();
    for (const kind of ["mask/", "score/", "wT/", "grad/0/"]) {
      const line = altered((files) => ({ ...files, tensors: alterTensor(files, kind) }));
      expect(line).toMatch(new RegExp(`^${slug}: (step \\d+, )?layer`));
    }
    for (const [key, value] of [
      ['"zero_cnt":', 1],
      ['"scheduler_total":', 1],
      ['"w_zeros":[', 1],
    ] as const) {
      const line = altered((files) => ({ ...files, json: raise(files.json, key, value) }));
      expect(line).toMatch(/expected .* got /);
    }
  });

  test("a vector that cannot be read has failed", () => {
    const broken = { name: "broken", json: "{", tensors: new Uint8Array() };
    expect(failures([replayPruning(broken)])).toHaveLength(1);
  });
});

/** The case's tensors with one element of the first one of a kind changed. */
function alterTensor(files: CaseFiles, kind: string): Uint8Array {
  const { tensors } = openCase(files);
  const name = [...tensors.keys()].filter((key) => key.startsWith(kind)).at(0) ?? "";
  const tensor = tensors.get(name);
  if (tensor === undefined) throw new Error(`no ${kind}`);
  const bytes = new Uint8Array(tensor.bytes);
  bytes[bytes.length - 1] = kind === "mask/" ? 1 - (bytes.at(-1) as number) : 0x42;
  return writeSafetensors(new Map([...tensors, [name, { ...tensor, bytes }]]));
}

/** JSON text with the number after the last occurrence of `key` raised. */
function raise(json: string, key: string, by: number): string {
  const at = json.lastIndexOf(key) + key.length;
  return json.slice(0, at) + json.slice(at).replace(/^\s*\d+/, (text) => String(Number(text) + by));
}
