/** Reads the rows for which a model predicts labels. */
import { type Either, isLeft, left, type Problem, right } from "../core/either.ts";
import { rowProblems } from "../io/rows/problems.ts";
import { LINE_COLUMNS, type RowReaderOptions } from "../io/rows/row-reader.ts";
import { endUnlabelled } from "../io/rows/row-sets.ts";
import { type InferenceRows, readAgain, readFirst } from "./row-passes.ts";
import type { RunStorage } from "./storage.ts";

/** Reads a row file, or lines of text. Labels are not read. */
export async function readPredictionRows(
  storage: RunStorage,
  settings: Pick<RowReaderOptions, "name" | "options" | "columns">,
  turn: () => Promise<void>,
): Promise<Either<readonly Problem[], InferenceRows>> {
  const reader = { ...settings, needsLabels: false, acceptsLines: true };
  const { file, sample, hasPairs } = await readFirst(storage, reader, turn);
  const ended = endUnlabelled(file);
  if (isLeft(ended)) return left(rowProblems(ended.left));
  const { kept, skipped, columns } = ended.right;
  return right({
    path: settings.name,
    count: kept.length,
    pieces: readAgain(storage, reader, kept),
    columns: columns === LINE_COLUMNS ? null : columns,
    ...{ sample, hasPairs, skipped },
  });
}
