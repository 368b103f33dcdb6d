import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import type { CaseFiles } from "../../src/conform/case-files.ts";
import { replayJoint } from "../../src/conform/joint.ts";
import type { Verdict } from "../../src/conform/verdict.ts";
import { type Backend, createBackend } from "../../src/kernels/backend.ts";
import type { Kernels } from "../../src/kernels/table.ts";
import { createNodeBackend } from "../../src/node/threaded-backend.ts";
import { VARIANT_NAMES } from "../kernels/subjects.ts";

const ROOT = new URL("../golden/joint/", import.meta.url);
const NAMES = readdirSync(ROOT);

function readCase(name: string): CaseFiles {
  return {
    name,
    json: readFileSync(new URL(`${name}/case.json`, ROOT), "utf8"),
    tensors: new Uint8Array(readFileSync(new URL(`${name}/tensors.safetensors`, ROOT))),
  };
}

const backend = createBackend({ variant: "scalar" });

/** A backend that counts products with compressed weights. */
function compressedProducts({ kernels, memory }: Backend) {
  let count = 0;
  const blockSparseForward: Kernels["blockSparseForward"] = (...values) => {
    count++;
    kernels.blockSparseForward(...values);
  };
  return { backend: { kernels: { ...kernels, blockSparseForward }, memory }, count: () => count };
}

function replayOne(files: CaseFiles): Verdict {
  return replayJoint(files, backend);
}

/** The case with its tensors' first byte for which `find` is true changed. */
function alterTensor(files: CaseFiles, name: string): CaseFiles {
  const tensors = files.tensors.slice();
  const view = new DataView(tensors.buffer);
  const headerLength = Number(view.getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(tensors.subarray(8, 8 + headerLength)));
  const start = 8 + headerLength + header[name].data_offsets[0];
  tensors[start + (header[name].dtype === "F32" ? 3 : 0)] ^= 1;
  return { ...files, tensors };
}

describe.each(VARIANT_NAMES)("joint vectors on %s kernels", (variant) => {
  test.each(NAMES)("%s", (name) => {
    const verdict = replayJoint(readCase(name), createBackend({ variant }));
    expect(verdict).toEqual({ name, family: "joint", status: "passed", passed: true });
  });

  test.each(NAMES)("%s, with every pruned weight in compressed form", (name) => {
    const products = compressedProducts(createBackend({ variant }));
    const verdict = replayJoint(readCase(name), products.backend, "always");
    expect(verdict).toEqual({ name, family: "joint", status: "passed", passed: true });
    expect(products.count()).toBeGreaterThan(0);
  });
});

const COMPILED = VARIANT_NAMES.filter((variant) => variant !== "scalar");

test.each(COMPILED)("all joint vectors on %s kernels and two threads", async (variant) => {
  const team = await createNodeBackend({ variant, threads: 2 });
  const cases = NAMES.map(readCase);
  for (const products of ["off", "always"] as const) {
    const verdicts = cases.map((files) => replayJoint(files, team, products));
    expect(verdicts.filter((one) => !one.passed)).toEqual([]);
  }
  team.stop();
});

test("an altered loss is found", () => {
  const files = readCase("2of4-distil");
  const json = files.json.replace(/("step": ?3, ?"loss": ?)([\d.]+)/, (_, key, loss) => {
    return `${key}${Number(loss) * 1.0001}`;
  });
  expect(json).not.toBe(files.json);
  expect(replayOne({ ...files, json }).detail).toMatch(/^step 3, loss: expected/);
});

test("an altered learning rate is found", () => {
  const files = readCase("4x1-cross-entropy-linear");
  const json = files.json.replace(/("lr": ?)([\d.e-]+)/, (_, key, rate) => {
    return `${key}${Number(rate) * 1.0001}`;
  });
  expect(json).not.toBe(files.json);
  expect(replayOne({ ...files, json }).detail).toMatch(/^step 0, learning rate: expected/);
});

test("an altered mask is found", () => {
  const files = readCase("2of4-distil");
  const name = [...new TextDecoder().decode(files.tensors).matchAll(/"(mask\/[^"]+)"/g)][0]?.[1];
  expect(replayOne(alterTensor(files, name ?? "")).detail).toMatch(
    /^step \d+, layer \S+, mask\[0\]: expected/,
  );
});

test("an altered final weight is found", () => {
  const files = alterTensor(readCase("2of4-distil"), "final/bert.pooler.dense.weight");
  expect(replayOne(files).detail).toMatch(
    /^layer bert\.pooler\.dense\.weight, final weight\[0\]: expected/,
  );
});

test("an altered token is found", () => {
  const files = alterTensor(readCase("2of4-distil"), "batch/2/input_ids");
  expect(replayOne(files).passed).toBe(false);
});
