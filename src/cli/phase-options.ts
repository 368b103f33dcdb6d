/** The options of `finetune` that change the settings of its phases. */
import { BEST_METRIC_KEYS } from "../experiment/best-model.ts";
import type { RecipeOverrides } from "../experiment/recipe-overrides.ts";
import { SCHEDULE_NAMES } from "../train/schedule.ts";
import {
  choiceOption,
  flagOption,
  integerOption,
  numberOption,
  type Option,
  textOption,
} from "./options.ts";

type PhaseOptions = {
  readonly [Name in PhaseOption | `dense${Capitalize<PhaseOption>}` | SharedOption]: Option<
    NonNullable<RecipeOverrides[Name]>
  >;
};

type PhaseOption =
  | "numTrainEpochs"
  | "maxTrainSteps"
  | "learningRate"
  | "weightDecay"
  | "lrSchedulerType"
  | "numWarmupSteps"
  | "perDeviceTrainBatchSize"
  | "gradientAccumulationSteps";

type SharedOption = "maxGradNorm" | "labelSmoothing" | "padToMaxLength";

/** Options whose values are not those of a recipe. */
interface RunOptions {
  readonly classWeights: Option<string>;
  readonly saveBest: Option<string>;
  readonly earlyStoppingPatience: Option<number>;
}

const STEPS = { least: 1 };

/** The settings of the sparse phase, of the dense phase, and of both. */
export const PHASE_OPTIONS: PhaseOptions & RunOptions = {
  numTrainEpochs: integerOption({ least: 1 }, "epochs of the sparse phase"),
  maxTrainSteps: integerOption(STEPS, "its number of optimizer updates, instead of epochs"),
  learningRate: numberOption({ least: 0 }, "its learning rate"),
  weightDecay: numberOption({ least: 0 }, "its weight decay"),
  lrSchedulerType: choiceOption(SCHEDULE_NAMES, "schedule of its learning rate"),
  numWarmupSteps: integerOption({ least: 0 }, "steps over which its learning rate rises"),
  perDeviceTrainBatchSize: integerOption({ least: 1 }, "rows in one of its batches"),
  gradientAccumulationSteps: integerOption(STEPS, "batches of one of its updates"),

  denseNumTrainEpochs: integerOption({ least: 0 }, "epochs of the dense phase; 0: skip it"),
  denseMaxTrainSteps: integerOption(STEPS, "its number of optimizer updates, instead of epochs"),
  denseLearningRate: numberOption({ least: 0 }, "its learning rate"),
  denseWeightDecay: numberOption({ least: 0 }, "its weight decay"),
  denseLrSchedulerType: choiceOption(SCHEDULE_NAMES, "schedule of its learning rate"),
  denseNumWarmupSteps: integerOption({ least: 0 }, "steps over which its learning rate rises"),
  densePerDeviceTrainBatchSize: integerOption({ least: 1 }, "rows in one of its batches"),
  denseGradientAccumulationSteps: integerOption(STEPS, "batches of one of its updates"),

  maxGradNorm: numberOption(
    { least: 1e-6 },
    "largest norm of all gradients, in both phases; criteria read the clipped gradients",
  ),
  labelSmoothing: numberOption(
    { least: 0, below: 1 },
    "share of each label that all classes divide among them, in a loss against labels",
  ),
  classWeights: textOption(
    "balanced|FILE",
    "weights of classes in a loss against labels: by their rows, or JSON with a number for each label",
  ),
  saveBest: choiceOption(
    BEST_METRIC_KEYS,
    "save the best model by this metric, not the last one; in the sparse phase, of those at the full target",
  ),
  earlyStoppingPatience: integerOption(
    { least: 1 },
    "stop a phase after so many evaluations without a better model, by --save-best or the task's metric",
  ),
  padToMaxLength: flagOption("pad batches to --max-seq-length, not to their longest row"),
};
