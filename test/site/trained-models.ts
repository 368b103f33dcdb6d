/** Compares the models that the page has trained with those of the commands that it shows. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { expect } from "vitest";
import { espalier } from "../cli/fixtures.ts";
import { codeOf, downloaded } from "./site.ts";

/** Runs the commands that the page shows, in a directory with the files that they read. */
async function runShown(page: Page, directory: string): Promise<void> {
  for (const line of (await codeOf(page, "Commands")).trim().split("\n")) {
    const [, name = "", ...rest] = line.split(" ");
    const isFile = (i: number): boolean =>
      /^--(train-file|validation-file|vocab|model|out)$/.test(rest[i - 1] ?? "") ||
      (name === "pack" && i === 0);
    const words = rest.map((word, i) => (isFile(i) ? join(directory, word.toLowerCase()) : word));
    const { code, err } = await espalier([name, ...words]);
    expect({ code, line, err: code === 0 ? "" : err }).toEqual({ code: 0, line, err: "" });
  }
}

/** Downloads the models of the page, and expects the bytes of the command's. */
export async function expectCommandModels(page: Page, directory: string): Promise<void> {
  await runShown(page, directory);
  for (const [button, folder] of [
    ["Download dense", "dense"],
    ["Download sparse", "sparse"],
    ["Download sparse, packed", "packed"],
  ] as const) {
    const files = readdirSync(join(directory, "run", folder));
    const found = await downloaded(page, button, files.length);
    for (const [name, bytes] of found)
      expect(Buffer.compare(bytes, readFileSync(join(directory, "run", folder, name))), name).toBe(
        0,
      );
    expect([...found.keys()].sort()).toEqual(files.sort());
  }
}
