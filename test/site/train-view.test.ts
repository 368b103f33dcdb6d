/** The view "Train": models with the bytes of the commands, runs that go on after a reload, and bad input. */
import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { temporaryDirectory } from "../cli/fixtures.ts";
import { needing } from "../needs.ts";
import { csvFile, labelledRows } from "../run/classifier-files.ts";
import { saveFastModel } from "../run/fast-model.ts";
import {
  downloaded,
  expectAccessible,
  give,
  isSkipped,
  type OpenSite,
  openSite,
  visit,
} from "./site.ts";
import { expectCommandModels } from "./trained-models.ts";

const SHORT = "?view=train&dense-epochs=2&epochs=3&batch=8";

async function told(page: Page, text: string): Promise<void> {
  await page.getByRole("status").filter({ hasText: text }).waitFor();
}

async function train(page: Page): Promise<void> {
  await page.getByRole("button", { name: "Train", exact: true }).click();
}

/** The step of a paused run. */
async function keptStep(page: Page): Promise<number> {
  const text = await page.getByText("is kept").textContent();
  return Number(/after step (\d+)/.exec(text ?? "")?.[1] ?? 0);
}

describe.skipIf(isSkipped)(needing("the site and a Chromium", "training"), () => {
  const root = temporaryDirectory();
  const model = join(root, "model");
  const path = (...parts: string[]): string => join(root, ...parts);
  let site: OpenSite;

  function write(name: string, content: string | Uint8Array): string {
    mkdirSync(dirname(path(name)), { recursive: true });
    writeFileSync(path(name), content);
    return path(name);
  }

  beforeAll(async () => {
    await saveFastModel(model);
    write("train.csv", csvFile("train.csv", labelledRows(40)).bytes);
    write("valid.csv", csvFile("valid.csv", labelledRows(12)).bytes);
    site = await openSite();
  }, 60_000);

  afterAll(async () => {
    await site?.close();
  }, 60_000);

  it("trains a model on rows with the bytes of the commands, and runs it", async () => {
    const { page, complaints, hosts } = await visit(site, SHORT);
    await give(page, [path("train.csv"), path("valid.csv")]);
    await give(page, model);
    await train(page);
    await told(page, "Trained: dense and sparse.");
    expect(await page.getByLabel("Trained layers").locator("tbody tr").count()).toBeGreaterThan(5);
    await page.waitForFunction(() => document.querySelectorAll(".curve canvas").length === 3);
    await page.getByText("Epochs in a table").click();
    const epochs = page.getByLabel("Epochs", { exact: true }).locator("tbody tr");
    expect(await epochs.count()).toBeGreaterThanOrEqual(5);
    await expectCommandModels(page, root);
    await page.getByRole("button", { name: "Run sparse, packed" }).click();
    await told(page, "The model is loaded");
    await page.getByLabel("Text", { exact: true }).fill("the old tree");
    await page.getByRole("button", { name: "Classify", exact: true }).click();
    await told(page, " ms.");
    const labels = await page.locator("[aria-label=Answers] thead th").allTextContents();
    expect(labels.slice(2).sort()).toEqual(["apple", "brick", "grape", "oak"]);
    expect(complaints).toEqual([]);
    expect([...hosts]).toEqual([site.origin]);
    await page.close();
  });

  it("trains on rows alone, with a vocabulary from them, and runs the model", async () => {
    const { page } = await visit(site, `${SHORT}&train=2%3A4&seed=7`);
    const directory = path("words");
    const rows = readFileSync(path("train.csv"));
    await give(page, [write("words/train.csv", rows)]);
    await train(page);
    await told(page, "Trained: dense and sparse.");
    const inputs = await downloaded(page, "Download the files that the commands read", 2);
    write("words/vocab.txt", inputs.get("vocab.txt") ?? "");
    await expectCommandModels(page, directory);
    await page.getByRole("button", { name: "Run sparse, packed" }).click();
    await told(page, "The model is loaded");
    await page.close();
  });

  it("goes on after a pause and after a reload, to the bytes of a whole run", async () => {
    const { page } = await visit(site, "?view=train&dense-epochs=1&epochs=1&batch=64");
    await train(page);
    await page.getByRole("button", { name: "Pause" }).click();
    await told(page, "The run is paused.");
    const first = await keptStep(page);
    await page.getByRole("button", { name: "Resume" }).click();
    await page.waitForFunction(
      () => (document.querySelector<HTMLProgressElement>("progress")?.value ?? 0) > 30,
    );
    await page.getByRole("button", { name: "Cancel" }).click();
    await told(page, "Training: cancelled.");
    const second = await keptStep(page);
    expect(second).toBeGreaterThan(Math.max(30, first));
    await page.reload();
    expect(await keptStep(page)).toBe(second);
    await page.getByRole("button", { name: "Resume" }).click();
    await told(page, "Trained: dense and sparse.");
    const directory = path("generated");
    for (const [name, bytes] of await downloaded(
      page,
      "Download the files that the commands read",
      3,
    ))
      write(`generated/${name}`, bytes);
    await expectCommandModels(page, directory);
    await page.reload();
    await page.getByRole("button", { name: "Train", exact: true }).waitFor();
    expect(await page.getByRole("button", { name: "Resume" }).count()).toBe(0);
    await page.close();
  }, 120_000);

  it("stops a run for good", async () => {
    const { page } = await visit(site, "?view=train&dense-epochs=1&epochs=1");
    await train(page);
    await page.waitForFunction(() => (document.querySelector("progress")?.value ?? 0) > 2);
    await page.getByRole("button", { name: "Stop" }).click();
    await told(page, "The run was stopped.");
    expect(await page.getByRole("button", { name: "Resume" }).count()).toBe(0);
    await page.close();
  });

  it.each([
    ["one label", () => "text,label\na tree,oak\na wall,oak\nthe tree,oak\n", "label"],
    ["no label column", () => "a,b\n1,2\n", "column"],
  ])("rows with %s are refused, and the page stays usable", async (title, content, problem) => {
    const { page } = await visit(site, SHORT);
    await give(page, [write(`${title.replaceAll(" ", "-")}.csv`, content())]);
    await train(page);
    const alert = page.getByRole("alert").filter({ hasText: problem });
    await alert.waitFor();
    expect(await alert.textContent()).toContain("at least two different labels");
    await give(page, [path("train.csv")]);
    await train(page);
    await told(page, "Trained: dense and sparse.");
    expect(await alert.count()).toBe(0);
    await page.close();
  });

  it("a model of an unknown type is refused", async () => {
    const unknown = path("unknown");
    cpSync(model, unknown, { recursive: true });
    writeFileSync(join(unknown, "config.json"), '{"model_type":"gpt2"}');
    const { page } = await visit(site, SHORT);
    await give(page, [path("train.csv")]);
    await give(page, unknown);
    await train(page);
    await page.getByRole("alert").filter({ hasText: "gpt2" }).waitFor();
    await page.close();
  });

  it("says that a run is not kept if the storage is full, and trains on", async () => {
    const { page } = await visit(site, SHORT);
    const session = await site.context.newCDPSession(page);
    await session.send("Storage.overrideQuotaForOrigin", { origin: site.origin, quotaSize: 1000 });
    await give(page, [path("train.csv")]);
    await train(page);
    await page.getByText("The browser's storage for this site is full.").first().waitFor();
    await told(page, "Trained: dense and sparse.");
    await session.send("Storage.overrideQuotaForOrigin", { origin: site.origin });
    await page.close();
  });

  it.each(["light", "dark"] as const)(
    "axe finds nothing, and nothing overflows or shifts (%s)",
    (scheme) =>
      expectAccessible("train", SHORT, scheme, async (page) => {
        await give(page, [path("train.csv")]);
        await train(page);
        await told(page, "Trained: dense and sparse.");
        await page.waitForFunction(() => document.querySelectorAll(".curve canvas").length === 3);
        await page.waitForFunction(() => document.querySelectorAll("canvas").length === 4);
      }),
    120_000,
  );
});
