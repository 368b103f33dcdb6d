/** The options of row files, checked before any file is read. */
import type { ProblemType } from "./labels.ts";
import type { RowProblem } from "./problems.ts";

/** How rows are read. The names are those of the command's options. */
export interface RowOptions {
  /** The column of the first text. Default: chosen by {@link chooseColumns}. */
  readonly textColumn?: string;
  /** The column of the second text. Default: none if `textColumn` is given, else chosen. */
  readonly textPairColumn?: string;
  /** The columns of the labels; each entry is a column or several with commas. Default: `label`. */
  readonly labelColumn?: readonly string[];
  /** The character between several labels in one field. */
  readonly labelSeparator?: string;
  /** The kind of problem. Default: decided from the labels. */
  readonly problemType?: ProblemType;
  /** Whether rows with problems are skipped and counted. */
  readonly skipBadRows?: boolean;
}

/** Returns a problem of an option, whose key is in backticks. */
function optionProblem(option: string, expected: string, got: string): RowProblem {
  const place = { file: null, line: null, column: null };
  return { kind: "options", option, ...place, expected, got };
}

/** Returns the problems of options that contradict each other. */
export function optionProblems(options: RowOptions): readonly RowProblem[] {
  const { textColumn, textPairColumn, labelSeparator, problemType } = options;
  const problems: RowProblem[] = [];
  if (textPairColumn !== undefined && textPairColumn.trim() === textColumn?.trim())
    problems.push(optionProblem("`textPairColumn`", "two columns of text", `${textColumn} twice`));
  if (labelSeparator !== undefined && [...labelSeparator].length !== 1)
    problems.push(
      optionProblem("`labelSeparator`", "one character", JSON.stringify(labelSeparator)),
    );
  if (
    labelSeparator !== undefined &&
    problemType !== undefined &&
    problemType !== "multi_label_classification"
  )
    problems.push(
      optionProblem("`problemType`", "multi_label_classification with a separator", problemType),
    );
  return problems;
}

/** Returns the problem of a share of validation rows that is not between 0 and 1, or not needed. */
export function splitProblem(share: number, hasValidationFile: boolean): RowProblem | undefined {
  if (hasValidationFile)
    return optionProblem("`validationSplit`", "no `validationFile` beside it", "both");
  if (share > 0 && share < 1) return undefined;
  const expected = "a share of validation rows between 0 and 1";
  return optionProblem("`validationSplit`", expected, String(share));
}
