/** An exported classifier in onnxruntime, on WebAssembly (`runtime: "web"`) or native (`"node"`). */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { paddedBatch, peerOf } from "./deployed-batches.mjs";
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
  const prepare = (one) => {
    const { batch, positions, inputIds, tokenTypeIds, attentionMask } = paddedBatch(one);
    const inputs = {
      input_ids: inputIds,
      attention_mask: attentionMask,
      token_type_ids: tokenTypeIds,
    };
    const feeds = session.inputNames.map((input) => {
      const values = BigInt64Array.from(inputs[input], BigInt);
      return [input, new onnx.Tensor("int64", values, [batch, positions])];
    });
    return Object.fromEntries(feeds);
  };
  const logitsOf = async (feeds) => (await session.run(feeds)).logits.data;
  return peerOf(`${name} ${onnx.env.versions[runtime]}`, batches, prepare, logitsOf);
});
