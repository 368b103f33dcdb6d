/** Reads a joint vector's optimizer, loss and pruning as training settings. */

import { parameterRules } from "../train/optimizer.ts";
import { SCHEDULE_NAMES, type ScheduleName } from "../train/schedule.ts";
import type { TrainingSettings } from "../train/settings.ts";
import type { SparseProductsSetting } from "../train/sparse-switch.ts";
import { type JsonObject, numberAt, numbersAt, objectAt, objectsAt, textAt } from "./case-files.ts";

/** The settings under which `case.json` was made: the example script's, in the `inc` profile. */
export function jointSettings(
  json: JsonObject,
  sparseProducts: SparseProductsSetting,
): TrainingSettings {
  const optimizer = objectAt(json, "optimizer");
  const [beta1 = NaN, beta2 = NaN] = numbersAt(optimizer, "betas");
  const { configs: _, ...pruning } = objectAt(json, "pruning");
  return {
    seed: 0,
    batching: "shuffled",
    optimizer: {
      flavour: "transformers",
      learningRate: numberAt(optimizer, "lr"),
      betas: [beta1, beta2],
      epsilon: numberAt(optimizer, "eps"),
      weightDecay: numberAt(optimizer, "weight_decay"),
    },
    parameterRules: parameterRules("inc"),
    schedule: {
      name: scheduleName(textAt(optimizer, "lr_scheduler_type")),
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

function scheduleName(name: string): ScheduleName {
  const known = SCHEDULE_NAMES.find((candidate) => candidate === name);
  if (known === undefined) throw new Error(`lr_scheduler_type: expected a schedule, got ${name}`);
  return known;
}
