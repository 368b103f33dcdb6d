/** Reads the training settings that vectors state. */

import { type AdamWSettings, parameterRules } from "../train/optimizer.ts";
import { SCHEDULE_NAMES, type ScheduleName } from "../train/schedule.ts";
import type { TrainingSettings } from "../train/settings.ts";
import type { SparseProductsSetting } from "../train/sparse-switch.ts";
import { type JsonObject, numberAt, numbersAt, objectAt, objectsAt, textAt } from "./case-files.ts";

/** The settings of an optimizer; `name` says which AdamW it is, such as `torch.optim.AdamW`. */
export function adamWSettings(json: JsonObject, name: string): AdamWSettings {
  const [beta1 = NaN, beta2 = NaN] = numbersAt(json, "betas");
  return {
    flavour: name.startsWith("transformers.") ? "transformers" : "torch",
    learningRate: numberAt(json, "lr"),
    betas: [beta1, beta2],
    epsilon: numberAt(json, "eps"),
    weightDecay: numberAt(json, "weight_decay"),
  };
}

export function scheduleAt(json: JsonObject, key: string): ScheduleName {
  const name = textAt(json, key);
  const known = SCHEDULE_NAMES.find((candidate) => candidate === name);
  if (known === undefined) throw new Error(`${key}: expected a known schedule, got ${name}`);
  return known;
}

/** The settings of a joint vector: the example script's, in the `inc` profile. */
export function jointSettings(
  json: JsonObject,
  sparseProducts: SparseProductsSetting,
): TrainingSettings {
  const optimizer = objectAt(json, "optimizer");
  const { configs: _, ...pruning } = objectAt(json, "pruning");
  return {
    seed: 0,
    batching: "shuffled",
    optimizer: adamWSettings(optimizer, "transformers.AdamW"),
    parameterRules: parameterRules("inc"),
    schedule: {
      name: scheduleAt(optimizer, "lr_scheduler_type"),
      warmupSteps: 0,
      totalSteps: numberAt(json, "steps"),
    },
    pruning: { ...pruning, pruning_configs: objectsAt(objectAt(json, "pruning"), "configs") },
    profile: "inc",
    teacherCache: "off",
    distillation:
      textAt(json, "loss") === "mse"
        ? { kind: "last-hidden-state", weight: numberAt(json, "distill_loss_weight") }
        : null,
    sparseProducts,
  };
}
