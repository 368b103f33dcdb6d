/** Reads the rows of GLUE tasks on which a model is evaluated. */
import { pipe } from "fp-ts/function";
import { chain, type Either, eachOf, map, type Problem, refuse } from "../core/either.ts";
import { type Example, type GlueTask, parseGlueRows } from "../io/glue.ts";
import { GLUE_TASKS, type GlueFormat } from "../io/glue-tasks.ts";
import { createProblemLog } from "../io/rows/problems.ts";
import type { ReadRow } from "../io/rows/row-reader.ts";
import { decodeUtf8 } from "../io/text.ts";
import type { EvaluationRows } from "./evaluation-rows.ts";
import type { OutputMeaning } from "./prediction.ts";
import { SAMPLE_ROWS } from "./row-passes.ts";
import { joinPath, type RunStorage, readNamedFile } from "./storage.ts";

/**
 * Reads the evaluation files of a GLUE task, or one file in its form.
 *
 * @param label the option that names `path` in problems
 */
export async function readTaskRows(
  storage: RunStorage,
  task: GlueTask,
  label: string,
  path: string,
  meaning: OutputMeaning,
): Promise<Either<readonly Problem[], readonly EvaluationRows[]>> {
  const { names, evaluations }: GlueFormat = GLUE_TASKS[task];
  const ids = idsOf(names, meaning);
  if (ids === undefined) {
    const expected = `a task for the model, whose problem type is ${meaning.problemType} with labels ${meaning.names.join()}`;
    return refuse("`task`", expected, task);
  }
  const isDirectory = (await storage.kind(path)) === "directory";
  const files = isDirectory ? evaluations.map((name) => joinPath(path, `${name}.tsv`)) : [path];
  const sets: Either<readonly Problem[], EvaluationRows>[] = [];
  for (const file of files)
    sets.push(
      pipe(
        await readNamedFile(storage, label, file),
        chain((bytes) => decodeUtf8(file, bytes)),
        chain((text) => parseGlueRows(task, file, text, taskRow)),
        map((rows) => taskRows(file, rows, ids)),
      ),
    );
  return eachOf(sets, (set) => set);
}

/** Reads the texts of a file in the form of a GLUE task. `label` names the option of the file in problems. */
export async function readTaskTexts(
  storage: RunStorage,
  task: GlueTask,
  label: string,
  path: string,
): Promise<Either<readonly Problem[], readonly ReadRow[]>> {
  return pipe(
    await readNamedFile(storage, label, path),
    chain((bytes) => decodeUtf8(path, bytes)),
    chain((text) => parseGlueRows(task, path, text, taskRow)),
  );
}

/**
 * Returns the model's id for each label of a task, or `values` for regression. Labels with the task's names in another
 * order are found by name; if no name is the task's, they are in the order of the task. Undefined if the model is for
 * other labels, or if only some names are the task's.
 */
function idsOf(
  names: readonly string[] | null,
  meaning: OutputMeaning,
): readonly number[] | "values" | undefined {
  const { problemType, names: own } = meaning;
  if (names === null)
    return problemType === "regression" && own.length === 1 ? "values" : undefined;
  if (problemType !== "single_label_classification" || own.length !== names.length)
    return undefined;
  const lower = own.map((name) => name.toLowerCase());
  const ids = names.map((name) => lower.indexOf(name));
  if (!ids.includes(-1)) return ids;
  return ids.every((id) => id === -1) ? [...names.keys()] : undefined;
}

/** A row with its label in the task's terms. */
interface TaskRow extends ReadRow {
  readonly label: number;
}

function taskRow({ text, textPair, label }: Example, line: number): TaskRow {
  return { text, textPair: textPair ?? null, label, line };
}

function taskRows(
  path: string,
  rows: readonly TaskRow[],
  ids: readonly number[] | "values",
): EvaluationRows {
  return {
    path,
    count: rows.length,
    positive: ids === "values" ? undefined : ids[1],
    labels:
      ids === "values"
        ? Float64Array.from(rows, ({ label }) => label)
        : Int32Array.from(rows, ({ label }) => ids[label] as number),
    pieces: (onRows) => onRows(rows),
    sample: rows.slice(0, SAMPLE_ROWS),
    hasPairs: rows.some(({ textPair }) => textPair !== null),
    columns: null,
    skipped: createProblemLog(),
  };
}
