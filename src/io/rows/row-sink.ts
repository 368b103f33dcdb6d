/** The interface through which the parsers of each form pass on rows. */
import type { FoundColumns, RowColumns } from "./columns.ts";
import type { RowProblem, RowProblemKind } from "./problems.ts";
import type { WrittenLabels } from "./row-labels.ts";

/** Receives what parsers of each form find. */
export interface RowSink {
  /** Chooses the columns. @throws RowRefusal */
  readonly choose: (found: FoundColumns) => RowColumns;
  /** Receives a row with a problem. */
  readonly bad: (
    line: number,
    kind: RowProblemKind,
    column: string | null,
    problem: Pick<RowProblem, "expected" | "got">,
  ) => void;
  /** Receives a row. `labels` is null if labels are not read. */
  readonly row: (
    line: number,
    text: string,
    textPair: string | null,
    labels: WrittenLabels | null,
  ) => void;
}
