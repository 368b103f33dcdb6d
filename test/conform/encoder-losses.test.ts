import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { CaseFiles } from "../../src/conform/case-files.ts";
import { replayEncoderLosses } from "../../src/conform/encoder-losses.ts";
import {
  type StoredTensor,
  tensorFromFloat32,
  writeSafetensors,
} from "../../src/io/safetensors.ts";
import { createBackend } from "../../src/kernels/backend.ts";
import { sharedPath } from "../io/sources.ts";
import { VARIANTS } from "../kernels/subjects.ts";
import { needing } from "../needs.ts";

/** A linear layer and a loss of torch 2.8: three rows, four inputs, one or three outputs. */
interface Recorded {
  readonly name: string;
  readonly labels: readonly number[];
  readonly logits: readonly number[];
  readonly pooled: readonly number[];
  readonly weight: readonly number[];
  readonly bias: readonly number[];
  readonly loss: number;
  readonly norm: number;
  readonly coefficient: number;
  readonly cross_entropy?: readonly object[];
}

const RECORDED: readonly Recorded[] = JSON.parse(
  readFileSync(join(import.meta.dirname, "../vectors/losses.json"), "utf8"),
);
const TYPES: Readonly<Record<string, string | null>> = {
  classes: null,
  "several-labels": "multi_label_classification",
  "several-values": "regression",
  "one-value": "regression",
};

function caseFiles({ name, cross_entropy, ...recorded }: Recorded, change = {}): CaseFiles {
  const outputs = recorded.bias.length;
  const float = (shape: readonly number[], values: readonly number[]): StoredTensor =>
    tensorFromFloat32("F32", shape, Float32Array.from(values));
  const integers = BigInt64Array.from(recorded.labels, (label) => BigInt(Math.round(label)));
  const isClasses = name === "classes";
  const labels: StoredTensor = isClasses
    ? { dtype: "I64", shape: [3], bytes: new Uint8Array(integers.buffer) }
    : float(outputs === 1 ? [3] : [3, outputs], recorded.labels);
  const json = {
    problem_type_resolved: TYPES[name],
    last_classifier_linear: "classifier",
    loss: recorded.loss,
    clip: { max_norm: 0.5, total_norm: recorded.norm, coefficient: recorded.coefficient },
    ...(cross_entropy && { cross_entropy }),
    ...change,
  };
  const tensors = new Map([
    ["in/labels", labels],
    ["out/logits", float([3, outputs], recorded.logits)],
    ["out/pooled", float([3, 4], recorded.pooled)],
    ["grad_ce/classifier.weight", float([outputs, 4], recorded.weight)],
    ["grad_ce/classifier.bias", float([outputs], recorded.bias)],
  ]);
  return { name, json: JSON.stringify(json), tensors: writeSafetensors(tensors) };
}

const FOLDER = sharedPath("ESPALIER_GOLDEN", "encoders");

describe.each(VARIANTS)("losses of vectors on %s kernels", (_, backend) => {
  test.each(RECORDED)("of $name equal torch's", (recorded) => {
    const verdict = replayEncoderLosses(caseFiles(recorded), backend);
    expect(verdict).toEqual({
      ...{ family: "encoders", name: `${recorded.name}:losses` },
      ...{ status: "passed", passed: true },
    });
  });

  test(needing("shared data", "of every encoder pass"), ({ skip }) => {
    if (FOLDER === undefined) return skip();
    const names = readdirSync(FOLDER, { withFileTypes: true })
      .filter((entry) => entry.isDirectory() && entry.name !== "tokenizers")
      .map(({ name }) => name);
    expect(names.length).toBeGreaterThanOrEqual(29);
    for (const name of names) {
      const json = readFileSync(join(FOLDER, name, "case.json"), "utf8");
      const tensors = new Uint8Array(readFileSync(join(FOLDER, name, "tensors.safetensors")));
      const { detail } = replayEncoderLosses({ name, json, tensors }, backend);
      expect(detail, name).toBeUndefined();
    }
  });
});

test("an altered vector fails, and says where", () => {
  const backend = createBackend({ variant: "scalar" });
  for (const recorded of RECORDED) {
    const detail = (change: object, tensors = {}): string | undefined =>
      replayEncoderLosses(caseFiles({ ...recorded, ...tensors }, change), backend).detail;
    const { loss, norm, coefficient, bias, weight } = recorded;
    expect(detail({ loss: loss * (1 + 3e-6) })).toContain("own loss");
    expect(detail({}, { bias: bias.map((value) => value + 1e-4) })).toContain("classifier.bias");
    expect(detail({}, { weight: weight.map((value) => value - 1e-4) })).toContain(
      "classifier.weight",
    );
    const clip = { max_norm: 0.5, total_norm: norm, coefficient };
    expect(detail({ clip: { ...clip, total_norm: norm * (1 + 3e-6) } })).toContain("total norm");
    expect(detail({ clip: { ...clip, coefficient: coefficient - 1e-5 } })).toContain(
      "clipping factor",
    );
    for (const [index, row] of (recorded.cross_entropy ?? []).entries()) {
      const rows = (altered: object) => ({
        cross_entropy: recorded.cross_entropy?.map((own, i) =>
          i === index ? { ...own, ...altered } : own,
        ),
      });
      const options = JSON.stringify(row).includes("label_smoothing") ? "labelSmoothing" : "";
      expect(detail(rows({ loss: 1 }))).toMatch(new RegExp(`cross_entropy .*${options}.* loss`));
      expect(detail(rows({ dlogits: [1] }))).toContain("dlogits");
    }
  }
});
