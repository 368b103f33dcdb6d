/** The view "Inspect and verify": the same facts as the commands, and bad input. */
import { mkdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type StoredTensor,
  tensorFromFloat32,
  writeSafetensors,
} from "../../src/io/safetensors.ts";
import {
  ENCODER_TENSORS,
  espalier,
  temporaryDirectory,
  writeModel,
  writeShards,
} from "../cli/fixtures.ts";
import { needing } from "../needs.ts";
import {
  expectAccessible,
  give,
  isSkipped,
  type OpenSite,
  openSite,
  overflow,
  tensorsRead,
  visit,
} from "./site.ts";

/** Runs a command that succeeds or fails a check, and returns what it prints. */
async function printed(args: readonly string[]): Promise<string> {
  const { code, out, err } = await espalier([...args]);
  expect([0, 1], err).toContain(code);
  return out;
}

/** The rows of the page's table: the tensor, then role, axes, dtype, shape, zeros and patterns. */
function pageRows(page: Page): Promise<string[][]> {
  return page.locator(".tensors tbody tr").evaluateAll((rows) =>
    rows.map((row) => {
      const cell = (label: string) => row.querySelector(`[data-label=${label}]`)?.textContent ?? "";
      const labels = ["role", "axes", "dtype", "shape", "zeros", "patterns"];
      return [row.querySelector("th")?.textContent ?? "", ...labels.map(cell)];
    }),
  );
}

/** The same rows from the text that `inspect` prints, whose columns are two spaces apart or more. */
async function commandRows(path: string): Promise<string[][]> {
  const [, , header = "", , ...lines] = (await printed(["inspect", path])).split("\n");
  const rows = lines.slice(0, lines.indexOf(""));
  const columns = [...header.matchAll(/\S+/g)].map(({ 0: name, index }) => ({ name, index }));
  const json = (await printed(["inspect", path, "--json"])).trim().split("\n");
  expect(rows.length).toBe(json.length - 1);
  expect(columns.map(({ name }) => name)).toContain("patterns");
  return json.slice(0, -1).map((line, i) => {
    const { name, role, axes, dtype, shape, zeros, elements } = JSON.parse(line);
    const share = zeros === undefined ? "" : (zeros / elements).toFixed(4);
    const patterns = /\d\.\d{4} {2,}(.*)$/.exec(rows[i] ?? "")?.[1] ?? "";
    return [name, role, axes ?? "", dtype, shape.join("x"), share, patterns.trim()];
  });
}

async function verifyOnPage(page: Page, pattern: string): Promise<string[]> {
  await page.getByRole("combobox", { name: "Pattern" }).fill(pattern);
  await page.getByRole("button", { name: "Verify" }).click();
  const verdict = `${pattern}: `;
  await page.getByRole("status").filter({ hasText: verdict }).waitFor();
  return page
    .locator(".verdict > .warning, .verdict > .account li")
    .evaluateAll((items) => items.map(({ textContent }) => textContent ?? ""));
}

describe.skipIf(isSkipped)(needing("the site and a Chromium", "inspect and verify"), () => {
  const root = temporaryDirectory();
  const [model, pruned] = [join(root, "model"), join(root, "pruned")];
  let site: OpenSite;

  beforeAll(async () => {
    await writeModel(model);
    const options = ["--pattern", "4x1", "--sparsity", "0.5", "--out", pruned];
    await printed(["prune", model, ...options]);
    writeShards(join(root, "shards"), ENCODER_TENSORS);
    site = await openSite();
  }, 60_000);

  afterAll(async () => {
    await site?.close();
  }, 60_000);

  it.each([
    ["a safetensors file", join(pruned, "model.safetensors")],
    ["a Hugging Face folder", pruned],
    ["several shards", join(root, "shards")],
  ])("lists the tensors of %s as the command does", async (_, path) => {
    const { page, complaints, hosts } = await visit(site);
    await give(page, path.endsWith(".safetensors") ? [path] : path);
    await tensorsRead(page);
    expect(await pageRows(page)).toEqual(await commandRows(path));
    expect(await overflow(page)).toBe(0);
    expect(complaints).toEqual([]);
    expect([...hosts]).toEqual([site.origin]);
    await page.close();
  });

  it.each(["4x1", "2:4"])("verifies %s with the words of the command", async (pattern) => {
    const { page } = await visit(site);
    await give(page, pruned);
    await tensorsRead(page);
    const lines = await verifyOnPage(page, pattern);
    const text = await printed(["verify", pruned, "--pattern", pattern]);
    const faults = lines.filter((line) => text.includes(`FAILED: ${line}\n`));
    expect(lines.length).toBeGreaterThan(2);
    expect(lines.filter((line) => !text.includes(`${line}\n`))).toEqual([]);
    expect(await page.locator(".verdict h3").textContent()).toBe(
      `${pattern}: ${text.includes("FAILED") ? "FAILED" : "passed"}`,
    );
    expect(faults.length > 0).toBe(pattern === "2:4");
    await page.close();
  });

  it("outlines the first violation in the picture of the mask", async () => {
    const { page } = await visit(site);
    await give(page, pruned);
    await tensorsRead(page);
    const colors = () =>
      page.locator("canvas").evaluate((canvas) => {
        if (!(canvas instanceof HTMLCanvasElement)) return [];
        const image = canvas.getContext("2d")?.getImageData(0, 0, canvas.width, canvas.height);
        const found = new Set<string>();
        const data = image?.data ?? [];
        for (let i = 0; i < data.length; i += 4)
          if (data[i + 3] === 255) found.add([...data.slice(i, i + 3)].join(" "));
        return [...found];
      });
    await page.waitForFunction(() => (document.querySelector("canvas")?.width ?? 0) > 0);
    expect(await colors()).toEqual(["47 123 214"]);
    await verifyOnPage(page, "2:4");
    await page.getByRole("button", { name: "Show the first violation" }).click();
    await expect.poll(colors).toContain("221 100 39");
    await page.close();
  });

  it("keeps the options in the address", async () => {
    const { page } = await visit(site, "?pattern=2%3A4&exact=1");
    await give(page, pruned);
    await tensorsRead(page);
    expect(await page.getByRole("combobox", { name: "Pattern" }).inputValue()).toBe("2:4");
    expect(await page.getByLabel("Exact").isChecked()).toBe(true);
    await page.getByRole("combobox", { name: "Pattern" }).fill("1x4");
    await page.waitForURL((url) => url.searchParams.get("pattern") === "1x4");
    await page.close();
  });

  it("is used by keyboard, and by dropping a file", async () => {
    const { page } = await visit(site);
    const choose = page.getByRole("button", { name: "Choose files" });
    const isFocused = () => choose.evaluate((button) => button === document.activeElement);
    for (let i = 0; i < 20 && !(await isFocused()); i++) await page.keyboard.press("Tab");
    const [chooser] = await Promise.all([
      page.waitForEvent("filechooser"),
      page.keyboard.press("Enter"),
    ]);
    await chooser.setFiles([join(pruned, "model.safetensors")]);
    await tensorsRead(page);
    const last = page.locator(".tensors tbody button").last();
    await last.focus();
    await page.keyboard.press("Enter");
    const name = (await last.textContent()) ?? "";
    await page
      .locator(".detail code", { hasText: name.replace(/\.weight$/, "") })
      .first()
      .waitFor();
    const bytes = readFileSync(join(model, "model.safetensors")).toString("base64");
    const transfer = await page.evaluateHandle((text) => {
      const data = new DataTransfer();
      const content = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
      data.items.add(new File([content], "dropped.safetensors"));
      return data;
    }, bytes);
    await page.dispatchEvent("main", "drop", { dataTransfer: transfer });
    await page.getByText("dropped.safetensors: one file").waitFor();
    await tensorsRead(page);
    await page.close();
  });

  it("shows an example to visitors without a file", async () => {
    const { page } = await visit(site);
    await page.getByRole("button", { name: "Use an example" }).click();
    await tensorsRead(page);
    expect(await verifyOnPage(page, "4x1")).toHaveLength(5);
    expect(await page.locator(".verdict h3").textContent()).toBe("4x1: passed");
    await page.close();
  });
});

describe.skipIf(isSkipped)(needing("the site and a Chromium", "bad input"), () => {
  const root = temporaryDirectory();
  let site: OpenSite;

  beforeAll(async () => {
    await writeModel(join(root, "model"));
    writeShards(join(root, "shards"), ENCODER_TENSORS);
    // Without a service worker, which would have the worker's script.
    site = await openSite("light", "block");
  }, 60_000);

  afterAll(async () => {
    await site?.close();
  }, 60_000);

  /** The page shows a problem and what to do, and then takes another file. */
  async function isRefused(page: Page, problem: string | RegExp): Promise<void> {
    const alert = page.getByRole("alert");
    await alert.filter({ hasText: problem }).waitFor();
    expect(await alert.textContent()).toMatch(/Choose|choose/);
    await give(page, [join(root, "model", "model.safetensors")]);
    await tensorsRead(page);
    expect(await alert.count()).toBe(0);
  }

  it("a truncated file is refused", async () => {
    const { page } = await visit(site);
    const path = join(root, "cut.safetensors");
    writeFileSync(path, readFileSync(join(root, "model", "model.safetensors")));
    truncateSync(path, 4000);
    await give(page, [path]);
    await isRefused(page, /cut\.safetensors: .*expected/);
    await page.close();
  });

  it.each([
    ["a missing shard", ["model-00001-of-00002.safetensors", "model.safetensors.index.json"]],
    [
      "shards without their index",
      ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"],
    ],
  ])("%s is refused", async (_, names) => {
    const { page } = await visit(site);
    await give(
      page,
      names.map((name) => join(root, "shards", name)),
    );
    await isRefused(page, /expected/);
    await page.close();
  });

  it.each([
    ["text.safetensors", Buffer.from("not weights at all, only some text in a file")],
    ["zip.safetensors", gzipSync("compressed")],
    ["empty.safetensors", Buffer.alloc(0)],
  ])("%s is refused", async (name, bytes) => {
    const { page } = await visit(site);
    writeFileSync(join(root, name), bytes);
    await give(page, [join(root, name)]);
    await isRefused(page, name);
    await page.close();
  });

  it("a wrong pattern is refused", async () => {
    const { page } = await visit(site);
    await give(page, [join(root, "model", "model.safetensors")]);
    await tensorsRead(page);
    await page.getByRole("combobox", { name: "Pattern" }).fill("4 of 2");
    await page.getByRole("button", { name: "Verify" }).click();
    await isRefused(page, "pattern: expected");
    await page.close();
  });

  it("a worker that does not load is reported, and started again", async () => {
    const { page } = await visit(site);
    await page.route("**/assets/main-*.js", (route) => route.abort());
    await give(page, [join(root, "model", "model.safetensors")]);
    await page.getByRole("alert").filter({ hasText: "did not load" }).waitFor();
    await page.unroute("**/assets/main-*.js");
    await isRefused(page, "did not load");
    await page.close();
  });

  it("reading is cancelled", async () => {
    const { page } = await visit(site);
    const weight = tensorFromFloat32("F32", [512, 512], new Float32Array(512 * 512).fill(1, 4));
    const tensors = new Map<string, StoredTensor>(
      Array.from({ length: 60 }, (_, i) => [`layers.${i}.fc1.weight`, weight]),
    );
    mkdirSync(join(root, "large"));
    const path = join(root, "large", "large.safetensors");
    writeFileSync(path, writeSafetensors(tensors));
    await give(page, [path]);
    await page.getByRole("button", { name: "Cancel" }).click();
    await page.getByRole("status").filter({ hasText: "cancelled" }).waitFor();
    const again = page.getByRole("button", { name: "Read all values" });
    if (await again.isVisible()) {
      await again.click();
      await tensorsRead(page);
    }
    await give(page, [join(root, "model", "model.safetensors")]);
    await tensorsRead(page);
    await page.close();
  });
});

describe.skipIf(isSkipped)(needing("the site and a Chromium", "for every visitor"), () => {
  it.each(["light", "dark"] as const)(
    "axe finds nothing, and nothing overflows or shifts (%s)",
    (scheme) =>
      expectAccessible("inspect", "", scheme, async (page) => {
        await page.getByRole("button", { name: "Use an example" }).click();
        await tensorsRead(page);
        await verifyOnPage(page, "2:4");
        await page.getByRole("button", { name: "Show the first violation" }).click();
        await page.locator(".verdict summary").click();
        await page.waitForFunction(() => (document.querySelector("canvas")?.width ?? 0) > 300);
      }),
  );

  it("loads at most 250 kB of compressed files until it is interactive", async () => {
    const site = await openSite();
    try {
      const { page } = await visit(site);
      const bytes = [...site.served.values()].map((file) => gzipSync(file, { level: 9 }).length);
      const total = bytes.reduce((sum, length) => sum + length, 0);
      expect(total).toBeGreaterThan(5_000);
      expect(total).toBeLessThan(250_000);
      await page.close();
    } finally {
      await site.close();
    }
  });
});
