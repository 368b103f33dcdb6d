/** The view "Run": the answers of the runtime in Node, single and in a batch. */
import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readSafetensorsOrThrow } from "../../src/io/safetensors.ts";
import { formatBytes } from "../../src/report/table.ts";
import { loadClassifier } from "../../src/run/runtime.ts";
import { espalier, temporaryDirectory } from "../cli/fixtures.ts";
import { needing } from "../needs.ts";
import { DIST } from "../packaging/distribution.ts";
import { saveFastModel } from "../run/fast-model.ts";
import { expectAccessible, give, isSkipped, type OpenSite, openSite, visit } from "./site.ts";

const FILES = ["config.json", "tokenizer.json", "model.safetensors"];
const TEXTS = ["the old tree", "a flat vine grows slowly", "green fruit"];

/** The rows of the page's answers: text, answer, and a probability for each label. */
function answers(page: Page): Promise<string[][]> {
  return page
    .locator("[aria-label=Answers] tbody tr")
    .evaluateAll((rows) =>
      rows.map((row) => Array.from(row.children, ({ textContent }) => textContent ?? "")),
    );
}

/** Puts many lines into the field at once; typing that many takes Chromium minutes. */
async function paste(page: Page, lines: readonly unknown[]): Promise<void> {
  await page.getByLabel("Texts, one a line").evaluate((field, text) => {
    if (field instanceof HTMLTextAreaElement) field.value = text;
  }, lines.join("\n"));
}

async function loaded(page: Page): Promise<void> {
  await page.getByRole("status").filter({ hasText: "The model is loaded" }).waitFor();
}

describe.skipIf(isSkipped)(needing("the site and a Chromium", "running a model"), () => {
  const root = temporaryDirectory();
  const [model, packed, bundled] = ["model", "packed", "bundled"].map((name) =>
    join(root, name),
  ) as [string, string, string];
  let site: OpenSite;
  let expected: string[][];
  let denseBytes: string;

  beforeAll(async () => {
    await saveFastModel(model);
    for (const args of [
      ["pack", model, "--out", packed],
      ["bundle", model, "--out", bundled],
    ])
      expect((await espalier(args)).code).toBe(0);
    const files = FILES.map((name) => {
      return { name, bytes: new Uint8Array(readFileSync(join(model, name))) };
    });
    const kernels = new Uint8Array(readFileSync(join(DIST, "kernels", "simd.wasm")));
    const classifier = await loadClassifier(files, { kernels });
    expected = (await classifier.classify(TEXTS)).map(({ label, probabilities }, i) => {
      return [TEXTS[i] ?? "", label ?? "", ...probabilities.map((share) => share.toFixed(4))];
    });
    classifier.dispose();
    const weights = new Uint8Array(readFileSync(join(model, "model.safetensors")));
    const { tensors } = readSafetensorsOrThrow(weights);
    denseBytes = formatBytes([...tensors.values()].reduce((sum, one) => sum + one.bytes.length, 0));
    site = await openSite();
  }, 60_000);

  afterAll(async () => {
    await site?.close();
  }, 60_000);

  it.each([
    ["a plain model", () => model],
    ["a packed model", () => packed],
    ["a model in one file", () => [join(bundled, "model.safetensors")]],
  ])("classifies with %s as in Node", async (_, paths) => {
    const { page, complaints, hosts } = await visit(site, "?view=run");
    await give(page, paths());
    await loaded(page);
    await page.getByLabel("Text", { exact: true }).fill(TEXTS[0] ?? "");
    await page.keyboard.press("Enter");
    await page
      .getByRole("status")
      .filter({ hasText: / ms\.$/ })
      .waitFor();
    expect(await answers(page)).toEqual(expected.slice(0, 1));
    await page.getByLabel("Texts, one a line").fill(`${TEXTS.join("\n")}\n`);
    await page.getByRole("button", { name: "Classify all" }).click();
    await page.getByRole("status").filter({ hasText: "3 texts in" }).waitFor();
    expect(await answers(page)).toEqual(expected);
    await page.getByRole("button", { name: "Time it beside the dense model" }).click();
    await page.getByRole("status").filter({ hasText: "ms; dense:" }).waitFor();
    const beside = page.getByLabel("Beside the dense model").locator("tbody tr");
    const cells = await beside.evaluateAll((rows) =>
      rows.map((row) => Array.from(row.children, ({ textContent }) => textContent ?? "")),
    );
    expect(cells.map(([name]) => name)).toEqual(["this model", "dense weights"]);
    expect(cells[1]?.[1]).toBe(denseBytes);
    for (const [, , time] of cells) expect(Number(time)).toBeGreaterThan(0);
    expect(complaints).toEqual([]);
    expect([...hosts]).toEqual([site.origin]);
    await page.close();
  });

  it("runs a large batch, which can be cancelled", async () => {
    const { page } = await visit(site, "?view=run");
    await give(page, model);
    await loaded(page);
    await paste(
      page,
      Array.from({ length: 20_000 }, (_, i) => TEXTS[i % 3]),
    );
    await page.getByRole("button", { name: "Classify all" }).click();
    await page.getByRole("button", { name: "Cancel" }).click();
    await page.getByRole("status").filter({ hasText: "Classifying: cancelled." }).waitFor();
    await paste(page, Array(1000).fill(TEXTS[1]));
    await page.getByRole("button", { name: "Classify all" }).click();
    await page.getByRole("status").filter({ hasText: "1000 texts in" }).waitFor();
    const rows = await answers(page);
    expect(rows).toEqual(Array(500).fill(expected[1]));
    await page.close();
  });

  it.each([
    ["an unknown model", "config.json", '{"model_type":"gpt2"}', "gpt2"],
    ["a broken tokenizer", "tokenizer.json", "{", "tokenizer.json"],
  ])("%s is refused, and the page stays usable", async (title, name, content, problem) => {
    const directory = join(root, title.replaceAll(" ", "-"));
    cpSync(model, directory, { recursive: true });
    writeFileSync(join(directory, name), content);
    const { page } = await visit(site, "?view=run");
    await give(page, directory);
    const alert = page.getByRole("alert").filter({ hasText: problem });
    await alert.waitFor();
    expect(await alert.textContent()).toContain("Choose the folder of a text classifier");
    await give(page, model);
    await loaded(page);
    expect(await alert.count()).toBe(0);
    await page.close();
  });

  it("weights alone are refused", async () => {
    const { page } = await visit(site, "?view=run");
    await give(page, [join(model, "model.safetensors")]);
    await page.getByRole("alert").filter({ hasText: "config.json" }).waitFor();
    await page.close();
  });

  it.each(["light", "dark"] as const)(
    "axe finds nothing, and nothing overflows or shifts (%s)",
    (scheme) =>
      expectAccessible("run", "?view=run", scheme, async (page) => {
        await give(page, model);
        await loaded(page);
        await page.getByLabel("Texts, one a line").fill(TEXTS.join("\n"));
        await page.getByRole("button", { name: "Classify all" }).click();
        await page.getByRole("status").filter({ hasText: "3 texts in" }).waitFor();
      }),
  );
});
