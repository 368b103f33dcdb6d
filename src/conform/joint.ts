/**
 * Replays joint vectors, which record BERT, AdamW, distillation and Intel Neural Compressor's pruner together, one
 * training step at a time. Training on labels alone leaves out padded positions. Vectors with such training are
 * replayed a second time, with these positions included.
 */
import type { Backend } from "../kernels/backend.ts";
import type { TokenBatch } from "../model/batch.ts";
import { parseModelConfigOrThrow } from "../model/config.ts";
import type { Padding } from "../model/token-rows.ts";
import type { PrunerState } from "../prune/state.ts";
import type { Parameters } from "../tensor/parameter.ts";
import { parameterRules } from "../train/optimizer.ts";
import { learningRateAt } from "../train/schedule.ts";
import { createSession, releaseSession, type TrainingSession } from "../train/session.ts";
import { lossPadding, type TrainingSettings, trainingSettings } from "../train/settings.ts";
import type { SparseProductsSetting } from "../train/sparse-switch.ts";
import { appliedMask } from "../train/sparsity.ts";
import { trainStepInto } from "../train/step.ts";
import {
  type LabelledBatch,
  sequenceClassifier,
  type TrainableModel,
} from "../train/trainable-model.ts";
import {
  at,
  type CaseFiles,
  type JsonObject,
  type OpenCase,
  openCase,
  tensorsBelow,
  tensorValues,
} from "./case-files.ts";
import { compare, type Difference, differenceAt, firstOf } from "./difference.ts";
import { batchAt, withParameters } from "./model-case.ts";
import { isKeyBias } from "./model-gradients.ts";
import { adamWSettings } from "./model-optimizer.ts";
import { scheduleAt } from "./model-schedule.ts";
import { judge, type Verdict } from "./verdict.ts";

const LOSS_TOLERANCE = { relative: 1e-5 };
/** The learning rates agree to within a few units in the last place of a double. */
const RATE_TOLERANCE = { relative: 1e-14 };
const WEIGHT_TOLERANCE = { absolute: 5e-5 };

type Batch = TokenBatch & LabelledBatch;

/** Replays a joint vector. `sparseProducts` selects how products are computed, and must not change the verdict. */
export function replayJoint(
  files: CaseFiles,
  backend: Backend,
  sparseProducts: SparseProductsSetting = "auto",
): Verdict {
  return judge("joint", files.name, () => {
    const opened = openCase(files);
    const settings = jointSettings(opened.json, sparseProducts);
    const replay = (padding: Padding): Difference | undefined =>
      jointDifference(opened, backend, settings, padding);
    const difference = replay(lossPadding(settings.distillation));
    return difference ?? (settings.distillation === null ? replay("included") : undefined);
  });
}

/** Returns the training settings of INC's example script, under the `inc` profile. */
function jointSettings(json: JsonObject, sparseProducts: SparseProductsSetting): TrainingSettings {
  const optimizer = at.object(json, "optimizer");
  const pruning = at.object(json, "pruning");
  const { configs: _, ...top } = pruning;
  return trainingSettings({
    seed: 0,
    batching: "shuffled",
    optimizer: adamWSettings(optimizer, "transformers.AdamW"),
    parameterRules: parameterRules("inc"),
    schedule: {
      name: scheduleAt(optimizer, "lr_scheduler_type"),
      warmupSteps: 0,
      totalSteps: at.number(json, "steps"),
    },
    pruning: { ...top, pruning_configs: at.objects(pruning, "configs") },
    profile: "inc",
    teacherCache: "off",
    distillation:
      at.text(json, "loss") === "mse"
        ? { kind: "last-hidden-state", weight: at.number(json, "distill_loss_weight") }
        : null,
    sparseProducts,
  });
}

function jointDifference(
  files: OpenCase,
  backend: Backend,
  settings: TrainingSettings,
  padding: Padding,
): Difference | undefined {
  const config = parseModelConfigOrThrow({ model_type: "bert", ...at.object(files.json, "model") });
  const replay = (student: Parameters, teacher: Parameters): Difference | undefined => {
    const model = withPadding(sequenceClassifier(config, student), padding);
    const session = createSession(backend, model, settings, sequenceClassifier(config, teacher));
    try {
      return stepsDifference(files, session) ?? finalDifference(files, student);
    } finally {
      releaseSession(session);
    }
  };
  return withParameters(backend, config, files, "param/", (student) =>
    withParameters(backend, config, files, "teacher/", (teacher) => replay(student, teacher)),
  );
}

/** Returns a model that always uses `padding`, whatever a training step requests. */
function withPadding(model: TrainableModel<Batch>, padding: Padding): TrainableModel<Batch> {
  return {
    ...model,
    forward: (tape, batch, options) => model.forward(tape, batch, { ...options, padding }),
  };
}

function stepsDifference(files: OpenCase, session: TrainingSession<Batch>): Difference | undefined {
  const { schedule, optimizer } = session.settings;
  const expectedMasks = new Map<string, Float32Array>();
  return firstOf(at.objects(files.json, "events"), (event) => {
    const step = at.number(event, "step");
    const labels = Int32Array.from(tensorValues(files, `batch/${step}/labels`));
    const { loss } = trainStepInto(session, { ...batchAt(files, `batch/${step}/`), labels });
    // The learning rate was recorded after the scheduler's step, so it belongs to the next step.
    const rate = learningRateAt(schedule, optimizer.learningRate, step + 1);
    for (const [name, { data }] of tensorsBelow(files, `mask/${step}/`))
      expectedMasks.set(name, data);
    const quantity = "learning rate";
    return (
      compare({ step, quantity: "loss" }, at.number(event, "loss"), loss, LOSS_TOLERANCE) ??
      compare({ step, quantity }, at.number(event, "lr"), rate, RATE_TOLERANCE) ??
      masksDifference(step, session, expectedMasks)
    );
  });
}

/** Compares every mask with its most recently recorded mask. Before the first record, masks are all ones. */
function masksDifference(
  step: number,
  { pruning }: TrainingSession<Batch>,
  expected: ReadonlyMap<string, Float32Array>,
): Difference | undefined {
  const got = appliedMasks(pruning?.state.pruners ?? []);
  const unknown = [...expected.keys()].find((name) => !got.has(name));
  if (unknown !== undefined)
    return differenceAt({ step, layer: unknown, quantity: "mask" }, "a mask", "none");
  return firstOf(got, ([layer, mask]) => {
    const wanted = expected.get(layer) ?? new Float32Array(mask.length).fill(1);
    return compare({ step, layer, quantity: "mask" }, wanted, mask);
  });
}

/** Returns masks by layer name. If there are several pruners, names have the suffix `@<pruner index>`. */
function appliedMasks(pruners: readonly PrunerState[]): ReadonlyMap<string, Uint8Array> {
  return new Map(
    pruners.flatMap(({ layers }, index) => {
      const suffix = pruners.length > 1 ? `@${index}` : "";
      return layers.map((layer) => [`${layer.name}${suffix}`, appliedMask(layer)] as const);
    }),
  );
}

/** Compares the final parameters, except attention key biases, whose gradients are only rounding noise. */
function finalDifference(files: OpenCase, parameters: Parameters): Difference | undefined {
  return firstOf(tensorsBelow(files, "final/"), ([layer, { data }]) => {
    if (isKeyBias(layer)) return undefined;
    const got = parameters.get(layer)?.value.data ?? new Float32Array(0);
    return compare({ layer, quantity: "final weight" }, data, got, WEIGHT_TOLERANCE);
  });
}
