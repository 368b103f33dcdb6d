/** Compares a model vector's parameters after each of several optimizer steps on the same batch. */
import { type Parameters, parameterNamed, zeroGradients } from "../tensor/parameter.ts";
import { labelLoss } from "../train/distillation.ts";
import {
  type AdamWSettings,
  createOptimizer,
  optimizerStepInto,
  type ParameterRule,
  releaseOptimizer,
} from "../train/optimizer.ts";
import { addGradientInto, allowedMovement, createRoundingHistory } from "./adam-rounding.ts";
import { at, type JsonObject, tensorsBelow } from "./case-files.ts";
import { compare, type Difference, firstOf } from "./difference.ts";
import { differentiate, type Loss, type ModelCase, withStudent } from "./model-case.ts";
import { hiddenStateLoss, isKeyBias } from "./model-gradients.ts";

const LOSS = { relative: 1e-5 };
const PARAMETER_TOLERANCE = 1e-6;

export function optimizerDifference(modelCase: ModelCase): Difference | undefined {
  return firstOf(at.objects(modelCase.files.json, "optimizers"), (run) =>
    modelCase.padding === "excluded" && readsPadding(at.text(run, "name"))
      ? undefined
      : withStudent(modelCase, (parameters) => replayOptimizer(modelCase, run, parameters)),
  );
}

function replayOptimizer(
  modelCase: ModelCase,
  json: JsonObject,
  parameters: Parameters,
): Difference | undefined {
  const { backend, batch, files } = modelCase;
  const name = at.text(json, "name");
  const settings = adamWSettings(json, at.text(json, "optimizer"));
  const optimizer = createOptimizer(backend, parameters, settings, rulesOf(json));
  const histories = new Map(
    [...parameters].map(([key, { value }]) => [key, createRoundingHistory(value.data.length)]),
  );
  const loss: Loss = (tape, output) =>
    readsPadding(name) ? hiddenStateLoss(modelCase, tape, output) : labelLoss(tape, output, batch);
  try {
    return firstOf(at.numbers(json, "losses_before_each_step").entries(), ([index, expected]) => {
      const step = index + 1;
      zeroGradients(backend, parameters);
      const got = differentiate(modelCase, parameters, loss);
      const wrongLoss = compare({ step, quantity: `${name} loss` }, expected, got, LOSS);
      if (wrongLoss !== undefined) return wrongLoss;
      for (const [key, history] of histories) {
        const gradient = parameterNamed(parameters, key).gradient.data;
        addGradientInto(history, settings, gradient, isKeyBias(key));
      }
      optimizerStepInto(backend, optimizer, settings.learningRate);
      return firstOf(tensorsBelow(files, `${name}/step${step}/`), ([layer, { data }]) => {
        const got = parameterNamed(parameters, layer).value.data;
        const history = histories.get(layer) ?? createRoundingHistory(0);
        const allowedAt = (index: number): number =>
          PARAMETER_TOLERANCE + allowedMovement(history, settings, index);
        return compare({ step, layer, quantity: name }, data, got, allowedAt);
      });
    });
  } finally {
    releaseOptimizer(optimizer);
  }
}

/** Whether a run's loss is the MSE between hidden states, which also averages over padded positions. */
function readsPadding(name: string): boolean {
  return name.endsWith("_mse");
}

/** Returns the rules for parameters without weight decay and for fixed parameters. All others have weight decay. */
function rulesOf(run: JsonObject): readonly ParameterRule[] {
  const undecayed: ParameterRule = {
    names: anyOf(at.texts(run, "not_decayed")),
    treatment: "no-decay",
  };
  return "in_no_group" in run
    ? [undecayed, { names: anyOf(at.texts(run, "in_no_group")), treatment: "fixed" }]
    : [undecayed];
}

function anyOf(names: readonly string[]): string {
  return `^(?:${names.map((name) => name.replaceAll(".", "\\.")).join("|")})$`;
}

/** Reads the settings of an optimizer. `name` is the name of its class, such as `torch.optim.AdamW`. */
export function adamWSettings(json: JsonObject, name: string): AdamWSettings {
  const [beta1 = NaN, beta2 = NaN] = at.numbers(json, "betas");
  return {
    flavour: name.startsWith("transformers.") ? "transformers" : "torch",
    learningRate: at.number(json, "lr"),
    betas: [beta1, beta2],
    epsilon: at.number(json, "eps"),
    weightDecay: at.number(json, "weight_decay"),
  };
}
