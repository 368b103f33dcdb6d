import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { replayAdamW } from "../../src/conform/adamw-rows.ts";
import type { CaseFiles } from "../../src/conform/case-files.ts";
import { replayEncoder } from "../../src/conform/encoders.ts";
import { caseRefusal } from "../../src/conform/families.ts";
import { sharedPath } from "../io/sources.ts";
import { VARIANTS } from "../kernels/subjects.ts";
import { needing } from "../needs.ts";

const FOLDER = sharedPath("ESPALIER_GOLDEN", "encoders");

function readCases(folder: string): readonly CaseFiles[] {
  return readdirSync(folder)
    .filter((name) => existsSync(join(folder, name, "case.json")))
    .map((name) => ({
      name,
      json: readFileSync(join(folder, name, "case.json"), "utf8"),
      tensors: new Uint8Array(readFileSync(join(folder, name, "tensors.safetensors"))),
    }))
    .filter(({ json }) => caseRefusal("encoders", json) === undefined);
}

describe.each(VARIANTS)("encoder vectors on %s kernels", (_, backend) => {
  test(needing("shared data", "those that can be run pass"), ({ skip }) => {
    if (FOLDER === undefined) return skip();
    const cases = readCases(FOLDER);
    expect(cases.length).toBeGreaterThanOrEqual(25);
    for (const files of cases)
      expect(replayEncoder(files, backend).detail, files.name).toBeUndefined();
  });

  test(needing("shared data", "optimizer steps on given gradients pass"), ({ skip }) => {
    if (FOLDER === undefined) return skip();
    const verdicts = replayAdamW(
      "adamw.json",
      readFileSync(join(FOLDER, "adamw.json"), "utf8"),
      backend,
    );
    expect(verdicts.map(({ detail }) => detail)).toEqual([
      undefined,
      undefined,
      undefined,
      undefined,
    ]);
  });
});

test(needing("shared data", "an altered vector fails, and says where"), ({ skip }) => {
  if (FOLDER === undefined) return skip();
  const [files] = readCases(FOLDER);
  const [[, backend]] = VARIANTS;
  if (files === undefined) throw new Error("expected a case");
  const detail = (change: (json: Record<string, unknown>) => object): string | undefined => {
    const json = JSON.stringify(change(JSON.parse(files.json)));
    return replayEncoder({ ...files, json }, backend).detail;
  };
  expect(detail((json) => ({ ...json, loss: Number(json.loss) * (1 + 3e-6) }))).toContain(
    "grad_ce/loss",
  );
});
