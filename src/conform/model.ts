/**
 * Replays model vectors, which record forward passes, gradients, distillation losses and optimizer steps of BERT and
 * DistilBERT in transformers. A second replay omits padded positions, and compares only the results that do not depend
 * on these positions.
 */
import type { Tape } from "../autograd/tape.ts";
import type { Backend } from "../kernels/backend.ts";
import type { TokenBatch } from "../model/batch.ts";
import { forward } from "../model/forward.ts";
import type { Padding } from "../model/token-rows.ts";
import { type Parameters, parameterNamed } from "../tensor/parameter.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { type CaseFiles, openCase, tensorValues } from "./case-files.ts";
import { compare, type Difference, firstOf, largestMagnitude } from "./difference.ts";
import {
  closeModelCase,
  type ModelCase,
  type ModelTolerances,
  openModelCase,
  withStudent,
  withTape,
} from "./model-case.ts";
import { distillationDifference, gradientDifference } from "./model-gradients.ts";
import { optimizerDifference } from "./model-optimizer.ts";
import { judge, type Verdict } from "./verdict.ts";

/** The noise in a key bias's gradient stays below this share of the largest gradient in the same layer's key weight. */
const KEY_BIAS_NOISE = 1e-5;

export const MODEL_TOLERANCES: ModelTolerances = {
  states: { absolute: 1e-5 },
  outputs: { absolute: 1e-5 },
  // Losses are differences of logarithms of order 1, which float32 rounds to about 1e-6.
  loss: { relative: 1e-5, absolute: 1e-6 },
  gradients: { relative: 1e-4 },
  stepLoss: { relative: 1e-5 },
  keyBiasNoise: (parameters, name) => {
    const weight = parameterNamed(parameters, name.replace(/bias$/, "weight"));
    return KEY_BIAS_NOISE * largestMagnitude(weight.gradient.data);
  },
};

export function replayModel(files: CaseFiles, backend: Backend): Verdict {
  return judge("model", files.name, () => {
    const modelCase = openModelCase(backend, openCase(files), MODEL_TOLERANCES);
    try {
      return passesDifference(modelCase) ?? distillationDifference(modelCase);
    } finally {
      closeModelCase(modelCase);
    }
  });
}

/** Compares forward pass, gradients and optimizer steps, first with padded positions, then without. */
export function passesDifference(modelCase: ModelCase): Difference | undefined {
  const difference = passDifference(modelCase);
  if (difference !== undefined) return difference;
  const unpadded = passDifference({ ...modelCase, padding: "excluded" });
  return unpadded && { ...unpadded, quantity: `without padding: ${unpadded.quantity}` };
}

function passDifference(modelCase: ModelCase): Difference | undefined {
  return (
    outputDifference(modelCase) ?? gradientDifference(modelCase) ?? optimizerDifference(modelCase)
  );
}

function outputDifference(modelCase: ModelCase): Difference | undefined {
  const { backend, config, batch, files, teacher, padding, tolerances } = modelCase;
  const compareOutputs = (tape: Tape, parameters: Parameters): Difference | undefined => {
    const options = { outputHiddenStates: true, outputAttentions: true, padding };
    const output = forward(tape, config, parameters, batch, options);
    const results: ReadonlyMap<string, Tensor> = new Map([
      ...output.hiddenStates.map(({ value }, i) => [`out/hidden_states/${i}`, value] as const),
      ...output.attentions.map(({ value }, i) => [`out/attentions/${i}`, value] as const),
      ["out/pooled", output.pooled.value],
      ["out/pooler_output", output.pooled.value],
      ["out/logits", output.logits.value],
      ["out/teacher_last_hidden", teacher.lastHidden],
      ["out/teacher_logits", teacher.logits],
    ]);
    const names = [...files.tensors.keys()].filter((name) => name.startsWith("out/"));
    return firstOf(names, (name) => {
      const got = results.get(name)?.data ?? new Float32Array(0);
      const tolerance = isState(name) ? tolerances.states : tolerances.outputs;
      return compare(name, recordedOutput(modelCase, output.padding, name), got, tolerance);
    });
  };
  return withStudent(modelCase, (parameters) =>
    withTape(backend, false, (tape) => compareOutputs(tape, parameters)),
  );
}

/** Whether an output is a hidden state or attention probabilities. */
function isState(name: string): boolean {
  return /^out\/(hidden_states\/|attentions\/|teacher_last_hidden$)/.test(name);
}

/** Reads a recorded output. Padded positions are removed if the forward pass omits them. */
function recordedOutput({ files, batch }: ModelCase, padding: Padding, name: string): Float32Array {
  const values = tensorValues(files, name);
  if (padding === "included") return values;
  if (name.startsWith("out/hidden_states/")) return tokenRowsOf(batch, values);
  return name.startsWith("out/attentions/") ? tokenSquaresOf(batch, values) : values;
}

/** Selects the rows for tokens, without padding, from values of shape [batch, positions, width]. */
function tokenRowsOf({ attentionMask }: TokenBatch, values: Float32Array): Float32Array {
  const width = values.length / attentionMask.length;
  return values.filter((_, i) => attentionMask[Math.floor(i / width)] === 1);
}

/** Selects the entries in which query and key are tokens from values of shape [batch, heads, positions, positions]. */
function tokenSquaresOf(
  { batch, positions, attentionMask }: TokenBatch,
  values: Float32Array,
): Float32Array {
  const perExample = values.length / batch;
  return values.filter((_, i) => {
    const first = Math.floor(i / perExample) * positions;
    const query = first + (Math.floor(i / positions) % positions);
    const key = first + (i % positions);
    return attentionMask[query] === 1 && attentionMask[key] === 1;
  });
}
