import { describe, expect, it } from "vitest";
import { InputError } from "../../src/core/either.ts";
import { createBackend } from "../../src/kernels/backend.ts";
import { parseModelConfigOrThrow } from "../../src/model/config.ts";
import {
  checkpointProblems,
  createParameters,
  initialiseParameters,
  type NamedValues,
  parameterList,
} from "../../src/model/parameters.ts";
import { sinusoidalPositions } from "../../src/model/positions.ts";
import { elementCount } from "../../src/tensor/shape.ts";
import { SMALL_BERT, SMALL_MODELS } from "./small-models.ts";

const backend = createBackend({ variant: "scalar" });

/** A checkpoint of counted values that fits the model. */
function checkpoint(): Map<string, NamedValues> {
  return new Map(
    parameterList(SMALL_BERT).map(({ name, shape }, index) => [
      name,
      { shape, data: new Float32Array(elementCount(shape)).fill(index) },
    ]),
  );
}

describe("initial parameters", () => {
  it.each(SMALL_MODELS)("of %s are those of transformers' initialisation", (_, config) => {
    for (const { name, value, gradient } of initialiseParameters(backend, config, 1).values()) {
      expect(gradient.data.every((entry) => entry === 0)).toBe(true);
      if (name.endsWith(".bias")) expect(value.data.every((entry) => entry === 0)).toBe(true);
      else if (/layer_?norm/i.test(name))
        expect(value.data.every((entry) => entry === 1)).toBe(true);
      else if (name.includes("position_embeddings") && !config.trainsPositions)
        expect(value.data).toEqual(sinusoidalPositions(24, 8));
      else expect(new Set(value.data).size).toBeGreaterThan(value.data.length / 2);
    }
  });

  it("are normal with the configured deviation, the padding token's row zero", () => {
    const config = parseModelConfigOrThrow({
      ...SMALL_BERT.source,
      vocab_size: 2000,
      hidden_size: 32,
      pad_token_id: 3,
      initializer_range: 0.05,
    });
    const parameters = initialiseParameters(backend, config, 9);
    const words =
      parameters.get("bert.embeddings.word_embeddings.weight")?.value.data ?? new Float32Array(0);
    expect(words.slice(3 * 32, 4 * 32)).toEqual(new Float32Array(32));
    const count = words.length - 32;
    const mean = words.reduce((sum, entry) => sum + entry, 0) / count;
    const variance = words.reduce((sum, entry) => sum + entry ** 2, 0) / count;
    // Five standard errors: of a mean 1 / sqrt(n), of a deviation 1 / sqrt(2 n).
    expect(Math.abs(mean)).toBeLessThan((5 * 0.05) / Math.sqrt(count));
    expect(Math.abs(Math.sqrt(variance) / 0.05 - 1)).toBeLessThan(5 / Math.sqrt(2 * count));
    const within = words.filter((entry) => Math.abs(entry) < 0.05).length / count;
    expect(Math.abs(within - 0.6827)).toBeLessThan(0.01);
  });

  it("depend on the seed alone", () => {
    const values = (seed: number): readonly number[] =>
      [...initialiseParameters(backend, SMALL_BERT, seed).values()].flatMap(({ value }) => [
        ...value.data,
      ]);
    expect(values(4)).toEqual(values(4));
    expect(values(4)).not.toEqual(values(5));
  });
});

describe("parameters from a checkpoint", () => {
  it("are copies in module order", () => {
    const stored = checkpoint();
    const reversed = new Map([...stored].reverse());
    const parameters = createParameters(backend, SMALL_BERT, reversed);
    expect([...parameters.keys()]).toEqual(parameterList(SMALL_BERT).map(({ name }) => name));
    for (const [name, { value }] of parameters) expect(value.data).toEqual(stored.get(name)?.data);
  });

  it("report everything that is absent, unexpected or misshapen", () => {
    const stored = checkpoint();
    stored.delete("bert.pooler.dense.bias");
    stored.set("classifier.bias", { shape: [4], data: new Float32Array(4) });
    stored.set("bert.embeddings.LayerNorm.bias", { shape: [8], data: new Float32Array(7) });
    stored.set("cls.predictions.bias", { shape: [30], data: new Float32Array(30) });
    stored.set("bert.embeddings.position_ids", { shape: [1, 24], data: new Float32Array(24) });
    const problems = checkpointProblems(SMALL_BERT, stored);
    expect(problems.map(({ path }) => path)).toEqual([
      "bert.embeddings.LayerNorm.bias",
      "bert.pooler.dense.bias",
      "classifier.bias",
      "cls.predictions.bias",
    ]);
    const { used } = backend.memory.usage();
    expect(() => createParameters(backend, SMALL_BERT, stored)).toThrow(InputError);
    expect(backend.memory.usage().used).toBe(used);
  });

  it("of a pre-trained encoder get a new head", () => {
    const stored = checkpoint();
    stored.delete("classifier.weight");
    stored.delete("classifier.bias");
    stored.set("cls.predictions.bias", { shape: [30], data: new Float32Array(30) });
    const options = { initialiseHead: { seed: 3 }, ignoreUnexpected: true };
    expect(checkpointProblems(SMALL_BERT, stored).length).toBe(3);
    const parameters = createParameters(backend, SMALL_BERT, stored, options);
    const initial = initialiseParameters(backend, SMALL_BERT, 3);
    expect(parameters.get("classifier.weight")?.value.data).toEqual(
      initial.get("classifier.weight")?.value.data,
    );
    stored.delete("bert.pooler.dense.weight");
    const pooled = createParameters(backend, SMALL_BERT, stored, options);
    expect(pooled.get("bert.pooler.dense.weight")?.value.data).toEqual(
      initial.get("bert.pooler.dense.weight")?.value.data,
    );
    stored.delete("bert.embeddings.LayerNorm.bias");
    expect(() => createParameters(backend, SMALL_BERT, stored, options)).toThrow(
      "bert.embeddings.LayerNorm.bias",
    );
  });
});
