/**
 * Compares recorded ids with those of the built package, in Node:
 *
 *     node scripts/tokenizer-fuzz/compare.mjs DIST TOKENIZERS RECORDED
 *
 * or, with a fourth argument, the path of a Chromium, in a page. Prints the number of texts and of differences. The
 * exit code is 1 if there are any.
 */
import { createReadStream, readFileSync } from "node:fs";
import { createServer } from "node:http";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

/** Runs in Node and in a page. */
async function compare(io, readTokenizer, chunks) {
  const tokenizers = new Map();
  const differences = [];
  let texts = 0;
  let rest = "";
  const line = async (json) => {
    const [name, text, ids] = JSON.parse(json);
    if (!tokenizers.has(name)) {
      const bytes = await readTokenizer(name);
      const files = new Map([["tokenizer.json", bytes]]);
      tokenizers.set(name, io.getOrThrow(io.readHuggingFaceTokenizer(files)));
    }
    texts++;
    const got = io.encode(tokenizers.get(name), text).inputIds.join();
    if (got !== ids.join()) differences.push([name, text, ids.join(), got]);
  };
  for await (const chunk of chunks) {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop();
    for (const json of lines) await line(json);
  }
  return { texts, different: differences.length, first: differences.slice(0, 5) };
}

const [dist, tokenizers, recorded, chromium] = process.argv.slice(2);
if (recorded === undefined) {
  console.error("usage: compare.mjs DIST TOKENIZERS RECORDED [CHROMIUM]");
  process.exit(2);
}

async function inNode() {
  const io = await import(pathToFileURL(join(resolve(dist), "io.js")));
  const chunks = createReadStream(recorded, "utf8");
  return compare(io, (name) => readFileSync(join(tokenizers, name, "tokenizer.json")), chunks);
}

const PAGE = `<!doctype html><script type="module">
const compare = ${compare};
const io = await import("/dist/io.js");
const readTokenizer = async (name) =>
  new Uint8Array(await (await fetch("/tokenizers/" + name)).arrayBuffer());
const { body } = await fetch("/recorded");
const reader = body.pipeThrough(new TextDecoderStream()).getReader();
async function* chunks() {
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    yield value;
  }
}
window.outcome = compare(io, readTokenizer, chunks()).catch((error) => ({ error: String(error) }));
</script>`;

async function inChromium() {
  const { chromium: engine } = await import("playwright-core");
  const server = createServer(({ url = "" }, response) => {
    if (url === "/") response.setHeader("content-type", "text/html; charset=utf-8").end(PAGE);
    else if (url === "/recorded") createReadStream(recorded).pipe(response);
    else if (url.startsWith("/tokenizers/"))
      response.end(readFileSync(join(tokenizers, url.slice(12), "tokenizer.json")));
    else if (url.startsWith("/dist/"))
      response
        .setHeader("content-type", "text/javascript")
        .end(readFileSync(join(dist, url.slice(6))));
    else response.writeHead(404).end();
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  const browser = await engine.launch({
    executablePath: chromium,
    args: ["--no-sandbox", "--disable-gpu"],
  });
  try {
    const page = await browser.newPage();
    await page.goto(`http://127.0.0.1:${server.address().port}/`);
    await page.waitForFunction("window.outcome !== undefined");
    return { ...(await page.evaluate("window.outcome")), engine: await browser.version() };
  } finally {
    await browser.close();
    server.close();
  }
}

const outcome = chromium === undefined ? await inNode() : await inChromium();
console.log(JSON.stringify({ engine: process.version, ...outcome }));
process.exitCode = outcome.different === 0 ? 0 : 1;
