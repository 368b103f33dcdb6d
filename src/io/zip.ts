/**
 * Reads the directory of a zip archive with uncompressed files, as PyTorch writes it. Compressed files are refused.
 * Format: section 4.3 in APPNOTE.TXT by PKWARE.
 */
import { type Either, isLeft, type Problem, refuse, right } from "../core/either.ts";
import type { ByteSource } from "./byte-source.ts";
import { decodeLossy } from "./text.ts";

/** The byte range of a file within the archive. */
interface ZipEntry {
  readonly begin: number;
  readonly end: number;
}

const END = 0x06054b50;
const END_BYTES = 22;
const END64 = 0x06064b50;
const END64_BYTES = 56;
const LOCATOR64 = 0x07064b50;
const LOCATOR64_BYTES = 20;
const CENTRAL = 0x02014b50;
const CENTRAL_BYTES = 46;
const LOCAL = 0x04034b50;
const LOCAL_BYTES = 30;
const MOST_COMMENT = 0xffff;
/** The value of a 32-bit field whose actual value is in zip64's extra field. */
const ELSEWHERE = 0xffffffff;
/** The maximum size of the directory in bytes, enough for several hundred thousand files. */
const MOST_DIRECTORY = 64 * 2 ** 20;

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Reads a 64-bit integer. Returns NaN if it is above 2^53 - 1. */
function bigAt(view: DataView, at: number): number {
  const value = view.getBigUint64(at, true);
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : Number.NaN;
}

interface Directory {
  readonly begin: number;
  readonly bytes: number;
  readonly count: number;
}

/** Finds the directory by the last record of the archive, which only a comment may follow. */
function findDirectory(source: ByteSource): Either<readonly Problem[], Directory> {
  const { name, size } = source;
  const begin = Math.max(0, size - END_BYTES - MOST_COMMENT - LOCATOR64_BYTES);
  const tail = source.read(begin, size);
  const view = viewOf(tail);
  for (let at = tail.length - END_BYTES; at >= 0; at--) {
    if (view.getUint32(at, true) !== END) continue;
    if (at + END_BYTES + view.getUint16(at + 20, true) !== tail.length) continue;
    const stated = {
      count: view.getUint16(at + 10, true),
      bytes: view.getUint32(at + 12, true),
      begin: view.getUint32(at + 16, true),
    };
    const locator = at - LOCATOR64_BYTES;
    if (locator < 0 || view.getUint32(locator, true) !== LOCATOR64) return right(stated);
    const position = bigAt(view, locator + 8);
    if (!(position + END64_BYTES <= size)) break;
    const record = viewOf(source.read(position, position + END64_BYTES));
    if (record.getUint32(0, true) !== END64) break;
    return right({
      count: bigAt(record, 32),
      bytes: bigAt(record, 40),
      begin: bigAt(record, 48),
    });
  }
  return refuse(name, "a zip archive with a directory at its end", "none");
}

/** Reads the sizes and the position of a file, from the 32-bit fields or from the extra field of zip64. */
function placeOf(view: DataView, at: number, nameBytes: number, extraBytes: number) {
  const fields = [
    view.getUint32(at + 24, true),
    view.getUint32(at + 20, true),
    view.getUint32(at + 42, true),
  ];
  const extra = at + CENTRAL_BYTES + nameBytes;
  for (let field = extra; field + 4 <= extra + extraBytes; ) {
    const length = view.getUint16(field + 2, true);
    const end = field + 4 + length;
    if (view.getUint16(field, true) === 1 && end <= extra + extraBytes) {
      let next = field + 4;
      fields.forEach((value, i) => {
        if (value !== ELSEWHERE || next + 8 > end) return;
        fields[i] = bigAt(view, next);
        next += 8;
      });
    }
    field = end;
  }
  const [plain = Number.NaN, packed = Number.NaN, position = Number.NaN] = fields;
  return { plain, packed, position };
}

/**
 * Returns the position of a file's bytes after its local header, which can be longer than the record in the directory.
 */
function dataBegin(source: ByteSource, position: number): number {
  if (!(position + LOCAL_BYTES <= source.size)) return Number.NaN;
  const local = viewOf(source.read(position, position + LOCAL_BYTES));
  if (local.getUint32(0, true) !== LOCAL) return Number.NaN;
  return position + LOCAL_BYTES + local.getUint16(26, true) + local.getUint16(28, true);
}

/** The files in an archive by name. */
export interface ZipFiles {
  readonly files: ReadonlyMap<string, ZipEntry>;
  /** The problems with files that cannot be read, such as compressed files. */
  readonly refused: ReadonlyMap<string, Problem>;
}

interface MutableFiles {
  readonly files: Map<string, ZipEntry>;
  readonly refused: Map<string, Problem>;
}

/** Reads the directory record at `at` into one of the two maps. Returns the position of the next record. */
function readEntry(
  source: ByteSource,
  bytes: Uint8Array,
  at: number,
  { files, refused }: MutableFiles,
): number {
  const view = viewOf(bytes);
  const [nameBytes, extraBytes, commentBytes] = [28, 30, 32].map((field) =>
    view.getUint16(at + field, true),
  ) as [number, number, number];
  const next = at + CENTRAL_BYTES + nameBytes + extraBytes + commentBytes;
  if (next > bytes.length) return Number.NaN;
  const name = decodeLossy(bytes.subarray(at + CENTRAL_BYTES, at + CENTRAL_BYTES + nameBytes));
  const report = (expected: string, got: string): number => {
    refused.set(name, { path: `${source.name}: ${name}`, expected, got });
    return next;
  };
  if ((view.getUint16(at + 8, true) & 1) !== 0) return report("a plain file", "an encrypted one");
  const method = view.getUint16(at + 10, true);
  if (method !== 0) return report("a file stored as it is", `one compressed by method ${method}`);
  const { plain, packed, position } = placeOf(view, at, nameBytes, extraBytes);
  const begin = dataBegin(source, position);
  if (plain !== packed || !(begin + plain <= source.size))
    return report("bytes within the archive", `${plain} from ${begin}`);
  if (files.has(name)) return report("a name used once", "one used twice");
  files.set(name, { begin, end: begin + plain });
  return next;
}

/** Reads the names and positions of the files in an archive. */
export function readZipDirectory(source: ByteSource): Either<readonly Problem[], ZipFiles> {
  const directory = findDirectory(source);
  if (isLeft(directory)) return directory;
  const { begin, bytes: length, count } = directory.right;
  if (!(length <= MOST_DIRECTORY && begin + length <= source.size && count <= length))
    return refuse(source.name, "a directory within the archive", `${length} bytes from ${begin}`);
  const bytes = source.read(begin, begin + length);
  const read: MutableFiles = { files: new Map(), refused: new Map() };
  let at = 0;
  for (let i = 0; i < count; i++) {
    const whole = at + CENTRAL_BYTES <= bytes.length;
    if (whole && viewOf(bytes).getUint32(at, true) === CENTRAL)
      at = readEntry(source, bytes, at, read);
    else at = Number.NaN;
    if (Number.isNaN(at))
      return refuse(source.name, `${count} files in its directory`, `a broken record after ${i}`);
  }
  return right(read);
}
