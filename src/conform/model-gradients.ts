/** Compares gradients of a model vector: cross-entropy, hidden-state and logit distillation. */
import { add, scale } from "../autograd/arithmetic.ts";
import { backward } from "../autograd/backward.ts";
import {
  crossEntropy,
  kullbackLeibler,
  meanSquaredError,
  softCrossEntropy,
} from "../autograd/losses.ts";
import type { Variable } from "../autograd/records.ts";
import {
  constant,
  createTape,
  gradientOf,
  input,
  releaseTape,
  scalarOf,
  type Tape,
} from "../autograd/tape.ts";
import type { ModelOutput } from "../model/forward.ts";
import { type Parameters, parameterNamed } from "../tensor/parameter.ts";
import { labelLoss } from "../train/distillation.ts";
import {
  type JsonObject,
  numberAt,
  numbersAt,
  objectAt,
  objectsAt,
  tensorsBelow,
  tensorValues,
  textsAt,
} from "./case-files.ts";
import {
  type Difference,
  largestMagnitude,
  numberDifference,
  type Tolerance,
  tensorDifference,
} from "./difference.ts";
import { lastHidden, type ModelCase, withForward, withStudent } from "./model-case.ts";

/** A gradient entry may differ by this share of its tensor's largest. */
const GRADIENT: Tolerance = { relative: 1e-4 };
/** Losses are differences of logarithms of order 1, which float32 rounds to about 1e-6. */
const LOSS: Tolerance = { relative: 1e-5, absolute: 1e-6 };
/**
 * Softmax does not see what is added to all scores of a query, so a key bias has no gradient but
 * rounding: below this share of the key weight's largest.
 */
const KEY_BIAS_NOISE = 1e-5;

/** Attention key biases: BERT's and DistilBERT's names. */
const KEY_BIAS = /\.(key|k_lin)\.bias$/;

/** Whether a parameter's gradient is zero but for rounding. */
export function isKeyBias(name: string): boolean {
  return KEY_BIAS.test(name);
}

/** A loss to differentiate, and where the case keeps what it should give. */
interface GradientVector {
  readonly prefix: string;
  readonly loss: number;
  compute(tape: Tape, output: ModelOutput): Variable;
}

/** The loss that the example script distils with: weight x MSE of the last hidden states. */
export function hiddenStateLoss(modelCase: ModelCase, tape: Tape, output: ModelOutput): Variable {
  const target = constant(tape, modelCase.teacher.lastHidden);
  const weight = numberAt(objectAt(modelCase.files.json, "mse"), "weight");
  return scale(tape, meanSquaredError(tape, lastHidden(output), target), weight);
}

/** First difference in any loss or gradient of the case. */
export function gradientDifference(modelCase: ModelCase): Difference | undefined {
  for (const vector of gradientVectors(modelCase)) {
    const difference = compareGradients(modelCase, vector);
    if (difference !== undefined) return difference;
  }
  return undefined;
}

function gradientVectors(modelCase: ModelCase): readonly GradientVector[] {
  const { json } = modelCase.files;
  const vectors: GradientVector[] = [
    {
      prefix: "grad_ce/",
      loss: numberAt(json, "loss"),
      compute: (tape, output) => labelLoss(tape, output, modelCase.batch),
    },
  ];
  // This loss is a mean over padded positions too.
  if (modelCase.padding === "included") {
    vectors.push({
      prefix: "grad_mse/",
      loss: numberAt(objectAt(json, "mse"), "loss"),
      compute: (tape, output) => hiddenStateLoss(modelCase, tape, output),
    });
  }
  if (!("kl" in json)) return vectors;
  const kl = objectAt(json, "kl");
  const temperature = numberAt(kl, "temperature");
  const teacher = modelCase.teacher.logits;
  vectors.push({
    prefix: "grad_kl/",
    loss: numberAt(kl, "loss"),
    compute: (tape, { logits }) =>
      kullbackLeibler(tape, logits, constant(tape, teacher), { temperature }),
  });
  return vectors;
}

function compareGradients(modelCase: ModelCase, vector: GradientVector): Difference | undefined {
  const expected = tensorsBelow(modelCase.files, vector.prefix);
  return withStudent(modelCase, (parameters) => {
    const loss = withForward(modelCase, parameters, (tape, output) => {
      const variable = vector.compute(tape, output);
      const value = scalarOf(variable);
      backward(tape, variable);
      return value;
    });
    const wrongLoss = numberDifference(`${vector.prefix}loss`, vector.loss, loss, LOSS);
    if (wrongLoss !== undefined) return wrongLoss;
    for (const [name, { gradient }] of parameters) {
      const want = expected.get(name)?.data ?? new Float32Array(gradient.data.length);
      const tolerance = isKeyBias(name) ? keyBiasTolerance(parameters, name) : GRADIENT;
      const place = { layer: name, quantity: vector.prefix.replace("/", "") };
      const difference = tensorDifference(place, want, gradient.data, tolerance);
      if (difference !== undefined) return difference;
    }
    return undefined;
  });
}

function keyBiasTolerance(parameters: Parameters, name: string): Tolerance {
  const weight = parameterNamed(parameters, name.replace(/bias$/, "weight"));
  return { absolute: KEY_BIAS_NOISE * largestMagnitude(weight.gradient.data) };
}

/** First difference in INC's `KnowledgeDistillationLoss`, values and gradients of the logits. */
export function distillationDifference(modelCase: ModelCase): Difference | undefined {
  if (!("inc_kd_loss" in modelCase.files.json)) return undefined;
  for (const [index, entry] of objectsAt(modelCase.files.json, "inc_kd_loss").entries()) {
    const difference = compareDistillation(modelCase, entry, `inc_kd_loss[${index}]`);
    if (difference !== undefined) return difference;
  }
  return undefined;
}

function compareDistillation(
  modelCase: ModelCase,
  entry: JsonObject,
  label: string,
): Difference | undefined {
  const { backend, config, batch, files } = modelCase;
  const tape = createTape(backend, { training: false, recordGradients: true });
  const shape = [batch.batch, config.labels];
  const logits = input(tape, shape, tensorValues(files, "out/logits"), { requiresGradient: true });
  const loss = incDistillationLoss(tape, modelCase, entry, logits);
  const value = scalarOf(loss);
  backward(tape, loss);
  const gradient = gradientOf(logits);
  releaseTape(tape);
  return (
    numberDifference(`${label}.loss`, numberAt(entry, "loss"), value, LOSS) ??
    tensorDifference(`${label}.dlogits`, numbersAt(entry, "dlogits"), gradient, GRADIENT)
  );
}

/** weights[0] x loss against the labels + weights[1] x loss against the teacher's logits. */
function incDistillationLoss(
  tape: Tape,
  modelCase: ModelCase,
  entry: JsonObject,
  logits: Variable,
): Variable {
  const [labelWeight = 0, teacherWeight = 0] = numbersAt(entry, "loss_weights");
  const { labels } = modelCase.batch;
  if (!(labels instanceof Int32Array)) throw new Error("inc_kd_loss: expected class labels");
  return add(
    tape,
    scale(tape, crossEntropy(tape, logits, labels), labelWeight),
    scale(tape, teacherLoss(tape, modelCase, entry, logits), teacherWeight),
  );
}

function teacherLoss(
  tape: Tape,
  modelCase: ModelCase,
  entry: JsonObject,
  logits: Variable,
): Variable {
  const temperature = numberAt(entry, "temperature");
  const teacher = input(tape, logits.shape, tensorValues(modelCase.files, "out/teacher_logits"));
  const kind = textsAt(entry, "loss_types")[1];
  switch (kind) {
    case "CE":
      return softCrossEntropy(tape, logits, teacher, { temperature });
    case "KL":
      return kullbackLeibler(tape, logits, teacher, { temperature, reduction: "mean" });
    case "MSE":
      return meanSquaredError(tape, logits, teacher);
    default:
      throw new Error(`loss_types: expected CE, KL or MSE for the teacher, got ${kind}`);
  }
}
