import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { replayCalibrated } from "../../src/conform/calibrated.ts";
import type { CaseFiles } from "../../src/conform/case-files.ts";
import { caseRefusal } from "../../src/conform/families.ts";
import {
  readSafetensorsOrThrow,
  type StoredTensor,
  writeSafetensors,
} from "../../src/io/safetensors.ts";
import { createBackend } from "../../src/kernels/backend.ts";

const ROOT = join(import.meta.dirname, "../golden/calibrated");
const NAMES = readdirSync(ROOT).sort();
const backend = createBackend({ variant: "scalar" });

function readCase(name: string): CaseFiles {
  return {
    name,
    json: readFileSync(join(ROOT, name, "case.json"), "utf8"),
    tensors: new Uint8Array(readFileSync(join(ROOT, name, "tensors.safetensors"))),
  };
}

describe.each(["scalar", "simd"] as const)("kernels %s", (variant) => {
  const own = createBackend({ variant });
  test("replay every committed vector", () => {
    const verdicts = NAMES.map((name) => replayCalibrated(readCase(name), own));
    expect(verdicts.filter(({ passed }) => !passed)).toEqual([]);
    // These show what a model of several layers does; their layers agree.
    const stacks = verdicts.filter(({ status }) => status === "acceptable");
    expect(stacks.map(({ name }) => name)).toEqual([
      "sparsegpt-stack-nested-index",
      "sparsegpt-stack-overlap",
      "sparsegpt-stack-tensor-blocks",
    ]);
  });
});

/** The case with one tensor changed. */
function altered(name: string, tensor: string, change: (values: Float32Array) => void): CaseFiles {
  const files = readCase(name);
  const { tensors } = readSafetensorsOrThrow(files.tensors);
  const stored = tensors.get(tensor) as StoredTensor;
  const bytes = stored.bytes.slice();
  if (stored.dtype === "U8") bytes[0] = 1 - (bytes[0] ?? 0);
  else change(new Float32Array(bytes.buffer));
  return {
    ...files,
    tensors: writeSafetensors(new Map(tensors).set(tensor, { ...stored, bytes })),
  };
}

/** The case with a changed `case.json`. */
function restated(name: string, change: (json: Record<string, never>) => object): CaseFiles {
  const files = readCase(name);
  return { ...files, json: JSON.stringify(change(JSON.parse(files.json))) };
}

/** Adds a share of the largest magnitude to the largest value. */
const raise = (share: number) => (values: Float32Array) => {
  const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const place = values.findIndex((value) => Math.abs(value) === largest);
  values[place] = (values[place] ?? 0) + share * largest;
};

test.each([
  ["sparsegpt-2of4", "mask/layers.0.fc", 0],
  ["sparsegpt-2of4", "w1/layers.0.fc", 7e-5],
  ["sparsegpt-2of4", "H/layers.0.fc", 2e-5],
  ["sparsegpt-stack-nested-index", "H/layers.0.experts.1.fc", 2e-5],
  ["sparsegpt-bf16", "w1/layers.0.fc", 0.02],
  ["wanda-50", "mask/layers.0.fc", 0],
  ["wanda-50", "w1/layers.0.fc", 1e-6],
  ["wanda-50", "scaler_row/layers.0.fc", 4e-6],
  ["dsnot-50-dead-magnitude", "mask/layers.0.fc", 0],
  ["dsnot-50-dead-magnitude", "scaler_row/layers.0.fc", 4e-6],
  ["dsnot-50-dead-magnitude", "sum_metric_row/layers.0.fc", 4e-6],
  ["dsnot-50-dead-magnitude", "var/layers.0.fc", 4e-6],
  ["wanda-variant-5", "scaler_row/layers.0.fc", 4e-6],
])("%s fails with an altered %s", (name, tensor, share) => {
  const [quantity = ""] = tensor.split("/");
  const { status, difference } = replayCalibrated(altered(name, tensor, raise(share)), backend);
  expect(status).toBe("failed");
  expect(difference?.quantity).toContain(quantity);
});

test("a tensor within the tolerance passes, and a missing one fails", () => {
  const near = altered("sparsegpt-2of4", "w1/layers.0.fc", raise(2e-5));
  expect(replayCalibrated(near, backend).status).toBe("passed");
  for (const missing of ["mask/layers.0.fc", "H/layers.0.fc", "batch/1/x"]) {
    const files = readCase("sparsegpt-2of4");
    const tensors = new Map(readSafetensorsOrThrow(files.tensors).tensors);
    tensors.delete(missing);
    const verdict = replayCalibrated({ ...files, tensors: writeSafetensors(tensors) }, backend);
    expect(verdict.detail).toMatch(new RegExp(`expected ${missing}`));
  }
});

test.each([
  ["sparsegpt-2of4", "zeros", "zeros"],
  ["sparsegpt-2of4", "nsamples", "nsamples"],
  ["wanda-50", "ntokens", "ntokens"],
  ["wanda-variant-50", "alpha", "alpha"],
  ["wanda-variant-50", "alpha_sparsity", "alpha_sparsity"],
])("%s fails with other %s", (name, field, quantity) => {
  const other = restated(name, ({ order, ...json }) => {
    const [first, ...rest] = order as Record<string, number>[];
    return { ...json, order: [{ ...first, [field]: (first?.[field] ?? 0) + 1 }, ...rest] };
  });
  expect(replayCalibrated(other, backend).difference?.quantity).toBe(quantity);
});

test("a layer or a configuration that is accepted, although INC fails on it, has failed", () => {
  const layer = restated("sparsegpt-2of4-17cols", (json) => ({
    ...json,
    config: { pruning_configs: [{ pruning_type: "sparse_gpt", pattern: "1x1" }] },
  }));
  expect(replayCalibrated(layer, backend).detail).toMatch(/expected refused, got pruned/);
  const configuration = restated("sparsegpt-4x1", (json) => ({
    ...json,
    config: { pruning_configs: [{ pruning_type: "sparse_gpt", pattern: "1x16" }] },
  }));
  expect(replayCalibrated(configuration, backend).detail).toMatch(/expected refused, got accepted/);
});

test("a case without a pruned layer is outside, and the layers before a failure are judged", () => {
  const error = { type: "AttributeError", message: "", during: "", in: ["pruning.py:__init__"] };
  const none = restated("sparsegpt-4x1", (json) => ({ ...json, error }));
  expect(caseRefusal("calibrated", none.json)).toBe(
    "the original prunes no layer: it fails on the model's modules with AttributeError",
  );
  const api = "prepare_compression";
  const accepted = restated("sparsegpt-4x1", ({ error: _, ...json }) => ({ ...json, api }));
  expect(caseRefusal("calibrated", accepted.json)).toBe(
    "the original prunes no layer in prepare_compression",
  );
  for (const name of NAMES) expect(caseRefusal("calibrated", readCase(name).json)).toBeUndefined();
  const some = restated("sparsegpt-2of4", (json) => ({ ...json, error }));
  expect(replayCalibrated(some, backend).status).toBe("acceptable");
});
