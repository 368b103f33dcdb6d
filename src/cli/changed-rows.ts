/** Names the files whose rows are not those with which a resumed run began. */
import { InputError } from "../core/either.ts";

/** The paths of a run's rows. */
interface RowPaths {
  readonly data?: string | undefined;
  readonly trainFile?: string | undefined;
  readonly validationFile?: string | undefined;
  readonly testFile?: string | undefined;
}

/** The path of a difference between a run and its snapshot. */
const CHANGED = /^(?:run|seed \d+)\.(trainingRows|evaluationRows|finalRows\.test)$/;

/** Returns the error with the path of the file in each problem about changed rows. */
export function namingRows(
  error: unknown,
  { data, trainFile = data, validationFile = data ?? trainFile, testFile }: RowPaths,
): unknown {
  if (!(error instanceof InputError)) return error;
  const sets: Readonly<Record<string, readonly [path: string | undefined, rows: string]>> = {
    trainingRows: [trainFile, "training rows"],
    evaluationRows: [validationFile, "validation rows"],
    "finalRows.test": [testFile, "test rows"],
  };
  const problems = error.problems.map((problem) => {
    const [path, rows] = sets[CHANGED.exec(problem.path)?.[1] ?? ""] ?? [];
    if (path === undefined) return problem;
    return { path, expected: `the ${rows} with which the run began`, got: "other rows" };
  });
  return new InputError(problems);
}
