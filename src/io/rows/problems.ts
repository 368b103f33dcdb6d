/** Problems of row files: the first ones with their places, and counts of all. */
import type { Problem } from "../../core/either.ts";

/** What a problem concerns. */
export type RowProblemKind =
  | "options"
  | "gzip"
  | "encoding"
  | "empty"
  | "column"
  | "quote"
  | "json"
  | "fields"
  | "text"
  | "label"
  | "labels";

export interface RowProblem {
  readonly kind: RowProblemKind;
  /** The key of the option that is wrong, in backticks, for problems of options. */
  readonly option?: string;
  /** The name of the file; null for options. */
  readonly file: string | null;
  /** The physical line, from 1, at which the record starts; null if there is none to name. */
  readonly line: number | null;
  /** The name of the column; null if the problem does not concern one. */
  readonly column: string | null;
  readonly expected: string;
  readonly got: string;
}

/** How many problems a log keeps. It counts the others. */
export const KEPT_PROBLEMS = 20;

/** The first problems by line, and the number of problems of each kind. */
export interface ProblemLog {
  /** In order of lines. */
  readonly first: RowProblem[];
  readonly counts: Map<RowProblemKind, number>;
}

export function createProblemLog(): ProblemLog {
  return { first: [], counts: new Map() };
}

/** Returns a log with a further problem. */
export function withProblem(log: ProblemLog, problem: RowProblem): ProblemLog {
  const copy = copyLog(log);
  addProblem(copy, problem);
  return copy;
}

export function copyLog({ first, counts }: ProblemLog): ProblemLog {
  return { first: [...first], counts: new Map(counts) };
}

/** Adds a problem. The log keeps it if fewer than {@link KEPT_PROBLEMS} are at earlier lines. */
export function addProblem({ first, counts }: ProblemLog, problem: RowProblem): void {
  counts.set(problem.kind, (counts.get(problem.kind) ?? 0) + 1);
  const line = problem.line ?? 0;
  let index = first.length;
  while (index > 0 && (first[index - 1]?.line ?? 0) > line) index--;
  if (index >= KEPT_PROBLEMS) return;
  first.splice(index, 0, problem);
  if (first.length > KEPT_PROBLEMS) first.pop();
}

export function clearProblems({ first, counts }: ProblemLog): void {
  first.length = 0;
  counts.clear();
}

export function countProblems({ counts }: ProblemLog): number {
  let total = 0;
  for (const count of counts.values()) total += count;
  return total;
}

/** Thrown inside a reader when a file cannot be read any further. */
export class RowRefusal extends Error {
  override readonly name = "RowRefusal";
  readonly problem: RowProblem;

  constructor(problem: RowProblem) {
    super(formatRowProblem(problem));
    this.problem = problem;
  }
}

/** Formats a problem as `file:line, column "name": expected ..., got ...`. */
export function formatRowProblem(problem: RowProblem): string {
  const { path, expected, got } = toProblem(problem);
  return `${path}: expected ${expected}, got ${got}`;
}

/** Returns a problem whose path is an option, or the place in the file. */
export function toProblem({ option, file, line, column, expected, got }: RowProblem): Problem {
  const place = option ?? [file, line].filter((part) => part !== null).join(":");
  const parts = [place, column === null ? "" : `column ${JSON.stringify(column)}`];
  return { path: parts.filter((part) => part !== "").join(", "), expected, got };
}

/** Returns the first problems, and a last one with the counts if there are more. */
export function rowProblems(log: ProblemLog): readonly Problem[] {
  const more = countProblems(log) - log.first.length;
  const problems = log.first.map(toProblem);
  if (more <= 0) return problems;
  const counts = [...log.counts].map(([kind, count]) => `${count} ${kind}`).join(", ");
  const file = log.first[0]?.file ?? "";
  return [...problems, { path: file, expected: "no problems", got: `${more} more (${counts})` }];
}

/** Quotes a text from a file for a message, and shortens it if necessary. */
export function quoted(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 57)}...` : text);
}
