/**
 * Replays what encoder vectors record of losses and of clipping, without the model: the recorded logits have their loss,
 * its gradient reaches the last linear layer, and the recorded gradients have a norm.
 */
import { backward } from "../autograd/backward.ts";
import { crossEntropy } from "../autograd/label-losses.ts";
import type { Variable } from "../autograd/records.ts";
import { gradientOf, input, scalarOf, type Tape } from "../autograd/tape.ts";
import type { ProblemType } from "../core/problem-type.ts";
import { isJsonObject } from "../io/json.ts";
import type { Backend } from "../kernels/backend.ts";
import { createParameter, type Parameter, releaseParameters } from "../tensor/parameter.ts";
import { clippingFactor, gradientNorm } from "../train/clipping.ts";
import { labelLoss } from "../train/distillation.ts";
import {
  at,
  type CaseFiles,
  type JsonObject,
  type OpenCase,
  openCase,
  tensorsBelow,
  tensorValues,
} from "./case-files.ts";
import { compare, type Difference, firstOf, largestMagnitude } from "./difference.ts";
import { labelsOf, withTape } from "./model-case.ts";
import { judge, type Verdict } from "./verdict.ts";

/** About five times the largest difference between float32 and float64, relative to the largest value. */
const TOLERANCES = {
  loss: { relative: 2e-6 },
  logitGradients: { relative: 2.5e-6 },
  norm: { relative: 2e-6 },
  gradients: 1e-5,
};

/** Replays the losses and the clipping of a vector. The verdict's name ends with `:losses`. */
export function replayEncoderLosses(files: CaseFiles, backend: Backend): Verdict {
  return judge("encoders", `${files.name}:losses`, () => {
    const opened = openCase(files);
    return (
      ownLossDifference(opened, backend) ??
      crossEntropyDifference(opened, backend) ??
      clippingDifference(opened, backend)
    );
  });
}

interface Differentiated {
  readonly loss: number;
  readonly dLogits: Float32Array;
}

/** Computes a loss of the recorded logits, and its gradient. */
function differentiateLogits(
  files: OpenCase,
  backend: Backend,
  lossOf: (tape: Tape, logits: Variable) => Variable,
): Differentiated {
  const { shape = [] } = files.tensors.get("out/logits") ?? {};
  return withTape(backend, true, (tape) => {
    const values = tensorValues(files, "out/logits");
    const logits = input(tape, shape, values, { requiresGradient: true });
    const loss = lossOf(tape, logits);
    const value = scalarOf(loss);
    backward(tape, loss);
    return { loss: value, dLogits: gradientOf(logits).slice() };
  });
}

/** Compares the model's own loss, and its gradients in the last linear layer, which follow from those of the logits. */
function ownLossDifference(files: OpenCase, backend: Backend): Difference | undefined {
  const { json } = files;
  const { problem_type_resolved: resolved } = json;
  const problemType = typeof resolved === "string" ? (resolved as ProblemType) : null;
  const batch = { labels: labelsOf(files) };
  const { loss, dLogits } = differentiateLogits(files, backend, (tape, logits) =>
    labelLoss(tape, { logits }, batch, { problemType }),
  );
  const layer = at.text(json, "last_classifier_linear");
  const pooled = tensorValues(files, "out/pooled");
  const [rows = 0, width = 0] = files.tensors.get("out/pooled")?.shape ?? [];
  const outputs = dLogits.length / rows;
  const ones = new Float32Array(rows).fill(1);
  return (
    compare("own loss", at.number(json, "loss"), loss, TOLERANCES.loss) ??
    compareProduct(files, `${layer}.bias`, dLogits, outputs, ones, 1) ??
    compareProduct(files, `${layer}.weight`, dLogits, outputs, pooled, width)
  );
}

/** Compares the gradient of a parameter with the product of the transposed gradient of the logits and an input. */
function compareProduct(
  files: OpenCase,
  layer: string,
  dLogits: Float32Array,
  outputs: number,
  values: Float32Array,
  width: number,
): Difference | undefined {
  const expected = tensorValues(files, `grad_ce/${layer}`);
  const got = new Float64Array(outputs * width);
  for (let row = 0; row * outputs < dLogits.length; row++)
    for (let i = 0; i < got.length; i++)
      got[i] += dLogits[row * outputs + Math.floor(i / width)] * values[row * width + (i % width)];
  const absolute = TOLERANCES.gradients * largestMagnitude(expected);
  return compare({ layer, quantity: "gradient of own loss" }, expected, got, { absolute });
}

/** Compares the cross-entropy of the recorded logits: plain, with label smoothing, with class weights, with both. */
function crossEntropyDifference(files: OpenCase, backend: Backend): Difference | undefined {
  if (!("cross_entropy" in files.json)) return undefined;
  const labels = Int32Array.from(labelsOf(files));
  return firstOf(at.objects(files.json, "cross_entropy"), (row) => {
    const options = optionsOf(at.object(row, "options"));
    const { loss, dLogits } = differentiateLogits(files, backend, (tape, logits) =>
      crossEntropy(tape, logits, labels, options),
    );
    const name = `cross_entropy ${JSON.stringify(options)}`;
    return (
      compare(`${name} loss`, at.number(row, "loss"), loss, TOLERANCES.loss) ??
      compare(`${name} dlogits`, at.numbers(row, "dlogits"), dLogits, TOLERANCES.logitGradients)
    );
  });
}

function optionsOf(options: JsonObject) {
  return {
    ...("label_smoothing" in options && { labelSmoothing: at.number(options, "label_smoothing") }),
    ...("weight" in options && { classWeights: at.numbers(options, "weight") }),
  };
}

/** Compares the total norm of the recorded gradients, and the factor that clips them. */
function clippingDifference(files: OpenCase, backend: Backend): Difference | undefined {
  const { clip } = files.json;
  if (!isJsonObject(clip)) return undefined;
  const parameters = new Map<string, Parameter>();
  try {
    for (const [name, { shape, data }] of tensorsBelow(files, "grad_ce/")) {
      const parameter = createParameter(backend, name, shape);
      parameters.set(name, parameter);
      parameter.gradient.data.set(data);
    }
    const norm = gradientNorm(parameters.values());
    const factor = clippingFactor(norm, at.number(clip, "max_norm"));
    return (
      compare("total norm", at.number(clip, "total_norm"), norm, TOLERANCES.norm) ??
      compare("clipping factor", at.number(clip, "coefficient"), factor, TOLERANCES.norm)
    );
  } finally {
    releaseParameters(parameters);
  }
}
