/** The program of the page that chromium.mjs opens: loads one classifier, computes its logits and times it. */
import { onnxPeer, peerOf, pipelinePeer } from "./deployed-batches.mjs";
import { timed } from "./timing.mjs";

let peer;

async function filesOf(names) {
  return Promise.all(
    names.map(async (name) => {
      const response = await fetch(`/model/${name}`);
      return { name, bytes: new Uint8Array(await response.arrayBuffer()) };
    }),
  );
}

function classifierPeer(name, classifier, batches) {
  return peerOf(
    `${name} ${classifier.variant}`,
    batches,
    ({ texts }) => texts,
    async (texts) => (await classifier.classify(texts)).flatMap(({ logits }) => logits),
  );
}

async function loadRuntime({ variant, files, batches }) {
  const kernels = fetch(`/dist/kernels/${variant}.wasm`);
  const [{ loadClassifier }, given] = await Promise.all([
    import("/dist/runtime.js"),
    filesOf(files),
  ]);
  return classifierPeer("espalier/runtime", await loadClassifier(given, { kernels }), batches);
}

async function loadEspalier({ variant, threads, layers, files, batches }) {
  const [{ loadClassifier }, given] = await Promise.all([
    import("/dist/classifier.js"),
    filesOf(files),
  ]);
  const options = { variant, threads, layers };
  if (threads > 1) {
    const { startWebThread } = await import("/dist/nn.js");
    options.startThread = startWebThread(() => new Worker("/dist/worker.js", { type: "module" }));
  }
  const classifier = await loadClassifier(given, options);
  return classifierPeer("espalier", classifier, batches);
}

async function loadOnnxruntime({ threads, file, batches }) {
  const onnx = await import("/web/ort.wasm.min.mjs");
  onnx.env.wasm.numThreads = threads;
  onnx.env.wasm.wasmPaths = "/web/";
  const options = { executionProviders: ["wasm"] };
  const session = await onnx.InferenceSession.create(`/model/${file}`, options);
  return onnxPeer(`onnxruntime-web ${onnx.env.versions.web}`, onnx, session, batches);
}

async function loadTransformers({ threads, dtype, batches }) {
  const { env, pipeline } = await import("/transformers/transformers.min.js");
  env.allowRemoteModels = false;
  env.allowLocalModels = true;
  env.localModelPath = "/";
  env.useBrowserCache = false;
  env.backends.onnx.wasm.wasmPaths = "/web/";
  env.backends.onnx.wasm.numThreads = threads;
  const classify = await pipeline("text-classification", "model", { dtype, device: "wasm" });
  return pipelinePeer(`transformers.js ${env.version}`, classify, batches);
}

const LOADERS = {
  espalier: loadEspalier,
  "espalier/runtime": loadRuntime,
  "onnxruntime-web": loadOnnxruntime,
  "transformers.js": loadTransformers,
};

/** Loads a classifier. Returns its name. */
export async function load(request) {
  peer = await LOADERS[request.engine](request);
  return peer.name;
}

/** The logits of a batch. */
export function logits(batch) {
  return peer.answers[`logits:${batch}`]();
}

/** Mean milliseconds of a run; see timing.mjs. */
export function time(batch, least) {
  return timed(peer.runs[batch], least);
}
