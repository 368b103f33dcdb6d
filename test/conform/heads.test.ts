import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { type CaseFiles, openCase } from "../../src/conform/case-files.ts";
import { caseRefusal } from "../../src/conform/families.ts";
import { replayHeads } from "../../src/conform/heads.ts";
import { writeSafetensors } from "../../src/io/safetensors.ts";
import { createBackend } from "../../src/kernels/backend.ts";
import { sharedPath } from "../io/sources.ts";
import { VARIANTS } from "../kernels/subjects.ts";
import { needing } from "../needs.ts";

const OWN = join(import.meta.dirname, "../golden/heads");
// The project's own folder lacks this case.
const FOUND = sharedPath("ESPALIER_GOLDEN", "heads/gpt2");
const SHARED = FOUND && dirname(FOUND);
const backend = createBackend({ variant: "scalar" });

function readCase(folder: string, name: string): CaseFiles {
  const tensors = join(folder, name, "tensors.safetensors");
  return {
    name,
    json: readFileSync(join(folder, name, "case.json"), "utf8"),
    tensors: existsSync(tensors)
      ? new Uint8Array(readFileSync(tensors))
      : writeSafetensors(new Map()),
  };
}

/** The vectors below a folder, and the reasons why others are outside. */
function readCases(folder: string) {
  const cases = readdirSync(folder).map((name) => readCase(folder, name));
  const outside = cases.flatMap(({ name, json }) => {
    const reason = caseRefusal("heads", json);
    return reason === undefined ? [] : [`${name}: ${reason}`];
  });
  return { judged: cases.filter(({ json }) => caseRefusal("heads", json) === undefined), outside };
}

describe.each(VARIANTS)("vectors of heads on %s kernels", (_, kernels) => {
  test("pass", () => {
    const { judged } = readCases(OWN);
    expect(judged).toHaveLength(7);
    for (const files of judged)
      expect(replayHeads(files, kernels).detail, files.name).toBeUndefined();
  });

  test(needing("shared data", "all pass"), ({ skip }) => {
    if (SHARED === undefined) return skip();
    const { judged } = readCases(SHARED);
    expect(judged.length).toBeGreaterThanOrEqual(19);
    for (const files of judged)
      expect(replayHeads(files, kernels).detail, files.name).toBeUndefined();
  });
});

test(needing("shared data", "those that show INC's tracer are outside"), ({ skip }) => {
  if (SHARED === undefined) return skip();
  expect(readCases(SHARED).outside).toEqual([
    "decoder-with-cache: INC's tracer fails on this model",
    "distilbert: INC's tracer fails on this model",
    "gpt2: INC's tracer finds no attention layer in this model",
    "short-positions: INC's tracer fails on this model",
  ]);
});

/** The case's tensors with one element of the last one of a kind changed. */
function alterTensor(files: CaseFiles, kind: string): CaseFiles {
  const { tensors } = openCase(files);
  const name = [...tensors.keys()].filter((key) => key.startsWith(kind)).at(-1) ?? "";
  const tensor = tensors.get(name);
  if (tensor === undefined) throw new Error(`no ${kind}`);
  const bytes = new Uint8Array(tensor.bytes);
  const last = bytes.length - 1;
  bytes[last] = tensor.dtype === "U8" ? 1 - (bytes[last] as number) : 0x42;
  const altered = writeSafetensors(new Map([...tensors, [name, { ...tensor, bytes }]]));
  return { ...files, tensors: altered };
}

/** The case without a tensor. */
function withoutTensor(files: CaseFiles, kind: string): CaseFiles {
  const kept = [...openCase(files).tensors].filter(([name]) => !name.startsWith(kind));
  return { ...files, tensors: writeSafetensors(new Map(kept)) };
}

function detail(files: CaseFiles): string | undefined {
  return replayHeads(files, backend).detail;
}

describe("an altered vector fails, and says where", () => {
  const recorded = readCase(OWN, "low-memory");
  const trained = readCase(OWN, "bert-training");

  test.each(["mask/", "score/", "wT/", "grad/0/", "w0/"])("%s", (kind) => {
    expect(detail(alterTensor(recorded, kind))).toMatch(/^(step \d+, )?layer .* expected .* got /);
  });

  test.each(["mask/", "score/", "final/", "batch/3/labels", "param/classifier", "out/logits"])(
    "%s of a trained model",
    (kind) => {
      if (kind === "out/logits") {
        const { tensors } = openCase(trained);
        const other = { ...(tensors.get("out/logits") as object), bytes: new Uint8Array(32) };
        const altered = writeSafetensors(new Map([...tensors, [kind, other as never]]));
        expect(detail({ ...trained, tensors: altered })).toMatch(/^logits after the run/);
      } else expect(detail(alterTensor(trained, kind))).toMatch(/expected .* got /);
    },
  );

  test.each([
    ['"target_ratio":', "0.1,"],
    ['"scheduler_total":', "5,"],
    ['"w_zeros":[', "1,"],
    ['"current_sparsity_ratio":[', "0.9,"],
    ['"steps": ', "9,"],
  ])("%s", (key, value) => {
    const at = recorded.json.lastIndexOf(key) + key.length;
    const json = recorded.json.slice(0, at) + recorded.json.slice(at).replace(/^[^,\]]*,?/, value);
    expect(detail({ ...recorded, json })).toMatch(/expected .* got /);
  });

  test("missing scores, weights and tensors", () => {
    expect(detail(withoutTensor(recorded, "score/5"))).toMatch(/^step 5, layer .* score/);
    expect(detail(withoutTensor(recorded, "wT/"))).toMatch(/final weight: expected a tensor/);
    expect(detail(withoutTensor(recorded, "w0/"))).toBeDefined();
    expect(detail(withoutTensor(trained, "final/"))).toMatch(/final weight: expected a tensor/);
  });

  test("settings on which INC fails, if they are right ones", () => {
    const files = readCase(OWN, "max-reduce");
    expect(detail(files)).toBeUndefined();
    const json = files.json.replace(
      '"criterion_reduce_type":"max"',
      '"criterion_reduce_type":"mean"',
    );
    expect(detail({ ...files, json })).toMatch(/^step 1, outcome: expected a refusal/);
  });
});
