/** The programs in docs/examples, each with the packed package installed beside it. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { cpSync, existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { extname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadClassifier } from "../../src/node/classifier.ts";
import { writeSafetensors } from "../../src/io/safetensors.ts";
import { findChromium, launchChromium } from "../browser/chromium.ts";
import { ENCODER_TENSORS, espalier } from "../cli/fixtures.ts";
import { needing } from "../needs.ts";
import { PROJECT_ROOT } from "../packaging/distribution.ts";
import { type Installation, installPackage } from "../packaging/installation.ts";

const EXAMPLES = join(PROJECT_ROOT, "docs", "examples");
const chromium = findChromium();

let installation: Installation;

/** The folder of an example, with the installed package. */
function exampleAt(name: string): string {
  return join(installation.root, name);
}

beforeAll(() => {
  installation = installPackage();
  // Programs in folders below find the package of the folder above, as in a workspace.
  for (const name of readdirSync(EXAMPLES))
    cpSync(join(EXAMPLES, name), exampleAt(name), { recursive: true });
  cpSync(join(installation.root, "node_modules"), join(exampleAt("script-tag"), "node_modules"), {
    recursive: true,
  });
}, 120_000);

afterAll(() => installation?.remove());

it("every example states the package as its only dependency", () => {
  const names = readdirSync(EXAMPLES);
  expect(names.length).toBeGreaterThan(2);
  for (const name of names) {
    const { dependencies } = JSON.parse(readFileSync(join(EXAMPLES, name, "package.json"), "utf8"));
    expect(Object.keys(dependencies)).toEqual(["espalier"]);
  }
});

describe("fine-tuning on a CSV, and a service with its model", () => {
  let service: ChildProcess | null = null;

  afterAll(() => service?.kill());

  it("writes a dense model and one that obeys the pattern", async () => {
    const folder = exampleAt("csv-fine-tuning");
    const out = execFileSync(process.execPath, ["train.mjs"], { cwd: folder, encoding: "utf8" });
    expect(out).toMatch(/^dense 1 accuracy/);
    const sparse = join(folder, "models", "sparse");
    expect(existsSync(join(folder, "models", "dense", "model.safetensors"))).toBe(true);
    const { code, out: verdict } = await espalier(["verify", sparse, "--pattern", "4x1"]);
    expect(code, verdict).toBe(0);
  }, 120_000);

  it("classifies over HTTP with the answers of the library, and refuses a request without a text", async () => {
    const model = join(exampleAt("csv-fine-tuning"), "models", "sparse");
    const started = spawn(process.execPath, ["server.mjs", model, "0", "2"], {
      cwd: exampleAt("node-service"),
      stdio: ["ignore", "pipe", "inherit"],
    });
    service = started;
    const address = await new Promise<string>((resolve) => {
      started.stdout?.once("data", (line: Buffer) => resolve(line.toString().trim()));
    });
    const texts = ["the old tree", "a brick wall", "every leaf here"];
    const classifier = await loadClassifier(model, { threads: 1 });
    const expected = (await classifier.classify(texts)).map(({ label, probabilities }) => {
      return { label, probabilities };
    });
    classifier.dispose();
    const answers = await Promise.all(
      texts.map(async (text) =>
        (await fetch(`${address}?text=${encodeURIComponent(text)}`)).json(),
      ),
    );
    expect(answers).toEqual(expected);
    expect((await fetch(address)).status).toBe(400);
  }, 60_000);
});

describe.skipIf(chromium === undefined && process.env.ESPALIER_REQUIRE_BROWSER !== "1")(
  needing("a Chromium", "a page without a bundler"),
  () => {
    let server: Server;

    afterAll(() => server?.close());

    it("prunes a file with the bytes of the command", async () => {
      const folder = exampleAt("script-tag");
      const types: Record<string, string> = { ".html": "text/html", ".js": "text/javascript" };
      server = createServer((request, response) => {
        const path = join(folder, new URL(request.url ?? "/", "http://localhost").pathname);
        if (!existsSync(path)) {
          response.writeHead(404).end();
          return;
        }
        response.writeHead(200, { "content-type": types[extname(path)] ?? "text/plain" });
        response.end(readFileSync(path));
      });
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
      const bound = server.address();
      const port = typeof bound === "object" ? bound?.port : 0;
      const given = join(folder, "weights.safetensors");
      writeFileSync(given, writeSafetensors(ENCODER_TENSORS, { format: "pt" }));
      const own = join(folder, "command.safetensors");
      const options = ["--pattern", "4x1", "--sparsity", "0.75", "--out", own];
      expect((await espalier(["prune", given, ...options])).code).toBe(0);
      const browser = await launchChromium(chromium ?? "");
      try {
        const page = await browser.newPage();
        await page.goto(`http://127.0.0.1:${port}/index.html`);
        const [download] = await Promise.all([
          page.waitForEvent("download"),
          page.locator("input").setInputFiles(given),
        ]);
        const bytes = readFileSync(await download.path());
        expect(Buffer.compare(bytes, readFileSync(own))).toBe(0);
        expect(await page.getByRole("status").textContent()).toMatch(
          /^\d+ of \d+ blocks pruned\.$/,
        );
      } finally {
        await browser.close();
      }
    }, 60_000);
  },
);
