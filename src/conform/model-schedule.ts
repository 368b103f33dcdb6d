/** Replays `lr_schedule.json`: learning rates of `transformers.get_scheduler`. A row counts once. */
import { isLeft } from "../core/either.ts";
import { isJsonObject, parseJson } from "../io/json.ts";
import { learningRateAt, SCHEDULE_NAMES, type ScheduleName } from "../train/schedule.ts";
import {
  CaseFileError,
  type JsonObject,
  numberAt,
  numbersAt,
  problemsError,
  textAt,
} from "./case-files.ts";
import { type Difference, type Tolerance, tensorDifference } from "./difference.ts";
import { judge, type Verdict } from "./verdict.ts";

/** Math.cos is not correctly rounded, so rates agree to a few units in the last place. */
const RATE: Tolerance = { relative: 1e-14 };

/** One verdict for each row, named `<source>:<row>`, rows counted from 1; `only` selects by name. */
export function* replaySchedules(source: string, json: string, only?: RegExp): Iterable<Verdict> {
  for (const [index, row] of readRows(source, json).entries()) {
    const name = `${source}:${index + 1}`;
    if (only === undefined || name.search(only) >= 0) {
      yield judge("model", name, () => scheduleDifference(row));
    }
  }
}

function readRows(source: string, json: string): readonly JsonObject[] {
  const parsed = parseJson(source, json);
  if (isLeft(parsed)) throw problemsError(source, parsed.left);
  if (!Array.isArray(parsed.right) || !parsed.right.every(isJsonObject)) {
    const expected = "a list of objects";
    throw new CaseFileError({ path: source, expected, got: "another value" });
  }
  return parsed.right;
}

function scheduleDifference(row: JsonObject): Difference | undefined {
  const schedule = {
    name: scheduleName(textAt(row, "name")),
    warmupSteps: numberAt(row, "num_warmup_steps"),
    totalSteps: numberAt(row, "num_training_steps"),
  };
  const baseRate = numberAt(row, "base_lr");
  const expected = numbersAt(row, "lr_at_step");
  const got = expected.map((_, step) => learningRateAt(schedule, baseRate, step));
  return tensorDifference(`${schedule.name} learning rate`, expected, got, RATE);
}

function scheduleName(name: string): ScheduleName {
  const known = SCHEDULE_NAMES.find((candidate) => candidate === name);
  if (known === undefined) throw new Error(`name: expected a known schedule, got ${name}`);
  return known;
}
