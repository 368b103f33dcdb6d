/** Differences between a run and the snapshot that it is to continue. */
import { describe } from "../core/checks.ts";
import type { Problem } from "../core/either.ts";

/** One problem for each path at which two values of plain data differ; `wanted` belongs to this run. */
export function snapshotDifferences(
  path: string,
  wanted: unknown,
  stored: unknown,
): readonly Problem[] {
  if (Object.is(wanted, stored)) return [];
  if (!isContainer(wanted) || !isContainer(stored)) {
    return [{ path, expected: valueText(wanted), got: `${valueText(stored)} in the snapshot` }];
  }
  const keys = new Set([...Object.keys(wanted), ...Object.keys(stored)]);
  const place = (key: string): string =>
    Array.isArray(wanted) ? `${path}[${key}]` : `${path}.${key}`;
  return [...keys].flatMap((key) => snapshotDifferences(place(key), wanted[key], stored[key]));
}

function valueText(value: unknown): string {
  return value === undefined ? "nothing" : describe(value);
}

function isContainer(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}
