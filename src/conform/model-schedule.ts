/** Replays `lr_schedule.json` and `lr_schedules.json`, which record rates of `transformers.get_scheduler`. */
import { isJsonObject, parseJson } from "../io/json.ts";
import {
  type LearningRateSchedule,
  learningRateAt,
  SCHEDULE_NAMES,
  type ScheduleName,
} from "../train/schedule.ts";
import { at, CaseFileError, type JsonObject, parsed } from "./case-files.ts";
import { compare, type Difference } from "./difference.ts";
import { judge, type Verdict } from "./verdict.ts";

/** Angles are rounded differently than in transformers, which changes cosines by a few units in the last place. */
const RELATIVE = 1e-12;
const ABSOLUTE = 1e-17;

/** The options of transformers' schedules and their names here. */
const OPTIONS = {
  num_cycles: "cycles",
  power: "power",
  lr_end: "endRate",
  timescale: "timescale",
} as const satisfies Readonly<Record<string, keyof LearningRateSchedule>>;

/** Returns one verdict for each row, named `<source>:<row>`. Rows are numbered from 1. */
export function replaySchedules(source: string, json: string): readonly Verdict[] {
  const rows = parsed(source, parseJson(source, json));
  if (!Array.isArray(rows) || !rows.every(isJsonObject))
    throw new CaseFileError({ path: source, expected: "a list of objects", got: "another value" });
  return rows.map((row, index) =>
    judge("model", `${source}:${index + 1}`, () => scheduleDifference(row)),
  );
}

function scheduleDifference(row: JsonObject): Difference | undefined {
  const schedule = {
    name: scheduleAt(row, "name"),
    warmupSteps: at.number(row, "num_warmup_steps"),
    totalSteps: at.number(row, "num_training_steps"),
    ...("options" in row ? scheduleOptions(at.object(row, "options")) : {}),
  };
  const baseRate = at.number(row, "base_lr");
  // If transformers fails at a step (`error`), the list ends before that step.
  const expected = at.numbers(row, "lr_at_step");
  const got = expected.map((_, step) => learningRateAt(schedule, baseRate, step));
  return compare(
    `${schedule.name} learning rate`,
    expected,
    got,
    (step) => RELATIVE * Math.abs(expected[step] ?? 0) + ABSOLUTE,
  );
}

function scheduleOptions(options: JsonObject): Partial<LearningRateSchedule> {
  return Object.fromEntries(
    Object.keys(options).map((key) => {
      if (!isOption(key)) throw new Error(`options: expected known names, got ${key}`);
      return [OPTIONS[key], at.number(options, key)];
    }),
  );
}

function isOption(key: string): key is keyof typeof OPTIONS {
  return Object.hasOwn(OPTIONS, key);
}

export function scheduleAt(json: JsonObject, key: string): ScheduleName {
  const name = at.text(json, key);
  const known = SCHEDULE_NAMES.find((candidate) => candidate === name);
  if (known === undefined) throw new Error(`${key}: expected a known schedule, got ${name}`);
  return known;
}
