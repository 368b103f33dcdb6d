/** The committed vectors with exactly one right mask, or several if scores tie. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { CaseFiles } from "../../src/conform/case-files.ts";

export const ROOT: string = join(import.meta.dirname, "../golden/strict");
export const NAMES: readonly string[] = readdirSync(ROOT).sort();

export function readCase(name: string): CaseFiles {
  return {
    name,
    json: readFileSync(join(ROOT, name, "case.json"), "utf8"),
    tensors: new Uint8Array(readFileSync(join(ROOT, name, "tensors.safetensors"))),
  };
}
