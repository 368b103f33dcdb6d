/** Replays tables that record calls of single INC functions. Each row is one vector, named `table/part[index]`. */
import { InputError, isLeft } from "../core/either.ts";
import { isJsonObject, type JsonValue, parseJson } from "../io/json.ts";
import type { JsonObject } from "./case-files.ts";
import { differenceAt } from "./difference.ts";
import { CONFIG_TABLES } from "./pruning-config-rows.ts";
import { SCHEDULE_CHECKS } from "./pruning-schedule-rows.ts";
import { UNIT_CHECKS } from "./pruning-unit-rows.ts";
import { brokenVerdict, type Finding, judge, type RowChecks, type Verdict } from "./verdict.ts";

/** The checks of each table. A table that is a plain list instead of an object counts as one with the key `rows`. */
const CHECKS: Readonly<Record<string, RowChecks>> = {
  ...CONFIG_TABLES,
  schedule: SCHEDULE_CHECKS,
  pattern_units: UNIT_CHECKS,
};

/** Names of the tables, without `.json`. */
export const PRUNING_TABLE_NAMES: readonly string[] = Object.keys(CHECKS);

/** The keys of lists that do not contain rows, but data to which rows refer. */
const NOT_ROWS: readonly string[] = ["models"];

/** Returns one verdict for each row of a table. `name` is the file's name without `.json`. */
export function replayPruningTable(name: string, json: string): readonly Verdict[] {
  const parsed = parseJson(`${name}.json`, json);
  if (isLeft(parsed)) return [brokenVerdict("pruning_tables", name, new InputError(parsed.left))];
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
