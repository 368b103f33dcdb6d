import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { type CaseFiles, openCase } from "../../src/conform/case-files.ts";
import { caseRefusal } from "../../src/conform/families.ts";
import { replaySlim } from "../../src/conform/slim.ts";
import { writeSafetensors } from "../../src/io/safetensors.ts";
import { createBackend } from "../../src/kernels/backend.ts";
import { sharedPath } from "../io/sources.ts";
import { VARIANTS } from "../kernels/subjects.ts";
import { needing } from "../needs.ts";

const OWN = join(import.meta.dirname, "../golden/slim");
// The project's own folder lacks this case.
const FOUND = sharedPath("ESPALIER_GOLDEN", "slim/find-gpt2");
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

function judgedCases(folder: string): readonly CaseFiles[] {
  return readdirSync(folder)
    .map((name) => readCase(folder, name))
    .filter(({ json }) => caseRefusal("slim", json) === undefined);
}

describe.each(VARIANTS)("slim vectors on %s kernels", (_, kernels) => {
  test("pass", () => {
    const cases = judgedCases(OWN);
    expect(cases).toHaveLength(7);
    for (const files of cases)
      expect(replaySlim(files, kernels).detail, files.name).toBeUndefined();
  });

  test(needing("shared data", "all pass"), ({ skip }) => {
    if (SHARED === undefined) return skip();
    const cases = judgedCases(SHARED);
    expect(cases.length).toBeGreaterThanOrEqual(25);
    for (const files of cases)
      expect(replaySlim(files, kernels).detail, files.name).toBeUndefined();
  });
});

test(
  needing("shared data", "those that show INC's search are outside, with the reason"),
  ({ skip }) => {
    if (SHARED === undefined) return skip();
    const reasons = readdirSync(SHARED).flatMap((name) => {
      const reason = caseRefusal("slim", readCase(SHARED, name).json);
      return reason === undefined ? [] : [[name, reason] as const];
    });
    const others = reasons.filter(
      ([, reason]) => reason === "a model that only INC's search knows",
    );
    expect(others).toHaveLength(20);
    const failing = reasons
      .filter(([, reason]) => reason.includes("search fails"))
      .map(([name]) => name);
    expect(reasons).toHaveLength(26);
    expect(failing).toEqual([
      "find-bert-model",
      "find-bert-short",
      "find-distilbert",
      "mha-distilbert",
      "slim-distilbert-seqcls",
    ]);
  },
);

function detail(files: CaseFiles): string | undefined {
  return replaySlim(files, backend).detail;
}

/** The case with the last byte of the last tensor of a kind changed. */
function alterTensor(files: CaseFiles, kind: string): CaseFiles {
  const { tensors } = openCase(files);
  const name = [...tensors.keys()]
    .filter((key) => key.startsWith(kind) && (tensors.get(key)?.bytes.length ?? 0) > 0)
    .at(-1);
  const tensor = tensors.get(name ?? "");
  if (name === undefined || tensor === undefined) throw new Error(`no ${kind}`);
  const bytes = new Uint8Array(tensor.bytes);
  const last = bytes.length - 1;
  bytes[last] = tensor.dtype === "U8" ? 1 - (bytes[last] as number) : 0x42;
  const altered = writeSafetensors(new Map([...tensors, [name, { ...tensor, bytes }]]));
  return { ...files, tensors: altered };
}

describe("an altered vector fails", () => {
  test.each([
    ["ffn2-round1", "slim/"],
    ["ffn2-round1", "out/before"],
    ["ffn2-round1", "out/after"],
    ["ffn2-round1", "param/bert.encoder.layer.0.output.dense.weight"],
    ["mha-all-heads", "param/bert.encoder.layer.0.attention.self.query.weight"],
    ["mha-all-heads", "out/after"],
    ["slim-distilbert", "slim/"],
    ["slim-distilbert", "out/after"],
    ["pipeline-ffn2-magnitude", "mask/"],
    ["pipeline-ffn2-magnitude", "grad/1/"],
    ["pipeline-ffn2-magnitude", "wT/"],
    ["pipeline-ffn2-magnitude", "slim/"],
    ["masks-given", "metric/"],
    ["masks-given", "slim/"],
    ["units", "param/5"],
    ["units", "slim/"],
  ])("%s: %s", (name, kind) => {
    const files = readCase(OWN, name);
    expect(detail(files)).toBeUndefined();
    expect(detail(alterTensor(files, kind))).toMatch(/expected .* got /);
  });

  test.each([
    ["ffn2-round1", "[12,14,15,17,22]", "[12,14,15,17,21]"],
    ["ffn2-round1", '"round_multiplier":1', '"round_multiplier":4'],
    ["ffn2-round1", "[[12,24],[12,19]]", "[[12,24],[12,18]]"],
    ["mha-all-heads", '"num_attention_heads":[2,0]', '"num_attention_heads":[2,1]'],
    ["mha-all-heads", "[0,1]\n", "[0]\n"],
    ["pipeline-ffn2-magnitude", '"w_zeros":[48,48]', '"w_zeros":[48,49]'],
    [
      "pipeline-ffn2-magnitude",
      '"current_sparsity_ratio":[0.25]',
      '"current_sparsity_ratio":[0.3]',
    ],
    ["pipeline-ffn2-magnitude", '"steps": 6', '"steps": 7'],
    ["find-bert", '"result":["2xchannel"', '"result":["4xchannel"'],
    ["find-bert", '"mha_name":["bert.encoder.layer.0', '"mha_name":["bert.encoder.layer.1'],
    [
      "find-bert",
      '"result":[{"pattern":"mha","target_sparsity":0.3',
      '"result":[{"pattern":"mha","target_sparsity":0.4',
    ],
    ["units", '{"result":[1,0,1,1,0,1]}', '{"result":[1,0,1,1,0,0]}'],
    ["units", '"keep":[1,2,4,6]', '"keep":[1,2,4,5]'],
    ["units", '"in_features":3,', '"in_features":4,'],
    ["units", '"index":[0,5]', '"index":[0,3]'],
    ["units", '"function":"obtain_input_masks"', '"function":"other"'],
    ["masks-given", '"round_value":0', '"round_value":8'],
  ])("%s: %s as %s", (name, before, after) => {
    const files = readCase(OWN, name);
    const json = files.json.replace(before, after);
    expect(json).not.toBe(files.json);
    expect(detail({ ...files, json })).toMatch(/expected .* got /);
  });
});

describe("what is outside", () => {
  const outside = (name: string, before: string, after: string): string | undefined => {
    const { json } = readCase(OWN, name);
    const changed = json.replace(before, after);
    expect(changed).not.toBe(json);
    return caseRefusal("slim", changed);
  };

  test("models and activations that the project does not have, by name", () => {
    const knows = "a model that only INC's search knows";
    expect(outside("ffn2-round1", "BertForSequenceClassification", "OPTForCausalLM")).toBe(knows);
    const act = outside("ffn2-round1", '"num_labels":2', '"num_labels":2,"hidden_act":"mish"');
    expect(act).toMatch(/^hidden_act: expected /);
  });

  test("not the heads of a model in which INC finds no pairs", () => {
    const files = readCase(OWN, "mha-all-heads");
    const json = files.json
      .replace('"api": "model_slim_mha"', '"api": "model_slim"')
      .replace('"log": [', '"log": ["model Linear2Linear slim failed.",');
    expect(caseRefusal("slim", json)).toBeUndefined();
    expect(detail({ ...files, json })).toBeUndefined();
    const found = json.replace("model Linear2Linear slim failed.", "Found 1 linear2linear");
    expect(detail({ ...files, json: found })).toMatch(/^removed/);
  });
});
