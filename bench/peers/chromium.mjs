/**
 * Classifiers in a page of Chromium: this library from text, onnxruntime-web on token ids, or transformers.js from text.
 * The page is cross-origin isolated, so that all of them may run on threads.
 */
import { accessSync, constants } from "node:fs";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { delimiter, dirname, extname, join, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { servePeer } from "./serve.mjs";

const NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
const ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync"];
const HEADERS = {
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-embedder-policy": "require-corp",
  "cache-control": "no-store",
};
const TYPES = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".mjs": "text/javascript; charset=utf-8",
  ".json": "application/json",
  ".wasm": "application/wasm",
};
const PAGE = "<!doctype html><title>Classifier</title>";

function isMissing(text) {
  return Object.assign(new Error(text), { code: "MODULE_NOT_FOUND" });
}

/** The browser: CHROMIUM_PATH, else the first known name on PATH. */
function findChromium() {
  const { CHROMIUM_PATH, PATH = "" } = process.env;
  if (CHROMIUM_PATH) return CHROMIUM_PATH;
  const paths = NAMES.flatMap((name) => PATH.split(delimiter).map((folder) => join(folder, name)));
  const found = paths.find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
  if (found === undefined) throw isMissing("no Chromium");
  return found;
}

/** The directories that the page reads, by the first segment of their addresses. */
function servedDirectories({ engine, directory }) {
  const here = dirname(fileURLToPath(import.meta.url));
  const served = { page: here, model: directory };
  if (engine.startsWith("espalier")) return { ...served, dist: join(here, "..", "..", "dist") };
  const require = createRequire(import.meta.url);
  if (engine === "onnxruntime-web") return { ...served, web: dirname(require.resolve(engine)) };
  const entry = require.resolve("@huggingface/transformers");
  const web = createRequire(entry).resolve("onnxruntime-web");
  return { ...served, transformers: dirname(entry), web: dirname(web) };
}

function startServer(directories) {
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? "/", "http://localhost");
    const [, name = "", ...rest] = pathname.split("/");
    const folder = directories[name];
    const file = folder === undefined ? undefined : join(folder, ...rest);
    const content =
      pathname === "/"
        ? Promise.resolve(PAGE)
        : file?.startsWith(folder + sep)
          ? readFile(file)
          : Promise.reject(new Error("outside"));
    content.then(
      (bytes) => {
        const type = TYPES[extname(pathname === "/" ? ".html" : pathname)];
        const all = type === undefined ? HEADERS : { ...HEADERS, "content-type": type };
        response.writeHead(200, all).end(bytes);
      },
      () => response.writeHead(404, HEADERS).end(),
    );
  });
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => resolve(`http://127.0.0.1:${server.address().port}/`));
  });
}

/** Opens a page, and loads the classifier in it. */
async function openPage(browser, origin, request) {
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(origin);
  const name = await page.evaluate(async (asked) => {
    globalThis.session = await import("/page/page-session.mjs");
    return globalThis.session.load(asked);
  }, request);
  return { context, page, name };
}

await servePeer(async (request) => {
  const { chromium } = await import("playwright-core");
  const directories = servedDirectories(request);
  const browser = await chromium.launch({ executablePath: findChromium(), args: ARGUMENTS });
  const origin = await startServer(directories);
  const { page, name } = await openPage(browser, origin, request);
  const [first] = request.batches;
  const logitsOf = (one, batch) => one.evaluate((asked) => globalThis.session.logits(asked), batch);
  const answers = {
    /** Milliseconds from the navigation of a new page to the first logits. */
    load: async () => {
      const start = performance.now();
      const opened = await openPage(browser, origin, request);
      await logitsOf(opened.page, first.name);
      const elapsed = performance.now() - start;
      await opened.context.close();
      return elapsed;
    },
  };
  for (const batch of request.batches)
    answers[`logits:${batch.name}`] = () => logitsOf(page, batch.name);
  const time = (batch, least) =>
    page.evaluate((asked) => globalThis.session.time(...asked), [batch, least]);
  const runs = Object.fromEntries(request.batches.map((batch) => [batch.name, null]));
  return { name: `${name}, Chromium ${browser.version()}`, runs, answers, time };
});
