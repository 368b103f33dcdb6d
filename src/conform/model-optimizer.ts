/** Compares a model vector's parameters after each of several optimizer steps on the same batch. */
import { createParameters } from "../model/parameters.ts";
import {
  type Parameters,
  parameterNamed,
  releaseParameters,
  zeroGradients,
} from "../tensor/parameter.ts";
import { labelLoss } from "../train/distillation.ts";
import {
  type AdamWSettings,
  createOptimizer,
  type Optimizer,
  optimizerStepInto,
  type ParameterRule,
  releaseOptimizer,
} from "../train/optimizer.ts";
import { addUpdateInto, createRoundingHistory, type RoundingHistory } from "./adam-rounding.ts";
import { at, type JsonObject, tensorsBelow } from "./case-files.ts";
import { type Comparison, compareFirst, type Difference } from "./difference.ts";
import { differentiate, type Loss, type ModelCase } from "./model-case.ts";
import { hiddenStateLoss, isKeyBias } from "./model-gradients.ts";

/**
 * The largest difference of a gradient between two correct programs, as a share of its tensor's largest entry: at the
 * first step, and at later steps, when the parameters already differ.
 */
const GRADIENT_ERROR = { first: 1e-5, later: 2e-5 };

export function optimizerDifference(modelCase: ModelCase): Difference | undefined {
  return compareFirst(optimizerComparisons(modelCase));
}

/** Replays the optimizers of a case, and yields each loss and each recorded parameter for comparison. */
export function* optimizerComparisons(modelCase: ModelCase): Generator<Comparison, void> {
  const { backend, config, files } = modelCase;
  for (const run of at.objects(files.json, "optimizers")) {
    if (modelCase.padding === "excluded" && readsPadding(at.text(run, "name"))) continue;
    const parameters = createParameters(backend, config, tensorsBelow(files, "param/"));
    try {
      yield* replayOptimizer(modelCase, run, parameters);
    } finally {
      releaseParameters(parameters);
    }
  }
}

function* replayOptimizer(
  modelCase: ModelCase,
  json: JsonObject,
  parameters: Parameters,
): Generator<Comparison, void> {
  const { backend, batch, config, files, tolerances } = modelCase;
  const name = at.text(json, "name");
  const settings = adamWSettings(json, at.text(json, "optimizer"));
  const optimizer = createOptimizer(backend, parameters, settings, rulesOf(json));
  const histories = new Map(
    optimizer.slots.map(({ parameter: { name, value } }) => [
      name,
      createRoundingHistory(value.data.length),
    ]),
  );
  const loss: Loss = (tape, output) =>
    readsPadding(name)
      ? hiddenStateLoss(modelCase, tape, output)
      : labelLoss(tape, output, batch, { problemType: config.problemType });
  try {
    for (const [index, expected] of at.numbers(json, "losses_before_each_step").entries()) {
      const step = index + 1;
      zeroGradients(backend, parameters);
      const got = differentiate(modelCase, parameters, loss);
      const quantity = `${name} loss`;
      yield { place: { step, quantity }, expected, got, tolerance: tolerances.stepLoss };
      optimizerStepInto(backend, optimizer, settings.learningRate);
      addStepInto(histories, optimizer, step);
      for (const [layer, { data }] of tensorsBelow(files, `${name}/step${step}/`)) {
        const got = parameterNamed(parameters, layer).value.data;
        const allowed = histories.get(layer)?.allowed;
        const tolerance = (index: number): number => allowed?.[index] ?? 0;
        yield { place: { step, layer, quantity: name }, expected: data, got, tolerance };
      }
    }
  } finally {
    releaseOptimizer(optimizer);
  }
}

/** Adds a step, whose gradients the parameters still hold, to the histories of all parameters. */
function addStepInto(
  histories: ReadonlyMap<string, RoundingHistory>,
  { settings, slots }: Optimizer,
  step: number,
): void {
  const { learningRate } = settings;
  const ofModel = step === 1 ? GRADIENT_ERROR.first : GRADIENT_ERROR.later;
  for (const { parameter, weightDecay } of slots) {
    const history = histories.get(parameter.name);
    if (history === undefined) continue;
    addUpdateInto(history, settings, {
      learningRate,
      weightDecay,
      gradient: parameter.gradient.data,
      gradientError: isKeyBias(parameter.name) ? Number.POSITIVE_INFINITY : ofModel,
      value: parameter.value.data,
    });
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
