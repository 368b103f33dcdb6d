/**
 * Replays encoder vectors, which record models of transformers 4.57 with their own losses and optimizer steps. Models
 * that cannot be run are not replayed, but listed with the reason.
 */
import { backward } from "../autograd/backward.ts";
import { crossEntropy } from "../autograd/label-losses.ts";
import { gradientOf, input, scalarOf } from "../autograd/tape.ts";
import { formatProblem, isLeft } from "../core/either.ts";
import { isJsonObject } from "../io/json.ts";
import type { Backend } from "../kernels/backend.ts";
import { parseModelConfig } from "../model/config.ts";
import { at, type CaseFiles, type JsonObject, openCase, tensorValues } from "./case-files.ts";
import { compare, type Difference, firstOf, largestMagnitude } from "./difference.ts";
import { passesDifference } from "./model.ts";
import {
  closeModelCase,
  type ModelCase,
  type ModelTolerances,
  openModelCase,
  withTape,
} from "./model-case.ts";
import { judge, type Verdict } from "./verdict.ts";

/**
 * About five times the largest difference between results in float32 and float64, relative to the tensor's largest
 * value.
 */
export const ENCODER_TOLERANCES: ModelTolerances = {
  states: { relative: 2.5e-6 },
  outputs: { relative: 6e-6 },
  loss: { relative: 2e-6 },
  gradients: { relative: 1e-5 },
  stepLoss: { relative: 7e-6 },
  keyBiasNoise: (parameters) => {
    const largest = [...parameters.values()].map(({ gradient }) => largestMagnitude(gradient.data));
    return 1e-6 * Math.max(...largest);
  },
};
const LOGIT_GRADIENTS = { relative: 2.5e-6 };

/** Whether a `case.json` belongs to an encoder vector. */
export function isEncoderCase(json: JsonObject): boolean {
  return "class" in json && "problem_type_resolved" in json;
}

/** Returns why the model of a case cannot be run; undefined if it can. */
export function encoderRefusal(json: JsonObject): string | undefined {
  const config = isJsonObject(json.config) ? json.config : {};
  const parsed = parseModelConfig({ model_type: json.kind, ...config });
  if (isLeft(parsed)) return parsed.left.slice(0, 1).map(formatProblem).join();
  return "teacher_config" in json ? undefined : "the vector has no teacher";
}

export function replayEncoder(files: CaseFiles, backend: Backend): Verdict {
  return judge("encoders", files.name, () => {
    const modelCase = openModelCase(backend, openCase(files), ENCODER_TOLERANCES);
    try {
      return passesDifference(modelCase) ?? crossEntropyDifference(modelCase);
    } finally {
      closeModelCase(modelCase);
    }
  });
}

/** Compares the cross-entropy of the recorded logits. Rows with label smoothing or class weights are left out. */
function crossEntropyDifference(modelCase: ModelCase): Difference | undefined {
  const { json } = modelCase.files;
  if (!("cross_entropy" in json)) return undefined;
  const plain = at
    .objects(json, "cross_entropy")
    .filter((row) => Object.keys(at.object(row, "options")).length === 0);
  return firstOf(plain, (row) => {
    const { backend, batch, config, files, tolerances } = modelCase;
    return withTape(backend, true, (tape) => {
      const values = tensorValues(files, "out/logits");
      const logits = input(tape, [batch.batch, config.labels], values, { requiresGradient: true });
      const loss = crossEntropy(tape, logits, Int32Array.from(batch.labels));
      const value = scalarOf(loss);
      backward(tape, loss);
      const [expected, gradients] = [at.number(row, "loss"), at.numbers(row, "dlogits")];
      return (
        compare("cross_entropy loss", expected, value, tolerances.loss) ??
        compare("cross_entropy dlogits", gradients, gradientOf(logits), LOGIT_GRADIENTS)
      );
    });
  });
}
