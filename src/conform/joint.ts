/**
 * Replays joint vectors: BERT, AdamW, distillation and Intel Neural Compressor's pruner together, step by
 * step, through the public training step. Steps that learn from the labels leave padding out; they are
 * replayed with it as well. A case directory counts once.
 */
import type { Backend } from "../kernels/backend.ts";
import type { TokenBatch } from "../model/batch.ts";
import { parseModelConfigOrThrow } from "../model/config.ts";
import { createParameters } from "../model/parameters.ts";
import type { Padding } from "../model/token-rows.ts";
import type { PrunerState } from "../prune/state.ts";
import { releaseParameters } from "../tensor/parameter.ts";
import { lossPadding } from "../train/loss-needs.ts";
import { learningRateAt } from "../train/schedule.ts";
import { createSession, releaseSession, type TrainingSession } from "../train/session.ts";
import type { TrainingSettings } from "../train/settings.ts";
import type { SparseProductsSetting } from "../train/sparse-switch.ts";
import { appliedMask } from "../train/sparsity.ts";
import { trainStepInto } from "../train/step.ts";
import {
  type LabelledBatch,
  sequenceClassifier,
  type TrainableModel,
} from "../train/trainable-model.ts";
import {
  type CaseFiles,
  numberAt,
  type OpenCase,
  objectAt,
  objectsAt,
  openCase,
  tensorsBelow,
  tensorValues,
} from "./case-files.ts";
import {
  type Difference,
  differenceAt,
  exactDifference,
  numberDifference,
  type Tolerance,
  tensorDifference,
} from "./difference.ts";
import { jointSettings } from "./joint-settings.ts";
import { isKeyBias } from "./model-gradients.ts";
import { judge, type Verdict } from "./verdict.ts";

/** Losses, relative. */
const LOSS_TOLERANCE = 1e-5;
/** Learning rates: a few units in the last place of a double. */
const RATE_TOLERANCE: Tolerance = { relative: 1e-14 };
/** Final weights, absolute. */
const WEIGHT_TOLERANCE = 5e-5;

type Batch = TokenBatch & LabelledBatch;

/**
 * One verdict for each case, named after its directory; `only` selects by that name. `sparseProducts` is the setting
 * of the training runs: it must not matter.
 */
export function* replayJoint(
  cases: Iterable<CaseFiles>,
  backend: Backend,
  only?: RegExp,
  sparseProducts: SparseProductsSetting = "auto",
): Iterable<Verdict> {
  for (const files of cases) {
    if (only !== undefined && files.name.search(only) < 0) continue;
    yield judge("joint", files.name, () => {
      const opened = openCase(files);
      const settings = jointSettings(opened.json, sparseProducts);
      return (
        jointDifference(opened, backend, settings, lossPadding(settings.distillation)) ??
        (settings.distillation === null
          ? jointDifference(opened, backend, settings, "included")
          : undefined)
      );
    });
  }
}

function jointDifference(
  files: OpenCase,
  backend: Backend,
  settings: TrainingSettings,
  padding: Padding,
): Difference | undefined {
  const student = withPadding(modelOf(files, backend, "param/"), padding);
  const teacher = modelOf(files, backend, "teacher/");
  const session = createSession(backend, student, settings, teacher);
  try {
    return stepsDifference(files, session) ?? finalDifference(files, student);
  } finally {
    releaseSession(session);
    releaseParameters(student.parameters);
    releaseParameters(teacher.parameters);
  }
}

function modelOf(files: OpenCase, backend: Backend, prefix: string): TrainableModel<Batch> {
  const config = parseModelConfigOrThrow({ model_type: "bert", ...objectAt(files.json, "model") });
  return sequenceClassifier(config, createParameters(backend, config, tensorsBelow(files, prefix)));
}

/** The model with this padding, whatever a step asks for; all else is as a step asks for it. */
function withPadding(model: TrainableModel<Batch>, padding: Padding): TrainableModel<Batch> {
  return {
    ...model,
    forward: (tape, batch, options) => model.forward(tape, batch, { ...options, padding }),
  };
}

/** First difference in any step's loss, learning rate or masks. */
function stepsDifference(files: OpenCase, session: TrainingSession<Batch>): Difference | undefined {
  const expectedMasks = new Map<string, Float32Array>();
  for (const event of objectsAt(files.json, "events")) {
    const step = numberAt(event, "step");
    const { loss } = trainStepInto(session, batchOf(files, step));
    const wanted = numberAt(event, "loss");
    for (const [name, { data }] of tensorsBelow(files, `mask/${step}/`)) {
      expectedMasks.set(name, data);
    }
    const difference =
      numberDifference({ step, quantity: "loss" }, wanted, loss, { relative: LOSS_TOLERANCE }) ??
      rateDifference(step, session, numberAt(event, "lr")) ??
      masksDifference(step, session, expectedMasks);
    if (difference !== undefined) return difference;
  }
  return undefined;
}

/** Compares the learning rate of the step after `step`: a case notes it when its scheduler has moved on. */
function rateDifference(
  step: number,
  { settings: { schedule, optimizer } }: TrainingSession<Batch>,
  expected: number,
): Difference | undefined {
  const got = learningRateAt(schedule, optimizer.learningRate, step + 1);
  return numberDifference({ step, quantity: "learning rate" }, expected, got, RATE_TOLERANCE);
}

/**
 * Compares the mask on every weight with the one the case last wrote for it; all ones before. Where
 * there are several pruners a layer's name is followed by `@<pruner index>`.
 */
function masksDifference(
  step: number,
  { pruning }: TrainingSession<Batch>,
  expected: ReadonlyMap<string, Float32Array>,
): Difference | undefined {
  const got = appliedMasks(pruning?.state.pruners ?? []);
  const unknown = [...expected.keys()].find((name) => !got.has(name));
  if (unknown !== undefined)
    return differenceAt({ step, layer: unknown, quantity: "mask" }, "a mask", "none");
  for (const [name, mask] of got) {
    const wanted = expected.get(name) ?? new Float32Array(mask.length).fill(1);
    const difference = exactDifference({ step, layer: name, quantity: "mask" }, wanted, mask);
    if (difference !== undefined) return difference;
  }
  return undefined;
}

function appliedMasks(pruners: readonly PrunerState[]): ReadonlyMap<string, Uint8Array> {
  return new Map(
    pruners.flatMap(({ layers }, index) => {
      const suffix = pruners.length > 1 ? `@${index}` : "";
      return layers.map((layer) => [`${layer.name}${suffix}`, appliedMask(layer)] as const);
    }),
  );
}

/** First difference in the final parameters; key biases have no gradient but rounding noise. */
function finalDifference(
  files: OpenCase,
  { parameters }: TrainableModel<Batch>,
): Difference | undefined {
  for (const [name, { data }] of tensorsBelow(files, "final/")) {
    if (isKeyBias(name)) continue;
    const got = parameters.get(name)?.value.data ?? new Float32Array(0);
    const place = { layer: name, quantity: "final weight" };
    const difference = tensorDifference(place, data, got, { absolute: WEIGHT_TOLERANCE });
    if (difference !== undefined) return difference;
  }
  return undefined;
}

function batchOf(files: OpenCase, step: number): Batch {
  const prefix = `batch/${step}`;
  const [batch = 0, positions = 0] = files.tensors.get(`${prefix}/input_ids`)?.shape ?? [];
  return {
    batch,
    positions,
    inputIds: Int32Array.from(tensorValues(files, `${prefix}/input_ids`)),
    tokenTypeIds: Int32Array.from(tensorValues(files, `${prefix}/token_type_ids`)),
    attentionMask: Uint8Array.from(tensorValues(files, `${prefix}/attention_mask`)),
    labels: Int32Array.from(tensorValues(files, `${prefix}/labels`)),
  };
}
