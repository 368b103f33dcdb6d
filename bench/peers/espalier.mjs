/**
 * This library as a deployed classifier: the build in dist/ loads a model directory. With `input: "text"` it classifies
 * texts, otherwise it computes the logits of token ids.
 */
import { readFileSync } from "node:fs";
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

await servePeer(async (request) => {
  const { flags, input, variant, batches } = request;
  for (const flag of flags) setFlagsFromString(flag);
  const isText = input === "text";
  const logitsOf = await (isText ? logitsOfTexts(request) : logitsOfIds(request));
  const { version } = JSON.parse(readFileSync(new URL("../package.json", DIST), "utf8"));
  const prepare = isText ? ({ texts }) => texts : paddedBatch;
  return peerOf(`espalier ${version} ${variant}`, batches, prepare, logitsOf);
});
