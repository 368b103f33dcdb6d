/**
 * This library as a deployed classifier: the build in dist/ loads a model directory. With `input: "text"` it classifies
 * texts, otherwise it computes the logits of token ids. With `runtime: true` it is espalier/runtime.
 */
import { readdirSync, readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { paddedBatch, peerOf } from "./deployed-batches.mjs";
import { servePeer } from "./serve.mjs";

const DIST = new URL("../../dist/", import.meta.url);

async function logitsOfIds({ directory, variant, threads, layers }) {
  const { createNodeBackend, loadSparseClassifier } = await import(new URL("node.js", DIST));
  const backend = await createNodeBackend({ variant, threads });
  const options = layers === "dense" ? { executions: "dense" } : {};
  const { classifier } = await loadSparseClassifier(directory, backend, options);
  return classifier.logits;
}

async function logitsOfTexts({ directory, variant, threads, layers }) {
  const { loadClassifier } = await import(new URL("node.js", DIST));
  const classifier = await loadClassifier(directory, { variant, threads, layers });
  return async (texts) => (await classifier.classify(texts)).flatMap(({ logits }) => logits);
}

async function logitsInRuntime({ directory, variant }) {
  const { loadClassifier } = await import(new URL("runtime.js", DIST));
  const kernels = readFile(new URL(`kernels/${variant}.wasm`, DIST));
  const files = readdirSync(directory).map(async (name) => ({
    name,
    bytes: await readFile(join(directory, name)),
  }));
  const classifier = await loadClassifier(await Promise.all(files), { kernels });
  return async (texts) => (await classifier.classify(texts)).flatMap(({ logits }) => logits);
}

function loaderOf({ input, runtime }) {
  if (runtime) return logitsInRuntime;
  return input === "text" ? logitsOfTexts : logitsOfIds;
}

await servePeer(async (request) => {
  const { flags, input, runtime, variant, batches } = request;
  for (const flag of flags) setFlagsFromString(flag);
  const logitsOf = await loaderOf(request)(request);
  const { version } = JSON.parse(readFileSync(new URL("../package.json", DIST), "utf8"));
  const prepare = input === "text" ? ({ texts }) => texts : paddedBatch;
  const name = runtime ? "espalier/runtime" : "espalier";
  return peerOf(`${name} ${version} ${variant}`, batches, prepare, logitsOf);
});
