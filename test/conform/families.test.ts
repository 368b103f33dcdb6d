import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import {
  caseFamily,
  caseRefusal,
  FAMILIES,
  replayRows,
  rowFamily,
} from "../../src/conform/families.ts";
import { createBackend } from "../../src/kernels/backend.ts";

const GOLDEN = join(import.meta.dirname, "../golden");

function firstCase(family: string): string {
  const [name = ""] = readdirSync(join(GOLDEN, family), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name);
  return readFileSync(join(GOLDEN, family, name, "case.json"), "utf8");
}

describe("the family of a case", () => {
  test.each(["heads", "joint", "model", "pruning", "slim", "strict"])(
    "%s, in any folder",
    (family) => {
      expect(caseFamily(firstCase(family), ["b", "a"])).toBe(family);
    },
  );

  test("is that of the nearest folder if its form says nothing", () => {
    expect(caseFamily("{}", ["x", "joint", "model"])).toBe("joint");
    expect(caseFamily("{}", ["x", "toString"])).toBeUndefined();
  });

  test("is not known for sets of other forms", () => {
    expect(caseFamily('{"pruners":[],"model":{"hf":"BertModel"}}', ["others"])).toBeUndefined();
    expect(caseFamily('{"teacher_config":{},"class":"BertModel"}', ["others"])).toBeUndefined();
  });

  test("is encoders for models with the type of their problem, which may be impossible to run", () => {
    const json = { class: "BertForSequenceClassification", problem_type_resolved: "regression" };
    const runnable = { ...json, kind: "bert", config: { num_labels: 1 }, teacher_config: {} };
    expect(caseFamily(JSON.stringify(runnable), ["x"])).toBe("encoders");
    expect(caseRefusal("encoders", JSON.stringify(runnable))).toBeUndefined();
    const refusalOf = (change: object): string | undefined =>
      caseRefusal("encoders", JSON.stringify({ ...runnable, ...change }));
    expect(refusalOf({ kind: "unknown" })).toContain("model_type: expected ");
    expect(refusalOf({ config: { hidden_act: "unknown" } })).toContain("hidden_act: expected ");
    expect(refusalOf({ config: { hidden_act: "unknown" } })).not.toContain("\n");
    expect(refusalOf({ teacher_config: undefined })).toBe("the vector has no teacher");
    expect(caseRefusal("model", JSON.stringify(json))).toBeUndefined();
  });

  test("is pruning for a file that cannot be read, so that it fails", () => {
    for (const text of ["", "{", "[]"]) expect(caseFamily(text, ["x"])).toBe("pruning");
    expect(caseFamily("", ["x", "model"])).toBe("model");
  });
});

describe("the family of a file", () => {
  test.each([
    ["lr_schedule.json", "x", "", "model"],
    ["adamw.json", "x", "", "encoders"],
    ["metrics.json", "x", "", "metrics"],
    ["lr_schedules.json", "x", "", "model"],
    ["schedule.json", "x", "", "pruning_tables"],
    ["other.json", "pruning_tables", "", "pruning_tables"],
    ["other.json", "x", "", undefined],
    ["schedule.txt", "pruning_tables", "", undefined],
    ["my-cases.jsonl", "x", '{"text":""}\n', "tokenizer"],
    ["cases.jsonl", "x", "{", "tokenizer"],
    ["cases.jsonl", "x", '{"text":"","attention_mask":[1]}\n', "tokenizers"],
  ])("%s in %s", (name, folder, text, family) => {
    expect(rowFamily(name, folder, text)).toBe(family);
  });

  test("tokenizer vectors are replayed with a tokenizer alone", () => {
    expect(replayRows("tokenizer", "cases.jsonl", "{}\n", createBackend(), null)).toEqual([]);
  });
});

test("every family has a folder of its own", () => {
  const folders = readdirSync(GOLDEN);
  // Vectors of encoders are large, the tokenizer's quote data sets; others are in test/vectors.
  expect(FAMILIES.filter((family) => !folders.includes(family))).toEqual([
    "encoders",
    "rows",
    "metrics",
    "tokenizer",
    "tokenizers",
  ]);
});
