/** Creates, counts and formats verdicts, the results of replaying golden vectors. */
import { CaseFileError, type JsonObject } from "./case-files.ts";
import { type Difference, differenceAt, formatDifference } from "./difference.ts";

/** `passed`: the recorded result. `acceptable`: a different result that is also right. `failed`: a wrong result. */
export type Status = "passed" | "acceptable" | "failed";

/** The result of replaying one vector, which is a case directory, a row of a table or a line of a file. */
export interface Verdict {
  readonly name: string;
  readonly family: string;
  readonly status: Status;
  /** Whether `status` is `passed` or `acceptable`. */
  readonly passed: boolean;
  /** Why an acceptable result is right. */
  readonly note?: string;
  /** For a failed vector, the first difference from the recorded values. */
  readonly difference?: Difference;
  /** `difference` as a line of text. */
  readonly detail?: string;
}

/** The outcome of a check: undefined if it passed, a difference, or the reason why a different result is acceptable. */
export type Finding = Difference | { readonly acceptable: string } | undefined;

/** The functions that check the rows of a table, by the key of the list of rows in the table's JSON object. */
export type RowChecks = Readonly<Record<string, (row: JsonObject, table: JsonObject) => Finding>>;

interface VerdictCounts {
  /** The number of vectors that were not judged, if any. */
  readonly outside?: number;
  readonly passed: number;
  readonly failed: number;
  /** The number of vectors that are acceptable. They also count as passed. */
  readonly acceptable: number;
}

export function verdictOf(family: string, name: string, finding: Finding): Verdict {
  if (finding === undefined) return { name, family, status: "passed", passed: true };
  if ("acceptable" in finding)
    return { name, family, status: "acceptable", passed: true, note: finding.acceptable };
  const detail = formatDifference(finding);
  return { name, family, status: "failed", passed: false, difference: finding, detail };
}

/** Returns the verdict for a vector whose replay threw an error. */
export function brokenVerdict(family: string, name: string, error: unknown): Verdict {
  if (error instanceof CaseFileError) {
    const { path, expected, got } = error.problem;
    return verdictOf(family, name, differenceAt(path, expected, got));
  }
  const message = error instanceof Error ? error.message : String(error);
  return verdictOf(family, name, differenceAt("replay", "no error", message));
}

/** Checks one vector. If `check` throws, the verdict is `failed` and the replay continues. */
export function judge(family: string, name: string, check: () => Finding): Verdict {
  try {
    return verdictOf(family, name, check());
  } catch (error) {
    return brokenVerdict(family, name, error);
  }
}

export function countVerdicts(verdicts: Iterable<Verdict>): VerdictCounts {
  const counts = { passed: 0, failed: 0, acceptable: 0 };
  for (const { passed, status } of verdicts) {
    counts[passed ? "passed" : "failed"]++;
    if (status === "acceptable") counts.acceptable++;
  }
  return counts;
}

/** Formats a verdict as `ok   family name`, with a note if it is acceptable, or `FAIL family name: difference`. */
export function formatVerdict({ family, name, status, note, detail }: Verdict): string {
  const subject = `${family} ${name}`;
  if (status === "failed") return `FAIL ${subject}: ${detail ?? "differs"}`;
  return status === "passed" ? `ok   ${subject}` : `ok   ${subject}: acceptable, ${note ?? ""}`;
}

export function formatCounts({ passed, failed }: VerdictCounts): string {
  return `${passed} passed, ${failed} failed`;
}

/** Formats the counts of one family as a line of text. */
export function formatFamily(family: string, counts: VerdictCounts): string {
  const { acceptable, outside } = counts;
  return [
    `${family}: ${formatCounts(counts)}`,
    ...(acceptable > 0 ? [`${acceptable} of them acceptable`] : []),
    ...(outside === undefined ? [] : [`${outside} outside`]),
  ].join(", ");
}
