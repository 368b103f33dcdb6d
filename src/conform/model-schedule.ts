/** Replays `lr_schedule.json`, which records learning rates of `transformers.get_scheduler`. */
import { isJsonObject, parseJson } from "../io/json.ts";
import { learningRateAt, SCHEDULE_NAMES, type ScheduleName } from "../train/schedule.ts";
import { at, CaseFileError, type JsonObject, parsed } from "./case-files.ts";
import { compare, type Difference } from "./difference.ts";
import { judge, type Verdict } from "./verdict.ts";

/** `Math.cos` is not correctly rounded, so learning rates agree only to a few units in the last place. */
const RATE = { relative: 1e-14 };

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
  };
  const baseRate = at.number(row, "base_lr");
  const expected = at.numbers(row, "lr_at_step");
  const got = expected.map((_, step) => learningRateAt(schedule, baseRate, step));
  return compare(`${schedule.name} learning rate`, expected, got, RATE);
}

export function scheduleAt(json: JsonObject, key: string): ScheduleName {
  const name = at.text(json, key);
  const known = SCHEDULE_NAMES.find((candidate) => candidate === name);
  if (known === undefined) throw new Error(`${key}: expected a known schedule, got ${name}`);
  return known;
}
