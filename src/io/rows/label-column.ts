/**
 * The labels of a file as they are written, one entry for each row, in typed arrays. What they mean is decided when all
 * are known.
 */

/** The labels and line of each row. The arrays take 9 bytes for each row and 4 for each label. */
export interface LabelColumn {
  /** Every spelling that occurs, without spaces around it. */
  readonly spellings: string[];
  readonly codes: Map<string, number>;
  /** The indices of all labels in `spellings`, row after row. */
  labels: Uint32Array;
  /** The index in `labels` after the last label of each row. */
  ends: Uint32Array;
  /** The line of each row. */
  lines: Uint32Array;
  /** 1 for each row whose labels are a list. */
  isList: Uint8Array;
  rows: number;
}

const INITIAL_ROWS = 1024;

/** Creates an empty column. `names` are the labels of indicator columns, in order. */
export function createLabelColumn(names: readonly string[] = []): LabelColumn {
  return {
    spellings: [...names],
    codes: new Map(names.map((name, index) => [name, index])),
    labels: new Uint32Array(INITIAL_ROWS),
    ends: new Uint32Array(INITIAL_ROWS),
    lines: new Uint32Array(INITIAL_ROWS),
    isList: new Uint8Array(INITIAL_ROWS),
    rows: 0,
  };
}

/** Adds the single label or the list of labels of a row. */
export function addLabels(
  column: LabelColumn,
  line: number,
  written: string | readonly string[],
): void {
  const { rows } = column;
  if (rows === column.ends.length) {
    column.ends = grown(column.ends);
    column.lines = grown(column.lines);
    const marks = new Uint8Array(2 * column.isList.length);
    marks.set(column.isList);
    column.isList = marks;
  }
  let end = beginOfRow(column, rows);
  const count = typeof written === "string" ? 1 : written.length;
  while (end + count > column.labels.length) column.labels = grown(column.labels);
  if (typeof written === "string") column.labels[end++] = codeOf(column, written);
  else for (const label of written) column.labels[end++] = codeOf(column, label);
  column.ends[rows] = end;
  column.lines[rows] = line;
  column.isList[rows] = typeof written === "string" ? 0 : 1;
  column.rows = rows + 1;
}

/** Returns the index in `labels` of a row's first label. */
export function beginOfRow({ ends }: LabelColumn, row: number): number {
  return row === 0 ? 0 : (ends[row - 1] as number);
}

/** Returns the indices of a row's labels in `spellings`. */
export function labelsOfRow(column: LabelColumn, row: number): Uint32Array {
  return column.labels.subarray(beginOfRow(column, row), column.ends[row]);
}

function codeOf({ codes, spellings }: LabelColumn, label: string): number {
  const known = codes.get(label);
  if (known !== undefined) return known;
  // A slice would keep the text of which it is a part in memory.
  const copy = JSON.parse(JSON.stringify(label)) as string;
  codes.set(copy, spellings.length);
  return spellings.push(copy) - 1;
}

function grown(values: Uint32Array): Uint32Array {
  const larger = new Uint32Array(2 * values.length);
  larger.set(values);
  return larger;
}
