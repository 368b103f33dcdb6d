/** A bundle in a page with a strict policy. */
import { readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { extname, join } from "node:path";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadClassifier } from "../../src/run/runtime.ts";
import { espalier, temporaryDirectory } from "../cli/fixtures.ts";
import { needing } from "../needs.ts";
import { requireBuild } from "../packaging/distribution.ts";
import { saveFastModel } from "../run/fast-model.ts";
import { findChromium, launchChromium } from "./chromium.ts";

const executable = findChromium();
const isSkipped = executable === undefined && process.env.ESPALIER_REQUIRE_BROWSER !== "1";
const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".wasm": "application/wasm",
};

/** Serves a directory under the policy of the example page. */
function serve(directory: string): Promise<Server> {
  const policy =
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self'; img-src data:";
  const server = createServer((request, response) => {
    const path = join(directory, new URL(request.url ?? "/", "http://localhost").pathname);
    const type = TYPES[extname(path)] ?? "application/octet-stream";
    response.writeHead(200, { "content-type": type, "content-security-policy": policy });
    response.end(readFileSync(path));
  });
  return new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(server)));
}

describe.skipIf(isSkipped)(needing("a Chromium", "a bundle in Chromium"), () => {
  const root = temporaryDirectory();
  const site = join(root, "site");
  let server: Server;
  let browser: Browser;

  beforeAll(async () => {
    requireBuild();
    await saveFastModel(join(root, "model"));
    const { code, err } = await espalier(["bundle", join(root, "model"), "--out", site]);
    expect({ code, err }).toEqual({ code: 0, err: "" });
    server = await serve(site);
    browser = await launchChromium(executable ?? "chromium");
  });

  afterAll(async () => {
    await browser?.close();
    server?.close();
  });

  it("classifies typed text as in Node, and the policy refuses nothing", async () => {
    const page = await browser.newPage();
    const complaints: string[] = [];
    page.on("console", (message) => complaints.push(message.text()));
    const address = server.address();
    const port = typeof address === "object" ? address?.port : 0;
    await page.goto(`http://127.0.0.1:${port}/index.html`);
    const output = page.locator("output");
    await output.filter({ hasText: "Ready on" }).waitFor({ timeout: 30_000 });
    const variant = (await output.textContent())?.replace("Ready on ", "") ?? "";
    await page.locator("input[name=text]").fill("the old tree");
    await page.locator("button").click();
    await output.filter({ hasText: ";" }).waitFor({ timeout: 30_000 });
    const kernels = new Uint8Array(readFileSync(join(site, "kernels", "simd.wasm")));
    const model = new Uint8Array(readFileSync(join(site, "model.safetensors")));
    const classifier = await loadClassifier(model, { kernels });
    const [found] = await classifier.classify(["the old tree"]);
    const shares = found?.probabilities.map(
      (share, i) => `${classifier.labels[i]} ${share.toFixed(4)}`,
    );
    expect(await output.textContent()).toBe([found?.label, ...(shares ?? [])].join("; "));
    expect(["fma", "simd"]).toContain(variant);
    expect(complaints).toEqual([]);
  });
});
