/** Visits after the first: without a connection, and on several threads. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { temporaryDirectory } from "../cli/fixtures.ts";
import { needing } from "../needs.ts";
import { csvFile, labelledRows } from "../run/classifier-files.ts";
import { saveFastModel } from "../run/fast-model.ts";
import {
  downloaded,
  give,
  isSkipped,
  type OpenSite,
  openSite,
  type SitePage,
  tensorsRead,
  visit,
} from "./site.ts";
import { expectCommandModels } from "./trained-models.ts";

/** Visits the site until its files are stored, and visits it again. */
async function visitAgain(site: OpenSite, query: string): Promise<SitePage> {
  const { page } = await visit(site);
  await page.getByText("The page works offline.").waitFor();
  await page.close();
  return visit(site, query);
}

function isIsolated(page: Page): Promise<boolean> {
  return page.evaluate(() => crossOriginIsolated);
}

async function told(page: Page, text: string): Promise<void> {
  await page.getByRole("status").filter({ hasText: text }).waitFor();
}

describe.skipIf(isSkipped)(needing("the site and a Chromium", "later visits"), () => {
  const root = temporaryDirectory();
  const model = join(root, "model");
  let site: OpenSite;

  beforeAll(async () => {
    await saveFastModel(model);
    mkdirSync(join(root, "words"));
    writeFileSync(join(root, "words", "train.csv"), csvFile("train.csv", labelledRows(40)).bytes);
    site = await openSite();
  }, 60_000);

  afterAll(async () => {
    await site?.close();
  }, 60_000);

  it("the first visit runs on one thread and says so, the next on all", async () => {
    const { page, complaints } = await visit(site);
    await page.getByText("Reload the page to train on all cores.").waitFor();
    expect(await isIsolated(page)).toBe(false);
    await page.reload();
    await page.getByText(/Training computes on \d+ threads\.|one core/).waitFor();
    expect(await isIsolated(page)).toBe(true);
    expect(complaints).toEqual([]);
    await page.close();
  });

  it("trains on threads with the bytes of the commands", async () => {
    const query = "?view=train&dense-epochs=2&epochs=3&batch=8";
    const { page, complaints } = await visitAgain(site, query);
    expect(await isIsolated(page)).toBe(true);
    await give(page, [join(root, "words", "train.csv")]);
    await page.getByRole("button", { name: "Train", exact: true }).click();
    await told(page, "Trained: dense and sparse.");
    const files = await downloaded(page, "Download the files that the commands read", 2);
    writeFileSync(join(root, "words", "vocab.txt"), files.get("vocab.txt") ?? "");
    await expectCommandModels(page, join(root, "words"));
    expect(complaints).toEqual([]);
    await page.close();
  });

  it("inspects, verifies, prunes and classifies without a connection, also after a reload", async () => {
    const { page, complaints } = await visitAgain(site, "");
    await page.waitForFunction(async () => {
      const response = await caches.match(new URL("guide/index.html", document.baseURI));
      return response !== undefined;
    });
    await site.stopServer();
    await page.reload();
    await page.getByRole("button", { name: "Use an example" }).click();
    await tensorsRead(page);
    await page.getByRole("button", { name: "Verify" }).click();
    await page.getByRole("heading", { name: "4x1: passed" }).waitFor();
    await page.getByRole("link", { name: "Prune", exact: true }).click();
    await told(page, "blocks pruned.");
    await page.getByRole("link", { name: "Run", exact: true }).click();
    await page.reload();
    await give(page, model);
    await told(page, "The model is loaded");
    await page.getByLabel("Text", { exact: true }).fill("the old tree");
    await page.keyboard.press("Enter");
    await told(page, " ms.");
    await page.getByRole("link", { name: "Guide", exact: true }).click();
    await page.getByRole("heading", { name: "Guide" }).waitFor();
    expect(complaints).toEqual([]);
    await page.close();
  });
});
