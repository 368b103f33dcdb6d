/** Opens a model vector, and runs forward passes of its student and its teacher. */
import { backward } from "../autograd/backward.ts";
import type { Variable } from "../autograd/records.ts";
import { createTape, releaseTape, scalarOf, type Tape } from "../autograd/tape.ts";
import type { Backend } from "../kernels/backend.ts";
import type { TokenBatch } from "../model/batch.ts";
import { type ModelConfig, parseModelConfigOrThrow } from "../model/config.ts";
import { forward, type ModelOutput } from "../model/forward.ts";
import { createParameters } from "../model/parameters.ts";
import type { Padding } from "../model/token-rows.ts";
import { type Parameters, releaseParameters } from "../tensor/parameter.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { at, type OpenCase, tensorsBelow, tensorValues } from "./case-files.ts";
import type { Tolerance } from "./difference.ts";

/** The tolerances of a family of model vectors. */
export interface ModelTolerances {
  /** For hidden states and attention probabilities. */
  readonly states: Tolerance;
  /** For pooled outputs and logits. */
  readonly outputs: Tolerance;
  readonly loss: Tolerance;
  readonly gradients: Tolerance;
  /** For the loss before each step of an optimizer. */
  readonly stepLoss: Tolerance;
  /** The largest magnitude of an attention key bias's gradient, which is only rounding noise. */
  readonly keyBiasNoise: (parameters: Parameters, name: string) => number;
}

export interface ModelCase {
  readonly files: OpenCase;
  readonly tolerances: ModelTolerances;
  readonly backend: Backend;
  readonly config: ModelConfig;
  readonly batch: TokenBatch & { readonly labels: Int32Array | Float32Array };
  /** Whether the student's forward pass includes padded positions or leaves them out. */
  readonly padding: Padding;
  readonly teacher: { readonly lastHidden: Tensor; readonly logits: Tensor };
}

export type Loss = (tape: Tape, output: ModelOutput) => Variable;

/** Reads the configuration and the batch of a case, and runs the teacher on the batch. */
export function openModelCase(
  backend: Backend,
  files: OpenCase,
  tolerances: ModelTolerances,
): ModelCase {
  const config = configOf(files, "config");
  const batch = { ...batchAt(files, "in/"), labels: labelsOf(files) };
  const teacher = runTeacher(backend, files, batch);
  return { files, tolerances, backend, config, batch, padding: "included", teacher };
}

export function closeModelCase({ teacher }: ModelCase): void {
  teacher.lastHidden.release();
  teacher.logits.release();
}

/** Runs `body` with the parameters whose tensor names start with `prefix`, then releases the parameters. */
export function withParameters<T>(
  backend: Backend,
  config: ModelConfig,
  files: OpenCase,
  prefix: string,
  body: (parameters: Parameters) => T,
): T {
  const parameters = createParameters(backend, config, tensorsBelow(files, prefix));
  try {
    return body(parameters);
  } finally {
    releaseParameters(parameters);
  }
}

/** Runs `body` with the student's initial parameters. */
export function withStudent<T>(
  { backend, config, files }: ModelCase,
  body: (parameters: Parameters) => T,
): T {
  return withParameters(backend, config, files, "param/", body);
}

/** Runs `body` with a new tape without dropout, then releases the tape. */
export function withTape<T>(
  backend: Backend,
  recordGradients: boolean,
  body: (tape: Tape) => T,
): T {
  const tape = createTape(backend, { training: false, recordGradients });
  try {
    return body(tape);
  } finally {
    releaseTape(tape);
  }
}

/** Computes a loss of the student without dropout, and returns it. Adds its gradients to those of `parameters`. */
export function differentiate(modelCase: ModelCase, parameters: Parameters, loss: Loss): number {
  const { backend, config, batch, padding } = modelCase;
  return withTape(backend, true, (tape) => {
    const variable = loss(tape, forward(tape, config, parameters, batch, { padding }));
    const value = scalarOf(variable);
    backward(tape, variable);
    return value;
  });
}

export function lastHidden({ hiddenStates }: ModelOutput): Variable {
  const last = hiddenStates.at(-1);
  if (last === undefined) throw new Error("hidden states: expected at least one");
  return last;
}

/** Reads the labels of a case: classes or values. */
export function labelsOf(files: OpenCase): Int32Array | Float32Array {
  const labels = tensorValues(files, "in/labels");
  return files.tensors.get("in/labels")?.dtype === "I64" ? Int32Array.from(labels) : labels;
}

/** Reads the batch whose tensor names start with `prefix`. Token types are 0 if they are not recorded. */
export function batchAt(files: OpenCase, prefix: string): TokenBatch {
  const [batch = 0, positions = 0] = files.tensors.get(`${prefix}input_ids`)?.shape ?? [];
  const types = `${prefix}token_type_ids`;
  return {
    batch,
    positions,
    inputIds: Int32Array.from(tensorValues(files, `${prefix}input_ids`)),
    tokenTypeIds: files.tensors.has(types)
      ? Int32Array.from(tensorValues(files, types))
      : new Int32Array(batch * positions),
    attentionMask: Uint8Array.from(tensorValues(files, `${prefix}attention_mask`)),
  };
}

function configOf(files: OpenCase, key: string): ModelConfig {
  const kind = at.text(files.json, "kind");
  return parseModelConfigOrThrow({ model_type: kind, ...at.object(files.json, key) });
}

function runTeacher(backend: Backend, files: OpenCase, batch: TokenBatch): ModelCase["teacher"] {
  const config = configOf(files, "teacher_config");
  return withParameters(backend, config, files, "teacher/", (parameters) =>
    withTape(backend, false, (tape) => {
      const output = forward(tape, config, parameters, batch);
      const hidden = lastHidden(output).value.retain();
      return { lastHidden: hidden, logits: output.logits.value.retain() };
    }),
  );
}
