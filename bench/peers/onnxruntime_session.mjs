/** An exported classifier in onnxruntime, on WebAssembly (`runtime: "web"`) or native (`"node"`). */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { onnxPeer } from "./deployed-batches.mjs";
import { servePeer } from "./serve.mjs";

await servePeer(async ({ runtime, threads, model, batches }) => {
  const isNative = runtime === "node";
  const name = `onnxruntime-${runtime}`;
  const onnx = createRequire(import.meta.url)(name);
  if (!isNative) onnx.env.wasm.numThreads = threads;
  const options = isNative
    ? { intraOpNumThreads: threads, interOpNumThreads: 1 }
    : { executionProviders: ["wasm"] };
  const session = await onnx.InferenceSession.create(new Uint8Array(readFileSync(model)), options);
  return onnxPeer(`${name} ${onnx.env.versions[runtime]}`, onnx, session, batches);
});
