/** The view "Compare": the judge's verdicts on masks and scores for vectors of the site and of the visitor. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readStrictCase } from "../../src/conform/strict-vector.ts";
import { readSafetensorsOrThrow, writeSafetensors } from "../../src/io/safetensors.ts";
import { temporaryDirectory } from "../cli/fixtures.ts";
import { needing } from "../needs.ts";
import { PROJECT_ROOT } from "../packaging/distribution.ts";
import { expectAccessible, give, isSkipped, type OpenSite, openSite, visit } from "./site.ts";

const GOLDEN = join(PROJECT_ROOT, "test", "golden");
const PRUNING = "pruning/1x4-snipmom-global";
const STRICT = "strict/1x1-local";

async function verdict(page: Page): Promise<string> {
  await page.getByRole("status").filter({ hasText: "The verdict:" }).waitFor();
  return (await page.locator(".verdict").textContent()) ?? "";
}

describe.skipIf(isSkipped)(needing("the site and a Chromium", "comparing"), () => {
  const root = temporaryDirectory();
  let site: OpenSite;

  /** Writes the masks of a vector, whose first mask is changed in one place. */
  function masksOf(vector: string, change: number | null): { path: string; name: string } {
    const bytes = readFileSync(join(GOLDEN, vector, "tensors.safetensors"));
    const { tensors } = readSafetensorsOrThrow(new Uint8Array(bytes));
    const masks = [...tensors].filter(([name]) => name.startsWith("mask/"));
    const stepOf = (name: string): number => Number(name.split("/")[1]) || 0;
    masks.sort(([a], [b]) => stepOf(a) - stepOf(b));
    const [name, first] = masks[0] ?? ["", undefined];
    if (first === undefined) throw new Error(`${vector}: expected masks, got none`);
    const altered = new Uint8Array(first.bytes);
    if (change !== null) altered[change] = altered[change] === 0 ? 1 : 0;
    const path = join(root, `${vector.replaceAll("/", "-")}-${change}.safetensors`);
    const all = new Map([...masks, [name, { ...first, bytes: altered }] as const]);
    writeFileSync(path, writeSafetensors(all, {}));
    return { path, name };
  }

  beforeAll(async () => {
    site = await openSite();
  }, 60_000);

  afterAll(async () => {
    await site?.close();
  }, 60_000);

  it.each([PRUNING, STRICT])("passes the recorded values of %s", async (vector) => {
    const { page, complaints, hosts } = await visit(site, `?view=compare&vector=${vector}`);
    await page.getByRole("button", { name: "Use the recorded values" }).click();
    expect(await verdict(page)).toContain("passed");
    await give(page, [masksOf(vector, null).path]);
    expect(await verdict(page)).toMatch(/passed.*0 of them different/s);
    expect(complaints).toEqual([]);
    expect([...hosts]).toEqual([site.origin]);
    await page.close();
  });

  it.each([PRUNING, STRICT])("fails a changed mask of %s, and says where", async (vector) => {
    const { page } = await visit(site, `?view=compare&vector=${vector}`);
    const { path, name } = masksOf(vector, 5);
    await give(page, [path]);
    expect(await verdict(page)).toMatch(/^failed.*1 of them different/s);
    const row = page.getByLabel("Differences").locator("tbody tr");
    expect(await row.locator("th").textContent()).toBe(name);
    expect(await row.locator("[data-label='first different']").textContent()).toBe("5");
    const step = /^mask\/(\d+)\//.exec(name)?.[1];
    if (step !== undefined) {
      const recorded = await row.locator("[data-label=recorded]").textContent();
      const own = await row.locator("[data-label=yours]").textContent();
      const note = `step ${step}, layer ${name.split("/")[2]}, mask[5]: expected ${recorded}, got ${own}`;
      expect(await page.locator(".verdict .warning").textContent()).toBe(note);
    }
    await page.close();
  });

  it("accepts masks that only break ties differently", async () => {
    const directory = join(GOLDEN, "strict", "ties-1x1-local");
    const bytes = new Uint8Array(readFileSync(join(directory, "tensors.safetensors")));
    const json = readFileSync(join(directory, "case.json"), "utf8");
    const vector = readStrictCase({ name: "ties", json, tensors: bytes });
    const [tied = []] = vector.tiedBlocks.values();
    const [layer] = vector.layers;
    const { tensors } = readSafetensorsOrThrow(bytes);
    const name = `mask/${layer?.name}`;
    const mask = tensors.get(name);
    if (layer === undefined || mask === undefined) throw new Error("expected a mask, got none");
    const altered = new Uint8Array(mask.bytes);
    for (const value of [0, 1]) altered[tied.find((i) => layer.mask[i] === value) ?? 0] = 1 - value;
    const path = join(root, "ties.safetensors");
    writeFileSync(path, writeSafetensors(new Map([[name, { ...mask, bytes: altered }]]), {}));
    const { page } = await visit(site, "?view=compare&vector=strict/ties-1x1-local");
    await give(page, [path]);
    expect(await verdict(page)).toMatch(/^acceptable.*1 of them different/s);
    await page.close();
  });

  it("takes a vector that the visitor gives", async () => {
    const { page } = await visit(site, "?view=compare");
    await give(page, join(GOLDEN, "strict", "1of4-local"));
    await page.getByText("The vector is the folder that you gave.").waitFor();
    await give(page, [masksOf("strict/1of4-local", null).path]);
    expect(await verdict(page)).toContain("passed");
    await page.close();
  });

  it("refuses names, shapes and files that are not the vector's, and stays usable", async () => {
    const { page } = await visit(site, `?view=compare&vector=${PRUNING}`);
    const alert = page.getByRole("alert");
    await give(page, [masksOf(STRICT, null).path]);
    await alert.filter({ hasText: "a mask or score of the vector" }).waitFor();
    const broken = join(root, "broken.safetensors");
    writeFileSync(broken, "not a checkpoint");
    await give(page, [broken]);
    await alert.filter({ hasText: "safetensors" }).waitFor();
    await give(page, [masksOf(PRUNING, null).path]);
    expect(await verdict(page)).toContain("passed");
    expect(await alert.count()).toBe(0);
    await page.close();
  });

  it.each(["light", "dark"] as const)(
    "axe finds nothing, and nothing overflows or shifts (%s)",
    (scheme) =>
      expectAccessible("compare", `?view=compare&vector=${PRUNING}`, scheme, async (page) => {
        await give(page, [masksOf(PRUNING, 5).path]);
        await verdict(page);
      }),
  );
});
