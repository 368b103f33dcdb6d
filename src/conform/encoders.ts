/**
 * Replays encoder vectors, which record models of transformers 4.57 with their own losses and optimizer steps. Models
 * that cannot be run are not replayed, but listed with the reason.
 */
import { formatProblem, isLeft } from "../core/either.ts";
import { isJsonObject } from "../io/json.ts";
import type { Backend } from "../kernels/backend.ts";
import { parseModelConfig } from "../model/config.ts";
import { type CaseFiles, type JsonObject, openCase } from "./case-files.ts";
import { largestMagnitude } from "./difference.ts";
import { passesDifference } from "./model.ts";
import { closeModelCase, type ModelTolerances, openModelCase } from "./model-case.ts";
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
      return passesDifference(modelCase);
    } finally {
      closeModelCase(modelCase);
    }
  });
}
