/**
 * What replaying one golden vector found. Every family of vectors yields these, so that whoever
 * prints them needs to know no family.
 */
import { CaseFileError } from "./case-files.ts";
import { type Difference, differenceAt, formatDifference } from "./difference.ts";

/**
 * `passed`: as the vector states. `acceptable`: not as it states, but as its format allows; the note says
 * why. `failed`: neither.
 */
export type Status = "passed" | "acceptable" | "failed";

/** The result of one vector: a case directory, a row of a table or a line of a case file. */
export interface Verdict {
  readonly name: string;
  readonly family: string;
  readonly status: Status;
  /** Whether it conforms: passed or acceptable. */
  readonly passed: boolean;
  /** Why another answer than the stated one is right; present where it is acceptable. */
  readonly note?: string;
  /** The first difference; present when the vector failed. */
  readonly difference?: Difference;
  /** The same as a line of text. */
  readonly detail?: string;
}

/** An answer that is not the stated one and right all the same. */
export interface Acceptable {
  readonly acceptable: string;
}

/** What a check of one vector returns: its first difference, or nothing. */
export type Finding = Difference | Acceptable | undefined;

/** How many vectors passed (those that are acceptable included) and failed. */
export interface VerdictCounts {
  readonly passed: number;
  readonly failed: number;
  /** How many of those that passed are acceptable. */
  readonly acceptable: number;
}

/** A verdict from what a check found. */
export function verdictOf(family: string, name: string, finding: Finding): Verdict {
  if (finding === undefined) return { name, family, status: "passed", passed: true };
  if ("acceptable" in finding)
    return { name, family, status: "acceptable", passed: true, note: finding.acceptable };
  const detail = formatDifference(finding);
  return { name, family, status: "failed", passed: false, difference: finding, detail };
}

/** The verdict on a vector whose replay broke off. */
export function brokenVerdict(family: string, name: string, error: unknown): Verdict {
  if (error instanceof CaseFileError) {
    // The case itself is wrong, and nothing was replayed.
    const { path, expected, got } = error.problem;
    return verdictOf(family, name, differenceAt(path, expected, got));
  }
  const message = error instanceof Error ? error.message : String(error);
  return verdictOf(family, name, differenceAt("replay", "no error", message));
}

/**
 * Runs one vector: `check` returns what it found. An error thrown on the way is a failure of that
 * vector, not of the replay.
 */
export function judge(family: string, name: string, check: () => Finding): Verdict {
  try {
    return verdictOf(family, name, check());
  } catch (error) {
    return brokenVerdict(family, name, error);
  }
}

/** Counts verdicts. */
export function countVerdicts(verdicts: Iterable<Verdict>): VerdictCounts {
  const counts = { passed: 0, failed: 0, acceptable: 0 };
  for (const { passed, status } of verdicts) {
    counts[passed ? "passed" : "failed"]++;
    if (status === "acceptable") counts.acceptable++;
  }
  return counts;
}

/** One verdict as a line: `ok   family name`, `FAIL family name: first difference` or with a note. */
export function formatVerdict({ family, name, status, note, detail }: Verdict): string {
  const subject = `${family} ${name}`;
  if (status === "failed") return `FAIL ${subject}: ${detail ?? "differs"}`;
  return status === "passed" ? `ok   ${subject}` : `ok   ${subject}: acceptable, ${note ?? ""}`;
}

/** The closing line of a replay. */
export function formatCounts({ passed, failed }: VerdictCounts): string {
  return `${passed} passed, ${failed} failed`;
}

/** The line of one family: the counts, and how many of those that passed are acceptable. */
export function formatFamily(family: string, counts: VerdictCounts): string {
  const { acceptable } = counts;
  return `${family}: ${formatCounts(counts)}${acceptable > 0 ? `, ${acceptable} of them acceptable` : ""}`;
}
