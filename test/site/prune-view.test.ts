/** The view "Prune": files with the bytes of the commands and of the API that it shows. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { pruneSafetensors } from "../../src/checkpoint/prune-safetensors.ts";
import { tensorFromFloat32, writeSafetensors } from "../../src/io/safetensors.ts";
import {
  ENCODER_TENSORS,
  espalier,
  temporaryDirectory,
  writeModel,
  writeShards,
} from "../cli/fixtures.ts";
import { needing } from "../needs.ts";
import {
  codeOf,
  downloaded,
  expectAccessible,
  give,
  isSkipped,
  type OpenSite,
  openSite,
  visit,
} from "./site.ts";

/** Waits for the preview of the newest options. */
async function previewed(page: Page): Promise<void> {
  await page.getByRole("status").filter({ hasText: "blocks pruned." }).waitFor();
}

/** Runs the commands that the page shows, in a directory. */
async function runShown(page: Page, directory: string): Promise<void> {
  for (const line of (await codeOf(page, "Commands")).trim().split("\n")) {
    const [, name = "", from = "", ...rest] = line.split(" ");
    const isFile = (i: number): boolean => ["--out", "--gradients"].includes(rest[i - 1] ?? "");
    const options = rest.map((word, i) => (isFile(i) ? join(directory, word) : word));
    const { code, err } = await espalier([name, join(directory, from), ...options]);
    expect({ code, line, err: code === 0 ? "" : err }).toEqual({ code: 0, line, err: "" });
  }
}

describe.skipIf(isSkipped)(needing("the site and a Chromium", "pruning"), () => {
  const root = temporaryDirectory();
  let site: OpenSite;
  let count = 0;

  /** A new directory with the tensors of the small encoder in one file, and their gradients. */
  function fileDirectory(): string {
    const directory = join(root, String(count++));
    mkdirSync(directory);
    const write = (name: string, tensors: typeof ENCODER_TENSORS): void =>
      writeFileSync(join(directory, name), writeSafetensors(tensors, { format: "pt" }));
    write("weights.safetensors", ENCODER_TENSORS);
    const gradients = [...ENCODER_TENSORS].map(([name, { shape }]) => {
      const length = shape.reduce((product, extent) => product * extent, 1);
      const values = Float32Array.from({ length }, (_, i) => Math.sin(i));
      return [name, tensorFromFloat32("F32", shape, values)] as const;
    });
    write("gradients.safetensors", new Map(gradients));
    return directory;
  }

  beforeAll(async () => {
    site = await openSite();
  }, 60_000);

  afterAll(async () => {
    await site?.close();
  }, 60_000);

  it.each([
    "prune=4x1&sparsity=0.5",
    "prune=2%3A4&sparsity=0.5&heads=0",
    "prune=1x4&sparsity=0.37&scope=local&profile=inc",
    "prune=4x4&sparsity=0.6&least=0.2&most=0.75",
  ])("has the bytes of the commands and of the API: %s", async (query) => {
    const directory = fileDirectory();
    const { page, complaints, hosts } = await visit(site, `?view=prune&${query}`);
    await give(page, [join(directory, "weights.safetensors")]);
    await previewed(page);
    const pruned = await downloaded(page, "Download pruned", 1);
    const packed = await downloaded(page, "Download packed", 1);
    await runShown(page, directory);
    for (const [name, bytes] of [...pruned, ...packed])
      expect(Buffer.compare(bytes, readFileSync(join(directory, name))), name).toBe(0);
    const call = await codeOf(page, "API");
    const options = /\(file, (\{[^}]*\})\)/s.exec(call)?.[1] ?? "";
    const read = Function(`return ${options}`)();
    const dense = new Uint8Array(readFileSync(join(directory, "weights.safetensors")));
    const { bytes } = await pruneSafetensors(dense, read);
    expect(Buffer.compare(bytes, pruned.get("pruned.safetensors") ?? new Uint8Array())).toBe(0);
    expect(complaints).toEqual([]);
    expect([...hosts]).toEqual([site.origin]);
    await page.close();
  });

  it("prunes several files, and a folder in the order of its config.json", async () => {
    const shards = join(root, "shards");
    writeShards(shards, ENCODER_TENSORS);
    const { page } = await visit(site, "?view=prune&sparsity=0.5");
    await give(page, shards);
    await previewed(page);
    const files = await downloaded(page, "Download pruned", 3);
    const packed = await downloaded(page, "Download packed", 1);
    await runShown(page, shards);
    for (const [name, bytes] of files)
      expect(Buffer.compare(bytes, readFileSync(join(shards, "pruned", name))), name).toBe(0);
    const inDirectory = readFileSync(join(shards, "packed", "model.packed.safetensors"));
    expect(Buffer.compare([...packed.values()][0] ?? new Uint8Array(), inDirectory)).toBe(0);
    const model = join(root, "model");
    await writeModel(model);
    await give(page, model);
    await page.getByText("left alone: an embedding: bert").waitFor();
    await previewed(page);
    const [found] = (await downloaded(page, "Download pruned", 1)).values();
    await runShown(page, model);
    const expected = readFileSync(join(model, "pruned.safetensors"));
    expect(Buffer.compare(found ?? new Uint8Array(), expected)).toBe(0);
    await page.close();
  });

  it("uses gradients from a file, and asks for them", async () => {
    const directory = fileDirectory();
    const { page } = await visit(site, "?view=prune&sparsity=0.5&criterion=snip");
    await give(page, [join(directory, "weights.safetensors")]);
    await page
      .getByRole("alert")
      .filter({ hasText: "expected a checkpoint of gradients" })
      .waitFor();
    await page
      .locator("form input[type=file]")
      .setInputFiles(join(directory, "gradients.safetensors"));
    await previewed(page);
    const [found] = (await downloaded(page, "Download pruned", 1)).values();
    await runShown(page, directory);
    const expected = readFileSync(join(directory, "pruned.safetensors"));
    expect(Buffer.compare(found ?? new Uint8Array(), expected)).toBe(0);
    await page.close();
  });

  it("previews each layer while the slider moves", async () => {
    const { page } = await visit(site, "?view=prune&sparsity=0.5");
    await page.getByRole("button", { name: "Use an example" }).click();
    await previewed(page);
    await page.getByRole("slider", { name: "Sparsity" }).focus();
    for (let i = 0; i < 40; i++) await page.keyboard.press("ArrowRight");
    await page.getByText("4x1: 16588 of 18432 blocks pruned (0.9000)").waitFor();
    const zeros = await page
      .locator("[aria-label='Pruned layers'] [data-label=zeros]")
      .allTextContents();
    const sum = zeros.reduce((total, text) => total + Number(text.split("/")[0]), 0);
    expect(sum).toBe(4 * 16588);
    expect(new URL(page.url()).searchParams.get("sparsity")).toBe("0.9");
    await page.getByLabel("Pattern to prune").selectOption("2:4");
    await page.getByText("2:4: ").first().waitFor();
    expect(await page.getByRole("slider", { name: "Sparsity" }).inputValue()).toBe("0.5");
    await page.close();
  });

  it("keeps a large result in the browser's storage, and can be cancelled", async () => {
    const directory = join(root, "large");
    mkdirSync(directory);
    const values = Float32Array.from({ length: 1024 * 1024 }, (_, i) => Math.cos(i));
    const tensors = Array.from({ length: 10 }, (_, i) => {
      return [`layers.${i}.fc1.weight`, tensorFromFloat32("F32", [1024, 1024], values)] as const;
    });
    writeFileSync(join(directory, "large.safetensors"), writeSafetensors(new Map(tensors)));
    const { page } = await visit(site, "?view=prune&sparsity=0.5");
    await give(page, [join(directory, "large.safetensors")]);
    await previewed(page);
    const [found] = (await downloaded(page, "Download pruned", 1)).values();
    await runShown(page, directory);
    const expected = readFileSync(join(directory, "pruned.safetensors"));
    expect(Buffer.compare(found ?? new Uint8Array(), expected)).toBe(0);
    await page.getByRole("button", { name: "Download packed" }).click();
    await page.getByRole("button", { name: "Cancel" }).click();
    await page.getByRole("status").filter({ hasText: "Packing: cancelled." }).waitFor();
    await page.getByRole("slider", { name: "Sparsity" }).fill("0.6");
    await previewed(page);
    await page.close();
  });

  it("refuses bounds that contradict each other, and stays usable", async () => {
    const { page } = await visit(site, "?view=prune&least=0.9&most=0.5");
    await page.getByRole("button", { name: "Use an example" }).click();
    const alert = page.getByRole("alert");
    await alert.filter({ hasText: "minSparsityPerLayer" }).waitFor();
    expect(await alert.textContent()).toContain("Change the options above.");
    await page.getByLabel("Least share in a layer").fill("0.1");
    await previewed(page);
    expect(await alert.count()).toBe(0);
    await page.close();
  });

  it("changes views without losing the files, also by the browser's buttons", async () => {
    const { page } = await visit(site);
    await page.getByRole("button", { name: "Use an example" }).click();
    await page.getByRole("heading", { name: "Verify a pattern" }).waitFor();
    await page.getByRole("link", { name: "Prune" }).click();
    await previewed(page);
    await page.goBack();
    await page.getByRole("heading", { name: "Verify a pattern" }).waitFor();
    await page.getByText("0.7487 (55296 of 73856)").waitFor();
    await page.close();
  });

  it.each(["light", "dark"] as const)(
    "axe finds nothing, and nothing overflows or shifts (%s)",
    (scheme) =>
      expectAccessible("prune", "?view=prune&sparsity=0.8", scheme, async (page) => {
        await page.getByRole("button", { name: "Use an example" }).click();
        await previewed(page);
        await page.waitForFunction(() => (document.querySelector("canvas")?.width ?? 0) > 300);
      }),
  );
});
