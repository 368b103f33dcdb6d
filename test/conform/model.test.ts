import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type CaseFiles, openCase, tensorValues } from "../../src/conform/case-files.ts";
import { MODEL_TOLERANCES, replayModel } from "../../src/conform/model.ts";
import {
  closeModelCase,
  differentiate,
  openModelCase,
  withStudent,
} from "../../src/conform/model-case.ts";
import { readSafetensorsOrThrow, writeSafetensors } from "../../src/io/safetensors.ts";
import type { Backend } from "../../src/kernels/backend.ts";
import type { Padding } from "../../src/model/token-rows.ts";
import { createNodeBackend } from "../../src/node/threaded-backend.ts";
import { labelLoss } from "../../src/train/distillation.ts";
import { VARIANTS } from "../kernels/subjects.ts";

const ROOT = process.env.ESPALIER_GOLDEN ?? join(import.meta.dirname, "../golden");
const DIRECTORY = join(ROOT, "model");
const CASES: readonly CaseFiles[] = readdirSync(DIRECTORY)
  .filter((name) => existsSync(join(DIRECTORY, name, "case.json")))
  .map((name) => ({
    name,
    json: readFileSync(join(DIRECTORY, name, "case.json"), "utf8"),
    tensors: new Uint8Array(readFileSync(join(DIRECTORY, name, "tensors.safetensors"))),
  }));
const SMALLEST = CASES.find(({ name }) => name === "bert-3labels-1layer") ?? CASES[0];
const [[, SCALAR]] = VARIANTS.filter(([name]) => name === "scalar");

/** What the replay says of one case; undefined when it passes. */
function detailOf(files: CaseFiles, backend: Backend = SCALAR): string | undefined {
  const verdict = replayModel(files, backend);
  return verdict.passed ? undefined : (verdict.detail ?? "no detail");
}

/** The case with one entry of a tensor changed. */
function withTensor(
  files: CaseFiles,
  name: string,
  change: (values: Float32Array) => void,
): CaseFiles {
  const { tensors, metadata } = readSafetensorsOrThrow(files.tensors);
  const stored = tensors.get(name);
  if (stored === undefined) throw new Error(`no tensor ${name}`);
  const values = new Float32Array(stored.bytes.slice().buffer);
  change(values);
  const changed = { ...stored, bytes: new Uint8Array(values.buffer) };
  return { ...files, tensors: writeSafetensors(new Map([...tensors, [name, changed]]), metadata) };
}

/** The case with its JSON changed. */
function withJson(files: CaseFiles, change: (json: Record<string, unknown>) => unknown): CaseFiles {
  return { ...files, json: JSON.stringify(change(JSON.parse(files.json))) };
}

describe.each(VARIANTS)("model vectors on %s kernels", (_, backend) => {
  it.each(CASES.map((files) => [files.name, files] as const))("%s", (_name, files) => {
    expect(detailOf(files, backend)).toBeUndefined();
  });

  it("pass on two threads", async () => {
    const { variant } = backend.kernels;
    const team = await createNodeBackend({ variant, threads: 2 });
    for (const files of CASES) expect(detailOf(files, team)).toBeUndefined();
    team.stop();
  });

  it("can all be computed without padding", () => {
    for (const files of CASES) {
      const modelCase = openModelCase(backend, openCase(files), MODEL_TOLERANCES);
      let padding: Padding | undefined;
      withStudent(modelCase, (parameters) =>
        differentiate({ ...modelCase, padding: "excluded" }, parameters, (tape, output) => {
          padding = output.padding;
          return labelLoss(tape, output, modelCase.batch);
        }),
      );
      closeModelCase(modelCase);
      expect(padding, files.name).toBe("excluded");
    }
  });

  it("leave no memory in use", () => {
    const { used } = backend.memory.usage();
    detailOf(SMALLEST, backend);
    expect(backend.memory.usage().used).toBe(used);
  });
});

describe("an altered model vector fails, saying where", () => {
  const weight = "bert.encoder.layer.0.output.dense.weight";
  it.each([
    ["out/hidden_states/1", 3e-5, "out/hidden_states/1[5]"],
    ["out/attentions/0", 3e-5, "out/attentions/0[5]"],
    ["out/logits", 3e-5, "out/logits[5]"],
    ["out/teacher_logits", 3e-5, "out/teacher_logits[5]"],
    [`adamw_b9/step5/${weight}`, 1e-2, `step 5, layer ${weight}, adamw_b9[5]`],
    [`hf_adamw_mse/step1/${weight}`, 1e-2, `step 1, layer ${weight}, hf_adamw_mse[5]`],
  ])("%s", (name, change, place) => {
    const altered = withTensor(SMALLEST, name, (values) => {
      values[5] += change;
    });
    expect(detailOf(altered)).toContain(place);
  });

  it("in a row of an embedding that occurs nowhere, which only decays", () => {
    const words = "bert.embeddings.word_embeddings.weight";
    const ids = tensorValues(openCase(SMALLEST), "in/input_ids");
    const row = Array.from({ length: 99 }, (_, id) => id).find((id) => id > 0 && !ids.includes(id));
    const altered = withTensor(SMALLEST, `adamw_b9/step5/${words}`, (values) => {
      const width = values.length / Number(JSON.parse(SMALLEST.json).config.vocab_size);
      values[(row ?? 0) * width] += 2e-6;
    });
    expect(row).toBeDefined();
    expect(detailOf(altered)).toContain(`step 5, layer ${words}, adamw_b9[`);
  });

  it.each(["grad_ce", "grad_mse", "grad_kl"])("%s", (prefix) => {
    const altered = withTensor(SMALLEST, `${prefix}/${weight}`, (values) => {
      values[7] += 3e-4 * Math.max(...values.map(Math.abs));
    });
    expect(detailOf(altered)).toContain(`layer ${weight}, ${prefix}[7]`);
  });

  it("in the gradient of a key bias", () => {
    const name = "bert.encoder.layer.0.attention.self.key.bias";
    const altered = withTensor(SMALLEST, `grad_ce/${name}`, (values) => {
      values[0] += 1e-3;
    });
    expect(detailOf(altered)).toContain(`layer ${name}, grad_ce[0]`);
  });

  it("in a loss", () => {
    const altered = withJson(SMALLEST, (json) => ({ ...json, loss: Number(json.loss) * 1.0001 }));
    expect(detailOf(altered)).toContain("grad_ce/loss");
  });

  it("in a distillation loss and its gradient", () => {
    const change = (key: "loss" | "dlogits") =>
      withJson(SMALLEST, (json) => {
        const entries = structuredClone(json.inc_kd_loss) as { loss: number; dlogits: number[] }[];
        if (key === "loss") entries[2].loss += 1e-3;
        else entries[2].dlogits[4] += 1e-3;
        return { ...json, inc_kd_loss: entries };
      });
    expect(detailOf(change("loss"))).toContain("inc_kd_loss[2].loss");
    expect(detailOf(change("dlogits"))).toContain("inc_kd_loss[2].dlogits[4]");
  });

  it("in a loss before an optimizer step", () => {
    const altered = withJson(SMALLEST, (json) => {
      const optimizers = structuredClone(json.optimizers) as {
        losses_before_each_step: number[];
      }[];
      optimizers[1].losses_before_each_step[3] += 1e-3;
      return { ...json, optimizers };
    });
    expect(detailOf(altered)).toContain("step 4, adamw_b9 loss: expected");
  });
});

describe("a broken model vector", () => {
  it("is a failed verdict", () => {
    const truncated = { ...SMALLEST, tensors: SMALLEST.tensors.subarray(0, 1000) };
    expect(detailOf(truncated)).toBeDefined();
    expect(detailOf({ ...SMALLEST, json: "{" })).toContain("case.json");
    const nameless = withJson(SMALLEST, ({ config: _, ...json }) => json);
    expect(detailOf(nameless)).toContain("case.json config: expected an object");
  });
});
