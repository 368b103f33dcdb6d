/** An exported classifier in transformers.js, from text; in Node it runs on native onnxruntime. */
import { basename, dirname } from "node:path";
import { peerOf } from "./deployed-batches.mjs";
import { servePeer } from "./serve.mjs";

await servePeer(async ({ directory, dtype, threads, batches }) => {
  const { env, pipeline } = await import("@huggingface/transformers");
  env.allowRemoteModels = false;
  env.localModelPath = dirname(directory);
  const classify = await pipeline("text-classification", basename(directory), {
    dtype,
    session_options: { intraOpNumThreads: threads, interOpNumThreads: 1 },
  });
  const peer = peerOf(
    `transformers.js ${env.version}`,
    batches,
    ({ texts }) => texts,
    async (texts) => {
      const { logits } = await classify.model(classify.tokenizer(texts, { padding: true }));
      return logits.data;
    },
  );
  for (const { name, texts } of batches) peer.runs[name] = () => classify(texts);
  return peer;
});
