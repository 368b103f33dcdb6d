/** Compares the losses and gradients of a model vector: cross-entropy, and distillation of hidden states and logits. */
import { add, scale } from "../autograd/arithmetic.ts";
import { backward } from "../autograd/backward.ts";
import { crossEntropy } from "../autograd/label-losses.ts";
import { kullbackLeibler, meanSquaredError, softCrossEntropy } from "../autograd/losses.ts";
import type { Variable } from "../autograd/records.ts";
import { constant, gradientOf, input, scalarOf, type Tape } from "../autograd/tape.ts";
import type { ModelOutput } from "../model/forward.ts";
import type { Parameters } from "../tensor/parameter.ts";
import { labelLoss } from "../train/distillation.ts";
import { at, type JsonObject, tensorsBelow, tensorValues } from "./case-files.ts";
import { compare, type Difference, firstOf } from "./difference.ts";
import {
  differentiate,
  type Loss,
  lastHidden,
  type ModelCase,
  withStudent,
  withTape,
} from "./model-case.ts";

/** Whether a parameter is an attention key bias. Its gradient is zero, except for rounding errors. */
export function isKeyBias(name: string): boolean {
  return /\.(key|k_lin)\.bias$/.test(name);
}

/** Computes the distillation loss of INC's example script: weight x MSE between the last hidden states. */
export function hiddenStateLoss(modelCase: ModelCase, tape: Tape, output: ModelOutput): Variable {
  const target = constant(tape, modelCase.teacher.lastHidden);
  const weight = at.number(at.object(modelCase.files.json, "mse"), "weight");
  return scale(tape, meanSquaredError(tape, lastHidden(output), target), weight);
}

/** Compares losses and their gradients: cross-entropy, MSE between hidden states, and Kullback-Leibler divergence. */
export function gradientDifference(modelCase: ModelCase): Difference | undefined {
  const { files, batch, config, padding, teacher, tolerances } = modelCase;
  const { json } = files;
  const compareLoss = (name: string, expected: number, loss: Loss): Difference | undefined =>
    withStudent(modelCase, (parameters) => {
      const got = differentiate(modelCase, parameters, loss);
      return (
        compare(`${name}/loss`, expected, got, tolerances.loss) ??
        parameterGradients(modelCase, name, parameters)
      );
    });
  const ofLabels = compareLoss("grad_ce", at.number(json, "loss"), (tape, output) =>
    labelLoss(tape, output, batch, { problemType: config.problemType }),
  );
  if (ofLabels !== undefined) return ofLabels;
  // This loss also averages over padded positions.
  const ofHiddenStates =
    padding === "included"
      ? compareLoss("grad_mse", at.number(at.object(json, "mse"), "loss"), (tape, output) =>
          hiddenStateLoss(modelCase, tape, output),
        )
      : undefined;
  if (ofHiddenStates !== undefined || !("kl" in json)) return ofHiddenStates;
  const kl = at.object(json, "kl");
  const temperature = at.number(kl, "temperature");
  return compareLoss("grad_kl", at.number(kl, "loss"), (tape, { logits }) =>
    kullbackLeibler(tape, logits, constant(tape, teacher.logits), { temperature }),
  );
}

function parameterGradients(
  { files, tolerances }: ModelCase,
  quantity: string,
  parameters: Parameters,
): Difference | undefined {
  const expected = tensorsBelow(files, `${quantity}/`);
  return firstOf(parameters, ([layer, { gradient }]) => {
    const want = expected.get(layer)?.data ?? new Float32Array(gradient.data.length);
    const tolerance = isKeyBias(layer)
      ? { absolute: tolerances.keyBiasNoise(parameters, layer) }
      : tolerances.gradients;
    return compare({ layer, quantity }, want, gradient.data, tolerance);
  });
}

/** Compares INC's `KnowledgeDistillationLoss` and its gradients with respect to the logits. */
export function distillationDifference(modelCase: ModelCase): Difference | undefined {
  const { json } = modelCase.files;
  if (!("inc_kd_loss" in json)) return undefined;
  return firstOf(at.objects(json, "inc_kd_loss").entries(), ([index, entry]) =>
    compareDistillation(modelCase, entry, `inc_kd_loss[${index}]`),
  );
}

function compareDistillation(
  modelCase: ModelCase,
  entry: JsonObject,
  label: string,
): Difference | undefined {
  const { backend, config, batch, files, tolerances } = modelCase;
  const shape = [batch.batch, config.labels];
  return withTape(backend, true, (tape) => {
    const values = tensorValues(files, "out/logits");
    const logits = input(tape, shape, values, { requiresGradient: true });
    const loss = incDistillationLoss(tape, modelCase, entry, logits);
    const value = scalarOf(loss);
    backward(tape, loss);
    return (
      compare(`${label}.loss`, at.number(entry, "loss"), value, tolerances.loss) ??
      compare(
        `${label}.dlogits`,
        at.numbers(entry, "dlogits"),
        gradientOf(logits),
        tolerances.gradients,
      )
    );
  });
}

/** Computes weights[0] x loss against the labels + weights[1] x loss against the teacher's logits. */
function incDistillationLoss(
  tape: Tape,
  { batch: { labels }, files }: ModelCase,
  entry: JsonObject,
  logits: Variable,
): Variable {
  const [labelWeight = 0, teacherWeight = 0] = at.numbers(entry, "loss_weights");
  if (!(labels instanceof Int32Array)) throw new Error("inc_kd_loss: expected class labels");
  const teacher = input(tape, logits.shape, tensorValues(files, "out/teacher_logits"));
  return add(
    tape,
    scale(tape, crossEntropy(tape, logits, labels), labelWeight),
    scale(tape, teacherLoss(tape, entry, logits, teacher), teacherWeight),
  );
}

function teacherLoss(tape: Tape, entry: JsonObject, logits: Variable, teacher: Variable): Variable {
  const temperature = at.number(entry, "temperature");
  const kind = at.texts(entry, "loss_types")[1];
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
