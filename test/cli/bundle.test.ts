import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { beforeAll, expect, test } from "vitest";
import { loadClassifier as loadInFull } from "../../src/run/classifier.ts";
import { loadClassifier } from "../../src/run/runtime.ts";
import { requireBuild } from "../packaging/distribution.ts";
import { saveFastModel, TOKENIZER } from "../run/fast-model.ts";
import { espalier, temporaryDirectory } from "./fixtures.ts";

const root = temporaryDirectory();
const path = (...parts: string[]): string => join(root, ...parts);

beforeAll(async () => {
  requireBuild();
  await saveFastModel(path("model"));
});

test("writes a site whose model gives the results of the directory, bit for bit", async () => {
  const { code, out } = await espalier(["bundle", path("model"), "--out", path("site"), "--json"]);
  expect(code).toBe(0);
  const { files } = JSON.parse(out) as { files: readonly { name: string; bytes: number }[] };
  const written = readdirSync(path("site"), { recursive: true, encoding: "utf8" }).sort();
  expect(written).toEqual([...files.map(({ name }) => name), "kernels"].sort());
  for (const { name, bytes } of files) expect(readFileSync(path("site", name)).length).toBe(bytes);
  const bytes = (name: string): Uint8Array => new Uint8Array(readFileSync(path("site", name)));
  const kernels = bytes("kernels/simd.wasm");
  const classifier = await loadClassifier(bytes("model.safetensors"), { kernels });
  const model = readdirSync(path("model")).map((name) => {
    return { name, bytes: new Uint8Array(readFileSync(path("model", name))) };
  });
  const expected = await loadInFull(model, { variant: "simd" });
  const texts = ["the old tree", "a wall"];
  expect(await classifier.classify(texts)).toEqual(await expected.classify(texts));
});

test("adds the code of a tokenizer that is not BERT's, which the runtime names if it is missing", async () => {
  const normalizer = { type: "NFKC" };
  await saveFastModel(path("other"), {}, { ...TOKENIZER, normalizer });
  const { code } = await espalier(["bundle", path("other"), "--out", path("whole")]);
  expect(code).toBe(0);
  expect(readdirSync(path("site"))).not.toContain("runtime-tokenizers.js");
  const bytes = (name: string): Uint8Array => new Uint8Array(readFileSync(path("whole", name)));
  const kernels = bytes("kernels/simd.wasm");
  const load = async (folder: string) => {
    const runtime = pathToFileURL(path(folder, "runtime.js")).href;
    const { loadClassifier }: typeof import("../../src/run/runtime.ts") = await import(runtime);
    return loadClassifier(bytes("model.safetensors"), { kernels });
  };
  const [found] = await (await load("whole")).classify(["the \ufb01rst tree"]);
  const [same] = await (await load("whole")).classify(["the first tree"]);
  expect(found).toEqual(same);
  mkdirSync(path("alone"));
  writeFileSync(path("alone", "runtime.js"), bytes("runtime.js"));
  const refused = await load("alone").catch(String);
  expect(refused).toMatch(/normalizer.type: expected one of BertNormalizer, Lowercase, Strip/);
  expect(refused).toContain(
    "runtime-tokenizers.js: expected this file of espalier beside the runtime",
  );
});

test("prints the sizes of all files", async () => {
  const { code, out } = await espalier(["bundle", path("model"), "--out", path("table")]);
  expect(code).toBe(0);
  expect(out).toMatch(/^file +bytes +gzip +brotli\n/);
  expect(out).toMatch(/\nruntime\.js +\d+ +\d+ +\d+\n/);
});

test("refuses existing results, missing models and unreadable tokenizers, and leaves nothing", async () => {
  mkdirSync(path("taken"));
  const refused = async (...argv: string[]): Promise<string> => {
    const { code, err } = await espalier(["bundle", ...argv]);
    expect(code).toBe(2);
    return err;
  };
  expect(await refused(path("model"), "--out", path("taken"))).toContain(
    "--out: expected a path where nothing is yet",
  );
  expect(await refused(path("model"))).toContain("--out: expected a path for the result");
  expect(await refused(path("missing"), "--out", path("new"))).toContain("MODEL");
  await saveFastModel(path("bare"));
  rmSync(path("bare", "tokenizer.json"));
  expect(await refused(path("bare"), "--out", path("new"))).toContain("tokenizer.json");
  expect(existsSync(path("new"))).toBe(false);
});
