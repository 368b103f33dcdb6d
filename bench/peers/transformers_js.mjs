/** An exported classifier in transformers.js, from text; in Node it runs on native onnxruntime. */
import { basename, dirname } from "node:path";
import { pipelinePeer } from "./deployed-batches.mjs";
import { servePeer } from "./serve.mjs";

await servePeer(async ({ directory, dtype, threads, batches }) => {
  const { env, pipeline } = await import("@huggingface/transformers");
  env.allowRemoteModels = false;
  env.localModelPath = dirname(directory);
  const classify = await pipeline("text-classification", basename(directory), {
    dtype,
    session_options: { intraOpNumThreads: threads, interOpNumThreads: 1 },
  });
  return pipelinePeer(`transformers.js ${env.version}`, classify, batches);
});
