/** Replays vectors in which a model is trained while its attention heads are pruned. */
import type { Backend } from "../kernels/backend.ts";
import type { TokenBatch } from "../model/batch.ts";
import { forward } from "../model/forward.ts";
import type { Parameters } from "../tensor/parameter.ts";
import { createSession, releaseSession, type TrainingSession } from "../train/session.ts";
import { trainingSettings } from "../train/settings.ts";
import { trainStepInto } from "../train/step.ts";
import { type LabelledBatch, layerRecords, sequenceClassifier } from "../train/trainable-model.ts";
import { at, type OpenCase, tensorsBelow, tensorValues } from "./case-files.ts";
import { compare, type Difference, differenceAt, firstOf } from "./difference.ts";
import type { HeadCase } from "./heads-case.ts";
import { headSelectionDifference, headWeightsDifference, type StatedMasks } from "./heads-event.ts";
import { batchAt, withParameters, withTape } from "./model-case.ts";
import { isKeyBias } from "./model-gradients.ts";
import { adamWSettings } from "./model-optimizer.ts";
import { recordedClassifier } from "./recorded-model.ts";

const LOSS_TOLERANCE = { relative: 1e-5 };
const FINAL_TOLERANCE = { absolute: 1e-5 };

/** Trains the model on the recorded batches, and compares each step and the model at the end. */
export function trainingDifference(vector: HeadCase, backend: Backend): Difference | undefined {
  const { files, config: pruning } = vector;
  const optimizer = at.object(files.json, "optimizer");
  const config = recordedClassifier(files.json);
  const settings = trainingSettings({
    optimizer: adamWSettings(optimizer, at.text(optimizer, "name")),
    schedule: { name: "constant", warmupSteps: 0, totalSteps: vector.events.length },
    pruning,
    profile: "inc",
  });
  return withParameters(backend, config, files, "param/", (parameters) => {
    const session = createSession(backend, sequenceClassifier(config, parameters), settings);
    try {
      return (
        stepsDifference(vector, session) ??
        finalDifference(files, parameters) ??
        withTape(backend, false, (tape) => {
          const { logits } = forward(tape, config, parameters, batchAt(files, "batch/0/"));
          const expected = tensorValues(files, "out/logits");
          return compare("logits after the run", expected, logits.value.data, FINAL_TOLERANCE);
        })
      );
    } finally {
      releaseSession(session);
    }
  });
}

type Batch = TokenBatch & LabelledBatch;

function stepsDifference(
  vector: HeadCase,
  session: TrainingSession<Batch>,
): Difference | undefined {
  const { files } = vector;
  const masks: StatedMasks = new Map();
  return firstOf(vector.events, (event) => {
    const { step } = event;
    const place = { step, quantity: "loss" };
    const labels = Int32Array.from(tensorValues(files, `batch/${step}/labels`));
    const { loss } = trainStepInto(session, { ...batchAt(files, `batch/${step}/`), labels });
    const [heads] = session.pruning?.heads ?? [];
    if (heads === undefined) return differenceAt("pruner of heads", "one", "none");
    return (
      compare(place, event.loss ?? NaN, loss, LOSS_TOLERANCE) ??
      headSelectionDifference(vector, event, heads.state, masks) ??
      headWeightsDifference(vector, event, layerRecords(session.model))
    );
  });
}

/** Compares the final parameters, except attention key biases, whose gradients are only rounding noise. */
function finalDifference(files: OpenCase, parameters: Parameters): Difference | undefined {
  const final = tensorsBelow(files, "final/");
  return firstOf(parameters, ([layer, { value }]) => {
    if (isKeyBias(layer)) return undefined;
    const place = { layer, quantity: "final weight" };
    const expected = final.get(layer)?.data;
    if (expected === undefined) return differenceAt(place, "a tensor", "none");
    return compare(place, expected, value.data, FINAL_TOLERANCE);
  });
}
