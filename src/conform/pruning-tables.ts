/**
 * Replays the tables of INC's single behaviours: schedules, configurations, layer selection and the units of
 * patterns. A row counts once, named `table/part[index]`.
 */
import { formatProblem, isLeft } from "../core/either.ts";
import { isJsonObject, type JsonValue, parseJson } from "../io/json.ts";
import type { JsonObject } from "./case-files.ts";
import { differenceAt } from "./difference.ts";
import {
  configErrorRow,
  configSequenceRow,
  configurationRow,
  pruningTypeRow,
  selectionRow,
} from "./pruning-config-rows.ts";
import { iterativeRow, oneShotRow, planRow, progressivePlanRow } from "./pruning-schedule-rows.ts";
import {
  adjustRatioRow,
  groupCountsRow,
  leastMembersRow,
  patternLockRow,
  progressiveMaskRow,
  reduceScoreRow,
  singleMaskRow,
} from "./pruning-unit-rows.ts";
import { brokenVerdict, type Finding, judge, type Verdict } from "./verdict.ts";

/** Checks one row of a table; returns its first difference. */
type RowCheck = (row: JsonObject, table: JsonObject) => Finding;

/** The check of each part of each table. A table that is a list has one part, `rows`. */
const CHECKS: Readonly<Record<string, Readonly<Record<string, RowCheck>>>> = {
  schedule: {
    iterative: iterativeRow,
    oneshot: oneShotRow,
    plans: planRow,
    progressive_plans: progressivePlanRow,
  },
  layer_selection: { rows: selectionRow },
  pattern_units: {
    reduce_score: reduceScoreRow,
    least_nm: leastMembersRow,
    nm_counts: groupCountsRow,
    single_mask: singleMaskRow,
    pattern_lock: patternLockRow,
    adjust_ratio: adjustRatioRow,
    progressive_global: progressiveMaskRow,
  },
  config_defaults: { rows: configurationRow },
  config_errors: { rows: configErrorRow },
  config_sequences: { rows: configSequenceRow },
  valid_pruning_types: { rows: pruningTypeRow },
};

/** Names of the tables, without `.json`. */
export const PRUNING_TABLE_NAMES: readonly string[] = Object.keys(CHECKS);

/** Lists that rows refer to. */
const NOT_ROWS: readonly string[] = ["models"];

/** One verdict for each row of a table; `name` is its file's, without `.json`. */
export function replayPruningTable(name: string, json: string): readonly Verdict[] {
  const parsed = parseJson(`${name}.json`, json);
  if (isLeft(parsed))
    return [brokenVerdict("pruning_tables", name, parsed.left.map(formatProblem).join("; "))];
  const table = isJsonObject(parsed.right) ? parsed.right : { rows: parsed.right };
  return Object.entries(table).flatMap(([part, rows]) =>
    Array.isArray(rows) && !NOT_ROWS.includes(part)
      ? rows.map((row: JsonValue, index) =>
          judge("pruning_tables", `${name}/${part}[${index}]`, () =>
            rowDifference(name, part, row, table),
          ),
        )
      : [],
  );
}

function rowDifference(name: string, part: string, row: JsonValue, table: JsonObject): Finding {
  const check = CHECKS[name]?.[part];
  if (check === undefined) return differenceAt("check", "one for this table", "none");
  if (typeof row === "string") return check({ type: row }, table);
  return isJsonObject(row) ? check(row, table) : differenceAt("row", "an object", typeof row);
}
