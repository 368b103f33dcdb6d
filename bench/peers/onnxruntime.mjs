/**
 * BERT-mini in onnxruntime, on WebAssembly (`runtime: "web"`) or native (`"node"`): a forward pass of the model that
 * export_onnx.py writes with PyTorch.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { batchOf } from "./bert-mini.mjs";
import { servePeer } from "./serve.mjs";

/** The bytes of the model for a batch. @throws Error if PyTorch is not installed */
function exportedModel(request) {
  const folder = mkdtempSync(join(tmpdir(), "espalier-onnx-"));
  try {
    const path = join(folder, "bert-mini.onnx");
    const script = fileURLToPath(new URL("export_onnx.py", import.meta.url));
    execFileSync(process.env.PYTHON ?? "python3", [script, path], {
      input: JSON.stringify(request),
      stdio: ["pipe", "ignore", "ignore"],
    });
    return readFileSync(path);
  } catch {
    throw Object.assign(new Error("no PyTorch to export the model"), { code: "MODULE_NOT_FOUND" });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

await servePeer(async (request) => {
  const require = createRequire(import.meta.url);
  const isNative = request.runtime === "node";
  const name = `onnxruntime-${request.runtime}`;
  const runtime = require(name);
  const model = exportedModel(request);
  if (!isNative) runtime.env.wasm.numThreads = request.threads;
  const options = isNative
    ? { intraOpNumThreads: request.threads, interOpNumThreads: 1 }
    : { executionProviders: ["wasm"] };
  const session = await runtime.InferenceSession.create(new Uint8Array(model), options);
  const { batch, positions, tokens, ids } = batchOf(request);
  const mask = Float32Array.from({ length: tokens }, (_, i) =>
    i % positions < request.lengths[Math.floor(i / positions)] ? 1 : 0,
  );
  const shape = [batch, positions];
  const feeds = {
    ids: new runtime.Tensor("int64", BigInt64Array.from(ids, BigInt), shape),
    mask: new runtime.Tensor("float32", mask, shape),
  };
  return {
    name: `${name} ${runtime.env.versions[request.runtime]}`,
    runs: { forward: () => session.run(feeds) },
  };
});
