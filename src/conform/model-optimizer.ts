/** Compares parameters of a model vector after optimizer steps on the same batch. */
import { backward } from "../autograd/backward.ts";
import type { Variable } from "../autograd/records.ts";
import { scalarOf, type Tape } from "../autograd/tape.ts";
import type { ModelOutput } from "../model/forward.ts";
import { type Parameters, parameterNamed, zeroGradients } from "../tensor/parameter.ts";
import { labelLoss } from "../train/distillation.ts";
import {
  type AdamWSettings,
  createOptimizer,
  optimizerStepInto,
  type ParameterRule,
  releaseOptimizer,
} from "../train/optimizer.ts";
import {
  addGradientInto,
  allowedMovement,
  createRoundingHistory,
  type RoundingHistory,
} from "./adam-rounding.ts";
import {
  type JsonObject,
  numberAt,
  numbersAt,
  objectsAt,
  tensorsBelow,
  textAt,
  textsAt,
} from "./case-files.ts";
import { type Difference, differenceAt, numberDifference, type Place } from "./difference.ts";
import { type ModelCase, withForward, withStudent } from "./model-case.ts";
import { hiddenStateLoss, isKeyBias } from "./model-gradients.ts";

const LOSS_TOLERANCE = 1e-5;
const PARAMETER_TOLERANCE = 1e-6;
type Histories = ReadonlyMap<string, RoundingHistory>;

/** First difference in any optimizer's losses or parameters. */
export function optimizerDifference(modelCase: ModelCase): Difference | undefined {
  for (const run of objectsAt(modelCase.files.json, "optimizers")) {
    if (modelCase.padding === "excluded" && readsPadding(textAt(run, "name"))) continue;
    const difference = withStudent(modelCase, (parameters) =>
      replayOptimizer(modelCase, run, parameters),
    );
    if (difference !== undefined) return difference;
  }
  return undefined;
}

function replayOptimizer(
  modelCase: ModelCase,
  run: JsonObject,
  parameters: Parameters,
): Difference | undefined {
  const { backend } = modelCase;
  const name = textAt(run, "name");
  const settings = settingsOf(run);
  const optimizer = createOptimizer(backend, parameters, settings, rulesOf(run));
  const histories: Histories = new Map(
    [...parameters].map(([key, { value }]) => [key, createRoundingHistory(value.data.length)]),
  );
  try {
    for (const [step, expected] of numbersAt(run, "losses_before_each_step").entries()) {
      zeroGradients(backend, parameters);
      const loss = lossAndGradients(modelCase, name, parameters);
      const wrongLoss = numberDifference(
        { step: step + 1, quantity: `${name} loss` },
        expected,
        loss,
        {
          relative: LOSS_TOLERANCE,
        },
      );
      if (wrongLoss !== undefined) return wrongLoss;
      for (const [key, history] of histories) {
        const gradient = parameterNamed(parameters, key).gradient.data;
        addGradientInto(history, settings, gradient, isKeyBias(key));
      }
      optimizerStepInto(backend, optimizer, settings.learningRate);
      const place = { step: step + 1, quantity: name };
      const wrong = parameterDifference(modelCase, place, parameters, settings, histories);
      if (wrong !== undefined) return wrong;
    }
    return undefined;
  } finally {
    releaseOptimizer(optimizer);
  }
}

/** Whether a run's loss is that of the hidden states, a mean over padded positions too. */
function readsPadding(name: string): boolean {
  return name.endsWith("_mse");
}

function lossAndGradients(modelCase: ModelCase, name: string, parameters: Parameters): number {
  const compute = (tape: Tape, output: ModelOutput): Variable =>
    readsPadding(name)
      ? hiddenStateLoss(modelCase, tape, output)
      : labelLoss(tape, output, modelCase.batch);
  return withForward(modelCase, parameters, (tape, output) => {
    const loss = compute(tape, output);
    const value = scalarOf(loss);
    backward(tape, loss);
    return value;
  });
}

/** Compares what the case keeps of a step. */
function parameterDifference(
  { files }: ModelCase,
  place: Place & { readonly step: number },
  parameters: Parameters,
  settings: AdamWSettings,
  histories: Histories,
): Difference | undefined {
  for (const [name, { data }] of tensorsBelow(files, `${place.quantity}/step${place.step}/`)) {
    const got = parameterNamed(parameters, name).value.data;
    const history = histories.get(name) ?? createRoundingHistory(0);
    const allowed = (index: number): number =>
      PARAMETER_TOLERANCE + allowedMovement(history, settings, index);
    const wrong = data.findIndex(
      (want, index) => !(Math.abs((got[index] ?? NaN) - want) <= allowed(index)),
    );
    if (wrong >= 0) {
      const where = { ...place, layer: name };
      return differenceAt(where, data[wrong], got[wrong], wrong, allowed(wrong));
    }
  }
  return undefined;
}

function settingsOf(run: JsonObject): AdamWSettings {
  const [beta1 = NaN, beta2 = NaN] = numbersAt(run, "betas");
  return {
    flavour: textAt(run, "optimizer").startsWith("transformers.") ? "transformers" : "torch",
    learningRate: numberAt(run, "lr"),
    betas: [beta1, beta2],
    epsilon: numberAt(run, "eps"),
    weightDecay: numberAt(run, "weight_decay"),
  };
}

/** The case's groups, by name; every other parameter decays. */
function rulesOf(run: JsonObject): readonly ParameterRule[] {
  const rules: ParameterRule[] = [
    { names: anyOf(textsAt(run, "not_decayed")), treatment: "no-decay" },
  ];
  if ("in_no_group" in run) {
    rules.push({ names: anyOf(textsAt(run, "in_no_group")), treatment: "fixed" });
  }
  return rules;
}

/** A regular expression that matches exactly these names. */
function anyOf(names: readonly string[]): string {
  return `^(?:${names.map((name) => name.replaceAll(".", "\\.")).join("|")})$`;
}
