/**
 * Reads a row file twice: first for its problems, its labels and the number of its rows, then for its texts. So a file of
 * any size is refused before work, and its texts are never all in memory.
 */
import { InputError } from "../core/either.ts";
import type { RowColumns } from "../io/rows/columns.ts";
import { countProblems, type ProblemLog, rowProblems } from "../io/rows/problems.ts";
import {
  createRowReader,
  type ReadRow,
  type RowFile,
  type RowReaderOptions,
} from "../io/rows/row-reader.ts";
import type { RowPieces } from "./inference.ts";
import { readRows } from "./row-file.ts";
import type { RunStorage } from "./storage.ts";

/** Rows for inference, which are read when they are computed. */
export interface InferenceRows {
  /** Names the rows in problems. */
  readonly path: string;
  readonly count: number;
  readonly pieces: RowPieces<ReadRow>;
  /** The first rows. */
  readonly sample: readonly ReadRow[];
  readonly hasPairs: boolean;
  /** Null if the columns have no names. */
  readonly columns: RowColumns | null;
  /** The rows that were skipped, with the reasons. */
  readonly skipped: ProblemLog;
}

/** The most rows of a sample. */
export const SAMPLE_ROWS = 4096;

/** What the first reading of a file gives. */
export interface FirstPass {
  readonly file: RowFile;
  /** The first rows. */
  readonly sample: readonly ReadRow[];
  readonly hasPairs: boolean;
}

/** Reads a file whose path is `settings.name`. `turn` is awaited after each piece. */
export async function readFirst(
  storage: RunStorage,
  settings: RowReaderOptions,
  turn: () => Promise<void>,
): Promise<FirstPass> {
  const reader = createRowReader(settings);
  const sample: ReadRow[] = [];
  let hasPairs = false;
  await readRows(storage, settings.name, reader, async (rows) => {
    sample.push(...rows.slice(0, SAMPLE_ROWS - sample.length));
    hasPairs ||= rows.some(({ textPair }) => textPair !== null);
    await turn();
  });
  return { file: reader.file(), sample, hasPairs };
}

/**
 * Returns the kept rows of a file that was read before.
 *
 * @param kept the indices of the rows to return, ascending
 */
export function readAgain(
  storage: RunStorage,
  settings: RowReaderOptions,
  kept: Uint32Array,
): RowPieces<ReadRow> {
  return async (onRows) => {
    const reader = createRowReader(settings);
    let row = 0;
    let next = 0;
    await readRows(storage, settings.name, reader, async (rows) => {
      const wanted = rows.filter(() => {
        const isKept = kept[next] === row++;
        if (isKept) next++;
        return isKept;
      });
      await onRows(wanted);
    });
    const { problems } = reader.file();
    if (countProblems(problems) > 0) throw new InputError(rowProblems(problems));
    if (next === kept.length) return;
    const expected = `the ${kept.length} rows that were there before`;
    throw new InputError([{ path: settings.name, expected, got: String(next) }]);
  };
}
