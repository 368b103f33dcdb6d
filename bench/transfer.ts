/** Bytes over the wire of a deployed classifier: model, tokenizer and run-time code, compressed by Brotli. */
import { readFileSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { brotliCompress, constants } from "node:zlib";
import type { BenchContext, Benchmark, Cell } from "./benchmark.ts";
import { type DeployedModels, runCommand, withDeployedModels } from "./deployed-models.ts";
import { packedName } from "./deployed-subjects.ts";

/** The files that a page loads. */
interface Deployment {
  readonly name: string;
  readonly model: readonly string[];
  readonly tokenizer: readonly string[];
  readonly code: readonly string[];
}

const MEGA = 1e6;
const compress = promisify(brotliCompress);
const SETTINGS = { params: { [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY } };
/** The build, which lies beside this program. */
const DIST: string = fileURLToPath(new URL(".", import.meta.url));
const PEERS: string = fileURLToPath(new URL("../bench/peers/peers.mjs", import.meta.url));

/** A built file and the files that it imports. */
function withImports(file: string, found: Set<string> = new Set()): ReadonlySet<string> {
  if (found.has(file)) return found;
  found.add(file);
  const imports = readFileSync(file, "utf8").matchAll(/\b(?:from|import)\s*(["'])(\.\/[^"']+)\1/g);
  for (const [, , path = ""] of imports) withImports(join(dirname(file), path), found);
  return found;
}

/** The directory of a package's built files; undefined if it is not installed. */
function distOf(name: string, from: string): string | undefined {
  try {
    return dirname(createRequire(from).resolve(name));
  } catch {
    return undefined;
  }
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() === true;
}

const TOKENIZER_FILES = ["config.json", "tokenizer.json", "tokenizer_config.json"];

/** The files that a tokenizer is read from: tokenizer.json, or else vocab.txt. */
function tokenizerFiles(directory: string): readonly string[] {
  const files = TOKENIZER_FILES.map((name) => join(directory, name)).filter(isFile);
  const isFast = files.some((file) => file.endsWith("tokenizer.json"));
  return isFast ? files : [...files, join(directory, "vocab.txt")].filter(isFile);
}

/** The runtime with kernels that all engines with relaxed SIMD run, or the classifier for what the runtime does not read. */
async function ownDeployments(
  { packed, pruned }: DeployedModels,
  folder: string,
): Promise<readonly Deployment[]> {
  const runtime = [join(DIST, "runtime.js"), join(DIST, "kernels", "fma.wasm")];
  const classifier = [...withImports(join(DIST, "classifier.js"))];
  const deployed = (weights: string, directory: string, fitsRuntime: boolean): Deployment => ({
    name: `${fitsRuntime ? "espalier/runtime" : "espalier"}, ${weights}`,
    model: [join(directory, "model.packed.safetensors")],
    tokenizer: tokenizerFiles(directory),
    code: fitsRuntime ? runtime : classifier,
  });
  const found: Deployment[] = [];
  // Weights of floats are packed in float16.
  for (const { directory, isInt8, fitsRuntime } of packed) {
    if (isInt8 || directory === pruned.directory) {
      found.push(deployed(packedName(isInt8), directory, fitsRuntime));
      continue;
    }
    const half = join(folder, "packed-float16");
    await runCommand("pack", pruned.directory, "--out", half, "--dtype", "float16");
    found.push(deployed("pruned, float16", half, fitsRuntime));
  }
  return found;
}

function peerDeployments({ onnx }: DeployedModels): readonly Deployment[] {
  const transformers = distOf("@huggingface/transformers", PEERS);
  const web = distOf("onnxruntime-web", PEERS);
  if (onnx?.denseInt8 === undefined) return [];
  const files = { model: [onnx.denseInt8], tokenizer: tokenizerFiles(onnx.directory) };
  const found: Deployment[] = [];
  if (web !== undefined) {
    const code = ["ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm"];
    const name = "onnxruntime-web, dense, 8-bit (no code for the tokenizer)";
    found.push({ name, ...files, code: code.map((file) => join(web, file)) });
  }
  if (transformers === undefined) return found;
  const runtime = distOf("onnxruntime-web", join(transformers, "transformers.js"));
  if (runtime === undefined) return found;
  // The runtime that it loads in Chromium.
  const wasm = ["mjs", "wasm"].map((end) =>
    join(runtime, `ort-wasm-simd-threaded.asyncify.${end}`),
  );
  const code = [join(transformers, "transformers.min.js"), ...wasm];
  found.push({ name: "transformers.js, dense, 8-bit", ...files, code });
  if (onnx.prunedDynamic !== undefined)
    found.push({
      name: "transformers.js, pruned, 8-bit",
      ...files,
      model: [onnx.prunedDynamic],
      code,
    });
  return found;
}

/** Megabytes of files, each compressed; a file that several deployments share is compressed once. */
function createCompressor({ signal }: BenchContext) {
  const sizes = new Map<string, Promise<number>>();
  const sizeOf = (file: string): Promise<number> => {
    signal.throwIfAborted();
    const size =
      sizes.get(file) ?? compress(readFileSync(file), SETTINGS).then((one) => one.length);
    sizes.set(file, size);
    return size;
  };
  return async (files: readonly string[]): Promise<number> => {
    const bytes = await Promise.all(files.map(sizeOf));
    return bytes.reduce((sum, size) => sum + size, 0) / MEGA;
  };
}

/** Bytes over the wire of deployed classifiers. */
export const transferBenchmark: Benchmark = {
  run: (context) =>
    withDeployedModels(context, async (models, folder) => {
      const deployments = [...(await ownDeployments(models, folder)), ...peerDeployments(models)];
      const megabytes = createCompressor(context);
      // All at once, on the threads of Node.
      context.say(deployments.map(({ name }) => name).join("; "));
      const measure = async ({
        name,
        model,
        tokenizer,
        code,
      }: Deployment): Promise<readonly Cell[]> => {
        const isWasm = (file: string): boolean => file.endsWith(".wasm");
        const scripts = code.filter((file) => !isWasm(file));
        const parts = [model, tokenizer, scripts, code.filter(isWasm)];
        const sizes = await Promise.all(parts.map(megabytes));
        const total = sizes.reduce((sum, size) => sum + size, 0);
        const plain = parts.flat().reduce((sum, file) => sum + statSync(file).size, 0);
        return [name, ...sizes, total, plain / MEGA];
      };
      const rows = await Promise.all(deployments.map(measure));
      const part = (name: string) => ({ name: `${name}, MB`, digits: 3 });
      const columns = [
        { name: "deployment" },
        ...["model", "tokenizer", "scripts", "WebAssembly files", "all", "all without Brotli"].map(
          part,
        ),
      ];
      const title = `${models.title}: bytes over the wire, Brotli 11`;
      return { tables: [{ title, columns, rows }], plots: [] };
    }),
};
