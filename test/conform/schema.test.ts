import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import { describe, expect, test } from "vitest";
import { manifestText } from "../../scripts/vector-manifest.ts";
import { readSafetensorsOrThrow } from "../../src/io/safetensors.ts";

const GOLDEN = join(import.meta.dirname, "../golden");
const SCHEMAS = join(GOLDEN, "schema");
const TOKENIZER = join(import.meta.dirname, "../vectors/tokenizer/cases.jsonl");
const NAME = "urn:espalier:conformance:1:";

function readJson(...path: readonly string[]): unknown {
  return JSON.parse(readFileSync(join(...path), "utf8"));
}

const ajv = new Ajv2020({
  strict: true,
  strictTypes: false,
  strictTuples: false,
  strictRequired: false,
});
const files = readdirSync(SCHEMAS);
for (const file of files) ajv.addSchema(readJson(SCHEMAS, file) as object);

function schema(name: string): ValidateFunction {
  const validate = ajv.getSchema(NAME + name);
  if (validate === undefined) throw new Error(`no schema ${name}`);
  return validate;
}

/** What a schema finds wrong, as text; empty where a value is valid. */
function problems(name: string, value: unknown): string {
  const validate = schema(name);
  return validate(value) ? "" : ajv.errorsText(validate.errors);
}

function casesOf(family: string): string[] {
  return readdirSync(join(GOLDEN, family)).filter((name) => !name.endsWith(".json"));
}

test("the schemas are named for their files, and refer to what there is", () => {
  for (const file of files) {
    const { $id, $schema } = readJson(SCHEMAS, file) as { $id: string; $schema: string };
    expect($id).toBe(NAME + file.replace(".schema.json", ""));
    expect($schema).toBe("https://json-schema.org/draft/2020-12/schema");
    expect(() => schema(file.replace(".schema.json", ""))).not.toThrow();
  }
});

describe("every committed vector is as its schema says", () => {
  test.each(["pruning", "model", "joint", "heads", "slim", "strict", "calibrated"])(
    "%s",
    (family) => {
      const names = casesOf(family);
      expect(names.length).toBeGreaterThan(5);
      const wrong = names
        .map((name) => [
          name,
          problems(`${family}-case`, readJson(GOLDEN, family, name, "case.json")),
        ])
        .filter(([, problem]) => problem !== "");
      expect(wrong).toEqual([]);
    },
  );

  test.each(readdirSync(join(GOLDEN, "pruning_tables")))("pruning_tables/%s", (file) => {
    const table = readJson(GOLDEN, "pruning_tables", file);
    expect(problems(file.replace(".json", ""), table)).toBe("");
  });

  test("model/lr_schedule.json", () => {
    expect(problems("lr_schedule", readJson(GOLDEN, "model", "lr_schedule.json"))).toBe("");
  });

  test("the project's own tokenizer lines", () => {
    const lines = readFileSync(TOKENIZER, "utf8").trimEnd().split("\n");
    const wrong = lines.map((line) => problems("tokenizer-line", JSON.parse(line)));
    expect(wrong.filter((problem) => problem !== "")).toEqual([]);
  });

  test("a schema refuses what it does not know", () => {
    const json = readJson(GOLDEN, "strict", "1x1-global", "case.json") as object;
    expect(problems("strict-case", { ...json, other: 1 })).toMatch(/additional properties/);
    expect(problems("strict-case", { ...json, result: "acceptable" })).not.toBe("");
    expect(problems("strict-case", { ...json, tied_blocks: { fc1: [0] } })).not.toBe("");
    const { events: _, ...rest } = readJson(
      GOLDEN,
      "pruning",
      "ties-const-weights",
      "case.json",
    ) as {
      events: unknown;
    };
    expect(problems("pruning-case", rest)).toMatch(/events/);
  });
});

/** The names and dtypes of tensors that docs/conformance.md lists, by family. */
const TENSORS: Readonly<Record<string, readonly (readonly [RegExp, string])[]>> = {
  pruning: [
    [/^w[0T]\/.+$/, "F32"],
    [/^grad\/\d+\/.+$/, "F32"],
    [/^score\/\d+\/.+$/, "F32"],
    [/^mgrad\/\d+\/.+$/, "F32"],
    [/^p?mask\/(init|\d+)\/.+$/, "U8"],
  ],
  joint: [
    [/^(param|teacher|final)\/.+$/, "F32"],
    [/^mask\/\d+\/.+$/, "U8"],
    [/^batch\/\d+\/(input_ids|token_type_ids|attention_mask|labels)$/, "I32"],
  ],
  model: [
    [/^in\/(input_ids|token_type_ids|attention_mask)$/, "I64"],
    [/^in\/labels$/, "I64|F32"],
    [/^(param|teacher|grad_ce|grad_mse|grad_kl)\/.+$/, "F32"],
    [/^out\/(hidden_states|attentions)\/\d+$/, "F32"],
    [/^out\/(pooled|pooler_output|logits|teacher_last_hidden|teacher_logits)$/, "F32"],
    [/^(adamw_b9|adamw_b999|hf_adamw_mse)\/step\d+\/.+$/, "F32"],
  ],
  heads: [
    [/^(w[0T]|param|final)\/.+$/, "F32"],
    [/^(grad|score)\/\d+\/.+$/, "F32"],
    [/^mask\/\d+\/.+$/, "U8"],
    [/^batch\/\d+\/(input_ids|attention_mask|labels)$/, "I32"],
    [/^out\/logits(_with_head_mask)?$/, "F32"],
  ],
  slim: [
    [/^(param|slim|metric|wT)\/.+$/, "F32"],
    [/^grad\/\d+\/.+$/, "F32"],
    [/^mask\/\d+\/.+$/, "U8"],
    [/^in\/ids$/, "I32"],
    [/^out\/(before|after)$/, "F32"],
  ],
  calibrated: [
    [/^(w[01]|param|H|scaler_row|sum_metric_row|var|metric)\/.+$/, "F32"],
    [/^(batch|in)\/\d+\/.+$/, "F32|I32"],
    [/^mask\/.+$/, "U8"],
  ],
  strict: [
    [/^(w|score)\/.+$/, "F32"],
    [/^mask\/.+$/, "U8"],
  ],
};

test.each(Object.keys(TENSORS))("tensors of %s have documented names and dtypes", (family) => {
  const known = TENSORS[family] ?? [];
  const strays = casesOf(family).flatMap((name) => {
    const path = join(GOLDEN, family, name, "tensors.safetensors");
    // Only what a search finds needs no tensors.
    if (family === "slim" && name.startsWith("find-")) return [];
    const bytes = readFileSync(path);
    const { tensors } = readSafetensorsOrThrow(new Uint8Array(bytes));
    return [...tensors]
      .filter(
        ([tensor, { dtype }]) =>
          !known.some(([form, dtypes]) => form.test(tensor) && dtypes.split("|").includes(dtype)),
      )
      .map(([tensor, { dtype }]) => `${name}: ${tensor} ${dtype}`);
  });
  expect(strays.slice(0, 10)).toEqual([]);
});

describe("the manifest", () => {
  const text = readFileSync(join(GOLDEN, "manifest.json"), "utf8");

  test("is what the vectors say", () => {
    expect(text).toBe(manifestText(GOLDEN));
  });

  test("is as its schema says, names schemas that exist, and each vector once", () => {
    const manifest = JSON.parse(text);
    expect(problems("manifest", manifest)).toBe("");
    const named = Object.values(manifest.families).flatMap(
      (family) => (family as { schemas: string[] }).schemas,
    );
    const others = ["schema/common.schema.json", "schema/manifest.schema.json"];
    expect([...named, ...others].sort()).toEqual(files.map((file) => `schema/${file}`).sort());
    const slugs = manifest.vectors.map(
      ({ family, slug }: { family: string; slug: string }) => `${family}/${slug}`,
    );
    expect(new Set(slugs).size).toBe(slugs.length);
  });
});
