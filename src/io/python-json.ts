import type { JsonValue } from "./json.ts";

/** JSON as transformers writes it: `json.dumps(value, indent=2, sort_keys=True) + "\n"`. */
export function formatPythonJson(value: JsonValue): string {
  const text = JSON.stringify(sortNames(value), null, 2);
  return `${text.replace(/[^\n -~]/g, escapeUnit)}\n`;
}

function escapeUnit(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

function sortNames(value: JsonValue): JsonValue {
  if (typeof value !== "object" || value === null) return value;
  if (isList(value)) return value.map(sortNames);
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(members.map(([name, member]) => [name, sortNames(member)]));
}

/** `Array.isArray`, for lists that are read-only. */
function isList(value: JsonValue): value is readonly JsonValue[] {
  return Array.isArray(value);
}
