import { describe, expect, test } from "vitest";
import { createTape } from "../../src/autograd/tape.ts";
import { createBackend } from "../../src/kernels/backend.ts";
import { forward } from "../../src/model/forward.ts";
import { initialiseParameters, parameterList } from "../../src/model/parameters.ts";
import { createCalibration } from "../../src/run/calibration.ts";
import { randomBatch, SMALL_MODELS } from "../model/small-models.ts";

describe.each(SMALL_MODELS)("the calibration of %s", (_, config) => {
  const backend = createBackend({ variant: "scalar" });
  const parameters = initialiseParameters(backend, config, 3);
  const read = (name: string) => {
    const parameter = parameters.get(name);
    if (parameter === undefined) throw new Error(name);
    return { shape: parameter.value.shape, data: parameter.value.data.slice() };
  };
  const batch = randomBatch([5, 3], 5, 1);

  test("has the logits of the model, and a range for each linear layer", () => {
    const { classifier, ranges } = createCalibration(backend, config, read);
    const tape = createTape(backend, { training: false });
    const expected = forward(tape, config, parameters, batch).logits.value.data;
    expect([...classifier.logits(batch)]).toEqual([...expected]);
    const linear = parameterList(config).flatMap(({ module }) =>
      module.kind === "linear" ? module.name : [],
    );
    expect(new Set(ranges.keys())).toEqual(new Set(linear));
  });

  test("has the range of the last hidden state's first tokens for the head", () => {
    const { classifier, ranges } = createCalibration(backend, config, read);
    classifier.logits(batch);
    const tape = createTape(backend, { training: false });
    const { hiddenStates } = forward(tape, config, parameters, batch);
    const width = config.hiddenSize;
    const states = hiddenStates.at(-1)?.value.data ?? new Float32Array();
    const first = [...states.slice(0, width), ...states.slice(5 * width, 6 * width)];
    const head = [...ranges].at(-2)?.[1];
    expect(head).toEqual({ least: Math.min(...first), largest: Math.max(...first) });
  });

  test("widens ranges with further batches", () => {
    const { classifier, ranges } = createCalibration(backend, config, read);
    classifier.logits(batch);
    const before = new Map(ranges);
    classifier.logits(randomBatch([7, 7, 7, 7], 7, 2));
    const widths = [...ranges].map(([name, { least, largest }]) => {
      const { least: low = NaN, largest: high = NaN } = before.get(name) ?? {};
      expect(least).toBeLessThanOrEqual(low);
      expect(largest).toBeGreaterThanOrEqual(high);
      return largest - least - (high - low);
    });
    expect(Math.max(...widths)).toBeGreaterThan(0);
  });
});
