/** Replays `adamw.json`, which records AdamW on given gradients, without a model. */
import { isJsonObject, parseJson } from "../io/json.ts";
import type { Backend } from "../kernels/backend.ts";
import { createParameter, releaseParameters } from "../tensor/parameter.ts";
import { createOptimizer, optimizerStepInto, releaseOptimizer } from "../train/optimizer.ts";
import { addUpdateInto, createRoundingHistory } from "./adam-rounding.ts";
import { at, expectedError, type JsonObject, parsed } from "./case-files.ts";
import { type Comparison, compareFirst } from "./difference.ts";
import { adamWSettings } from "./model-optimizer.ts";
import { judge, type Verdict } from "./verdict.ts";

/** Returns one verdict for each row of `adamw`, named `<source>:<row>`. Rows are numbered from 1. */
export function replayAdamW(source: string, json: string, backend: Backend): readonly Verdict[] {
  return adamWRows(source, json).map((row, index) =>
    judge("encoders", `${source}:${index + 1}`, () => compareFirst(adamWComparisons(row, backend))),
  );
}

export function adamWRows(source: string, json: string): readonly JsonObject[] {
  const table = parsed(source, parseJson(source, json));
  if (!isJsonObject(table)) throw expectedError("", "an object", table);
  return at.objects(table, "adamw");
}

/** Replays a row, and yields its parameter after each step for comparison. */
export function* adamWComparisons(row: JsonObject, backend: Backend): Generator<Comparison, void> {
  const settings = adamWSettings(row, "torch.optim.AdamW");
  const { weightDecay } = settings;
  const initial = Float32Array.from(at.numbers(row, "p0"));
  const parameter = createParameter(backend, "p", [initial.length], initial);
  const parameters = new Map([["p", parameter]]);
  const optimizer = createOptimizer(backend, parameters, settings);
  const history = createRoundingHistory(initial.length);
  const gradients = vectorsAt(row, "gradients", initial.length);
  const expected = vectorsAt(row, "p_after_step", initial.length);
  try {
    for (const [index, factor] of at.numbers(row, "lr_factor_at_step").entries()) {
      const learningRate = settings.learningRate * factor;
      const gradient = gradients[index] ?? new Float32Array(0);
      parameter.gradient.data.set(gradient);
      optimizerStepInto(backend, optimizer, learningRate);
      const got = parameter.value.data;
      // The gradients are given, so they have no error.
      const update = { learningRate, weightDecay, gradient, gradientError: 0, value: got };
      addUpdateInto(history, settings, update);
      const tolerance = (index: number): number => history.allowed[index] ?? 0;
      const place = { step: index + 1, layer: "p", quantity: "value" };
      yield { place, expected: expected[index] ?? [], got, tolerance };
    }
  } finally {
    releaseOptimizer(optimizer);
    releaseParameters(parameters);
  }
}

function vectorsAt(row: JsonObject, key: string, length: number): readonly Float32Array[] {
  return at.lists(row, key).map((numbers) => {
    if (numbers.length !== length) throw expectedError(key, `lists of ${length}`, numbers);
    return Float32Array.from(numbers);
  });
}
