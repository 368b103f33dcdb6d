/** Checks the values of a request's options, which the command's parser has checked for the command. */
import { describe, isStrings, knownKey } from "../core/checks.ts";
import type { Problem } from "../core/either.ts";
import { PROBLEM_TYPES } from "../core/problem-type.ts";
import { BEST_METRIC_KEYS } from "../experiment/best-model.ts";
import type { FinetuningRequest } from "../experiment/finetuning-request.ts";
import { GLUE_TASK_NAMES } from "../io/glue-tasks.ts";
import { TOKENIZER_KINDS } from "../io/hugging-face.ts";
import type { RowOptions } from "../io/rows/options.ts";
import { BATCHINGS } from "../train/batches.ts";
import { SCHEDULE_NAMES } from "../train/schedule.ts";

/** The options of a request that name files. Functions take files in their place. */
export type FileOption =
  | "data"
  | "trainFile"
  | "validationFile"
  | "testFile"
  | "model"
  | "vocab"
  | "teacherModelNameOrPath"
  | "pruningConfig"
  | "classWeights"
  | "variant";

/** What an option accepts, and how an error describes it. */
type Check = readonly [expected: string, accepts: (value: unknown) => boolean];

const text: Check = [
  "a text that is not empty",
  (value) => typeof value === "string" && value !== "",
];
const flag: Check = ["true or false", (value) => typeof value === "boolean"];

function integer(least: number): Check {
  return [
    `an integer of at least ${least}`,
    (value) => Number.isSafeInteger(value) && (value as number) >= least,
  ];
}

function number(least: number, below: number = Infinity): Check {
  const bound = below === Infinity ? "" : ` and below ${below}`;
  return [
    `a number of at least ${least}${bound}`,
    (value) => Number.isFinite(value) && (value as number) >= least && (value as number) < below,
  ];
}

function choice(choices: readonly string[]): Check {
  return [`one of ${choices.join(", ")}`, (value) => choices.some((one) => one === value)];
}

const ROW_CHECKS: Readonly<Record<keyof RowOptions, Check>> = {
  textColumn: text,
  textPairColumn: text,
  labelColumn: ["a list of names", (value) => isStrings(value) && value.length > 0],
  labelSeparator: text,
  problemType: choice(PROBLEM_TYPES),
  skipBadRows: flag,
};

const task: Check = choice(GLUE_TASK_NAMES);

/** The checks of all options, with the bounds of the command's options. */
const CHECKS: Readonly<Record<Exclude<keyof FinetuningRequest, FileOption>, Check>> = {
  ...ROW_CHECKS,
  task,
  validationSplit: number(0, 1),
  splitSeed: integer(0),
  recipe: text,
  profile: choice(["inc", "strict"]),
  sparseProducts: choice(["auto", "off"]),
  tokenizer: choice(TOKENIZER_KINDS),
  saveBest: choice(BEST_METRIC_KEYS),
  earlyStoppingPatience: integer(1),
  teacherCacheBudget: integer(0),
  numTrainEpochs: integer(1),
  maxTrainSteps: integer(1),
  learningRate: number(0),
  weightDecay: number(0),
  lrSchedulerType: choice(SCHEDULE_NAMES),
  numWarmupSteps: integer(0),
  perDeviceTrainBatchSize: integer(1),
  gradientAccumulationSteps: integer(1),
  denseNumTrainEpochs: integer(0),
  denseMaxTrainSteps: integer(1),
  denseLearningRate: number(0),
  denseWeightDecay: number(0),
  denseLrSchedulerType: choice(SCHEDULE_NAMES),
  denseNumWarmupSteps: integer(0),
  densePerDeviceTrainBatchSize: integer(1),
  denseGradientAccumulationSteps: integer(1),
  doPrune: flag,
  pruningPattern: text,
  targetSparsity: number(0, 1),
  pruningFrequency: integer(-1),
  sparsityWarmEpochs: number(0),
  cooldownEpochs: number(0),
  pruningType: text,
  distillLossWeight: number(0),
  distillPadding: choice(["included", "excluded"]),
  teacherCache: choice(["float32", "float16", "off"]),
  maxSeqLength: integer(3),
  maxGradNorm: number(1e-6),
  labelSmoothing: number(0, 1),
  padToMaxLength: flag,
  batching: choice(BATCHINGS),
  perDeviceEvalBatchSize: integer(1),
};

function problemsOf(
  options: object,
  checks: Readonly<Record<string, Check>>,
  others: readonly string[],
): readonly Problem[] {
  const names = [...Object.keys(checks), ...others];
  return Object.entries(options).flatMap(([key, value]): readonly Problem[] => {
    if (others.includes(key) || value === undefined) return [];
    const check = Object.hasOwn(checks, key) ? checks[key] : undefined;
    if (check === undefined)
      return [{ path: `options.${key}`, expected: knownKey(key, names), got: "an unknown one" }];
    const [expected, accepts] = check;
    return accepts(value) ? [] : [{ path: `\`${key}\``, expected, got: describe(value) }];
  });
}

/** Returns the problems of options that are unknown or have wrong values. `others` are checked elsewhere. */
export function requestProblems(options: object, others: readonly string[]): readonly Problem[] {
  return problemsOf(options, CHECKS, others);
}

/** Returns the problems of the options of a row file that is evaluated. */
export function rowOptionProblems(options: object): readonly Problem[] {
  const { problemType: _, ...checks } = ROW_CHECKS;
  return problemsOf(options, { ...checks, task }, []);
}

/** The options that only a file has. */
const FILE_ALONE = [
  "task",
  "textColumn",
  "textPairColumn",
  "labelColumn",
  "labelSeparator",
  "skipBadRows",
] as const satisfies readonly (keyof FinetuningRequest)[];

/** Returns the problems of sets of rows in different forms, and of options that a list does not have. */
export function rowFormProblems(
  options: Omit<Partial<FinetuningRequest>, FileOption> &
    Readonly<Partial<Record<"rows" | "validationRows" | "testRows", unknown>>>,
): readonly Problem[] {
  const isList = (rows: unknown): boolean => Array.isArray(rows);
  const form = (rows: unknown): string => (isList(rows) ? "a list" : "a file");
  const { rows } = options;
  const sameForm = rows === undefined ? "a file" : `${form(rows)}, as \`rows\` is one`;
  const others = (["validationRows", "testRows"] as const).filter((name) => {
    return options[name] !== undefined && isList(options[name]) !== isList(rows);
  });
  const useless = FILE_ALONE.filter((name) => isList(rows) && options[name] !== undefined);
  return [
    ...others.map((name) => ({
      path: `\`${name}\``,
      expected: sameForm,
      got: form(options[name]),
    })),
    ...useless.map((name) => ({
      path: `\`${name}\``,
      expected: "a file as `rows`",
      got: "a list",
    })),
  ];
}
