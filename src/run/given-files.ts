/** The files and rows that a program passes to a run, as files in memory. */
import {
  checkKind,
  checkObject,
  checkRecords,
  checkString,
  isTypedArray,
  succeeds,
} from "../core/checks.ts";

/** The bytes of a file, or a `Blob`, which is read when it is needed. */
export type FileContent = Uint8Array | { readonly arrayBuffer: () => Promise<ArrayBuffer> };

/** A file in memory. */
export interface ClassifierFile<Content = FileContent> {
  /** The name in its directory, such as `config.json`. The name of a row file says its form. */
  readonly name: string;
  readonly bytes: Content;
}

/** A row as a plain object. */
export interface ClassifierRow {
  readonly text: string;
  /** The second text. If one row has it, all do. */
  readonly textPair?: string | undefined;
  /** The name of a class, a number, or the names of several labels. */
  readonly label: string | number | readonly string[];
}

/** Rows with labels: a file in CSV, TSV, JSON or JSON Lines, or a list. */
export type ClassifierRows = ClassifierFile | readonly ClassifierRow[];

/** Checks that a value is a list of files with different names. */
export function checkFiles(name: string, value: unknown): void {
  checkRecords(name, value, "name", "bytes");
  const files = value as readonly ClassifierFile[];
  files.forEach((file, i) => {
    checkFile(`${name}[${i}]`, file);
  });
  const repeated = files.find((file, i) => files.findIndex((one) => one.name === file.name) !== i);
  if (repeated !== undefined)
    throw new RangeError(`${name}: expected each name once, got ${repeated.name} again`);
}

/** Checks that a value is a file. */
function checkFile(name: string, { name: own, bytes }: ClassifierFile): void {
  checkString(`${name}.name`, own);
  const isBlob = (): boolean =>
    !ArrayBuffer.isView(bytes) && typeof bytes.arrayBuffer === "function";
  const isContent = isTypedArray(bytes, "Uint8Array") || succeeds(isBlob);
  checkKind(isContent, `${name}.bytes`, "a Uint8Array or a Blob", bytes);
}

/** Reads a file's bytes. */
export async function contentOf(content: FileContent): Promise<Uint8Array> {
  return ArrayBuffer.isView(content) ? content : new Uint8Array(await content.arrayBuffer());
}

/** Begins the paths of inputs in memory. No path of a file system contains it. */
export const IN_MEMORY = "\0";

/** Returns files with their paths in `directory`. */
export async function filesIn(
  directory: string,
  files: readonly ClassifierFile[],
): Promise<readonly (readonly [path: string, bytes: Uint8Array])[]> {
  return Promise.all(
    files.map(async (file) => [`${directory}/${file.name}`, await contentOf(file.bytes)] as const),
  );
}

/** Returns copies of the files in `directory`, without it in their names. */
export function filesOf(
  files: ReadonlyMap<string, Uint8Array>,
  directory: string,
): readonly ClassifierFile<Uint8Array>[] {
  return [...files].flatMap(([path, bytes]) =>
    path.startsWith(`${directory}/`)
      ? [{ name: path.slice(directory.length + 1), bytes: new Uint8Array(bytes) }]
      : [],
  );
}

/** The name of the file in which a list of rows is kept. */
export const ROW_LIST = "<list>.jsonl";

/** Whether rows are a list, not a file. */
export function isRowList(rows: ClassifierRows): rows is readonly ClassifierRow[] {
  return Array.isArray(rows);
}

/** Checks that a value is a file of rows, or a list of rows. */
export function checkRows(name: string, value: unknown): void {
  if (succeeds(() => Array.isArray(value))) {
    checkRecords(name, value, "text", "label");
    checkList(name, value as readonly ClassifierRow[]);
  } else {
    checkObject(name, value, "name", "bytes");
    checkFile(name, value as ClassifierFile);
  }
}

function checkList(name: string, rows: readonly ClassifierRow[]): void {
  const isName = (one: unknown): boolean => typeof one === "string" || typeof one === "number";
  const areNames = (many: unknown): boolean =>
    succeeds(() => Array.isArray(many) && many.findIndex((one) => !isName(one)) < 0);
  const isPair = rows[0]?.textPair !== undefined;
  rows.forEach(({ text, textPair, label }, i) => {
    const place = `${name}[${i}]`;
    checkString(`${place}.text`, text);
    const pair = isPair ? "a string, as in the first row" : "none, as in the first row";
    checkKind(
      typeof textPair === (isPair ? "string" : "undefined"),
      `${place}.textPair`,
      pair,
      textPair,
    );
    checkKind(
      isName(label) || areNames(label),
      `${place}.label`,
      "a label or a list of labels",
      label,
    );
  });
}

/** Returns the path and the bytes of an option's rows. A list becomes JSON Lines: line `i + 1` is row `i`. */
export async function rowsIn(
  option: string,
  rows: ClassifierRows,
): Promise<readonly [path: string, bytes: Uint8Array]> {
  const directory = `${IN_MEMORY}${option}`;
  if (!isRowList(rows)) return [`${directory}/${rows.name}`, await contentOf(rows.bytes)];
  const lines = rows.map(({ text, textPair, label }) => JSON.stringify({ text, textPair, label }));
  return [`${directory}/${ROW_LIST}`, new TextEncoder().encode(lines.join("\n"))];
}
