/** Compares parameters of a model vector after optimizer steps on the same batch. */
import { backward } from "../autograd/backward.ts";
import type { Variable } from "../autograd/records.ts";
import { scalarOf, type Tape } from "../autograd/tape.ts";
import type { ModelOutput } from "../model/forward.ts";
import { type Parameters, zeroGradients } from "../tensor/parameter.ts";
import { labelLoss } from "../train/distillation.ts";
import {
  type AdamWSettings,
  createOptimizer,
  optimizerStepInto,
  type ParameterRule,
  releaseOptimizer,
} from "../train/optimizer.ts";
import {
  type JsonObject,
  numberAt,
  numbersAt,
  objectsAt,
  tensorsBelow,
  textAt,
  textsAt,
} from "./case-files.ts";
import { type ModelCase, withForward, withStudent } from "./model-case.ts";
import { hiddenStateLoss, isKeyBias } from "./model-gradients.ts";
import { largestMagnitude, tensorDifference } from "./verdict.ts";

const LOSS_TOLERANCE = 1e-5;
const PARAMETER_TOLERANCE = 1e-6;
/** Below this share of its tensor's largest, a gradient is rounding noise. */
const NOISE_SHARE = 1e-6;

/** For every parameter: 1 where some gradient so far was rounding noise, which Adam turns into steps. */
type NoisyEntries = ReadonlyMap<string, Uint8Array>;

/** First difference in any optimizer's losses or parameters. */
export function optimizerDifference(modelCase: ModelCase): string | undefined {
  for (const run of objectsAt(modelCase.files.json, "optimizers")) {
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
): string | undefined {
  const { backend } = modelCase;
  const name = textAt(run, "name");
  const settings = settingsOf(run);
  const optimizer = createOptimizer(backend, parameters, settings, rulesOf(run));
  const noisy = new Map(
    [...parameters].map(([key, { value }]) => [key, new Uint8Array(value.data.length)]),
  );
  try {
    for (const [step, expected] of numbersAt(run, "losses_before_each_step").entries()) {
      zeroGradients(backend, parameters);
      const loss = lossAndGradients(modelCase, name, parameters);
      const wrongLoss = tensorDifference(`${name} loss ${step}`, [expected], [loss], {
        relative: LOSS_TOLERANCE,
      });
      if (wrongLoss !== undefined) return wrongLoss;
      markNoise(parameters, noisy);
      optimizerStepInto(backend, optimizer, settings.learningRate);
      const loose = 2 * settings.learningRate * (step + 1);
      const wrong = parameterDifference(
        modelCase,
        `${name}/step${step + 1}/`,
        parameters,
        noisy,
        loose,
      );
      if (wrong !== undefined) return wrong;
    }
    return undefined;
  } finally {
    releaseOptimizer(optimizer);
  }
}

function lossAndGradients(modelCase: ModelCase, name: string, parameters: Parameters): number {
  const compute = (tape: Tape, output: ModelOutput): Variable =>
    name.endsWith("_mse")
      ? hiddenStateLoss(modelCase, tape, output)
      : labelLoss(tape, output, modelCase.batch);
  return withForward(modelCase, parameters, {}, (tape, output) => {
    const loss = compute(tape, output);
    const value = scalarOf(loss);
    backward(tape, loss);
    return value;
  });
}

function markNoise(parameters: Parameters, noisy: NoisyEntries): void {
  for (const [name, marks] of noisy) {
    const gradient = parameters.get(name)?.gradient.data ?? new Float32Array(0);
    const limit = isKeyBias(name)
      ? Number.POSITIVE_INFINITY
      : NOISE_SHARE * largestMagnitude(gradient);
    gradient.forEach((entry, index) => {
      if (Math.abs(entry) < limit) marks[index] = 1;
    });
  }
}

/** Compares what the case keeps of a step; noisy entries to `loose`, the others to the tolerance. */
function parameterDifference(
  { files }: ModelCase,
  prefix: string,
  parameters: Parameters,
  noisy: NoisyEntries,
  loose: number,
): string | undefined {
  for (const [name, { data }] of tensorsBelow(files, prefix)) {
    const got = parameters.get(name)?.value.data ?? new Float32Array(0);
    const marks = noisy.get(name);
    const exact = data.map((want, index) => {
      const close = marks?.[index] === 1 && Math.abs((got[index] ?? NaN) - want) <= loose;
      return close ? (got[index] ?? NaN) : want;
    });
    const tolerance = { absolute: PARAMETER_TOLERANCE };
    const difference = tensorDifference(`${prefix}${name}`, exact, got, tolerance);
    if (difference !== undefined) return difference;
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
