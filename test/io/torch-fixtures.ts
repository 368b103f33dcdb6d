import { readFileSync } from "node:fs";

/** A file that scripts/build-torch-files.py made. */
export function readTorchFixture(name: string): Uint8Array {
  return new Uint8Array(readFileSync(new URL(`torch/${name}`, import.meta.url)));
}
