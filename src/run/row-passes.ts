/**
 * Reads a row file twice: first for its problems, its labels and the number of its rows, then for its texts. So a file of
 * any size is refused before work, and its texts are never all in memory.
 */
import { InputError } from "../core/either.ts";
import { countProblems, rowProblems } from "../io/rows/problems.ts";
import {
  createRowReader,
  type ReadRow,
  type RowFile,
  type RowReaderOptions,
} from "../io/rows/row-reader.ts";
import type { RowPieces } from "./inference.ts";
import { readRows } from "./row-file.ts";
import type { RunStorage } from "./storage.ts";

/** What the first reading of a file gives. */
export interface FirstPass {
  readonly file: RowFile;
  /** The first rows. */
  readonly sample: readonly ReadRow[];
  readonly hasPairs: boolean;
}

/** Reads a file whose path is `settings.name`. Keeps the first `sampleSize` rows. */
export async function readFirst(
  storage: RunStorage,
  settings: RowReaderOptions,
  sampleSize: number,
  turn: () => Promise<void>,
): Promise<FirstPass> {
  const reader = createRowReader(settings);
  const sample: ReadRow[] = [];
  let hasPairs = false;
  await readRows(storage, settings.name, reader, async (rows) => {
    sample.push(...rows.slice(0, sampleSize - sample.length));
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
