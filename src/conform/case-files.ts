/** Reads the files of a golden vector's case directory: `case.json` and `tensors.safetensors`. */
import { checkBytes, checkObject, checkString, describe } from "../core/checks.ts";
import { type Either, InputError, isRight, type Problem } from "../core/either.ts";
import { isJsonObject, type JsonObject, type JsonValue, parseJson } from "../io/json.ts";
import { readSafetensors, type StoredTensor, toFloat32 } from "../io/safetensors.ts";

export type { JsonObject };

/** The name of a case directory and the contents of its files. */
export interface CaseFiles {
  readonly name: string;
  readonly json: string;
  readonly tensors: Uint8Array;
  /** The other files of a case of rows by name, decompressed. */
  readonly data?: ReadonlyMap<string, CaseData>;
}

/** The bytes of a file, or why it cannot be decompressed. */
export type CaseData = { readonly bytes: Uint8Array } | { readonly gzipProblem: string };

export interface OpenCase {
  readonly name: string;
  readonly json: JsonObject;
  readonly tensors: ReadonlyMap<string, StoredTensor>;
}

/** Thrown for a case with a missing or invalid file. */
export class CaseFileError extends InputError {
  readonly problem: Problem;

  constructor(problem: Problem) {
    super([problem]);
    this.problem = problem;
  }
}

/** Checks that a value has the form of a case's files. */
export function checkCaseFiles(source: CaseFiles): void {
  checkObject("source", source, "name", "json", "tensors");
  checkString("source.name", source.name);
  checkString("source.json", source.json);
  checkBytes("source.tensors", source.tensors);
}

/** Parses the files of a case. @throws CaseFileError with the first problem */
export function openCase({ name, json, tensors }: CaseFiles): OpenCase {
  const object = parsed("case.json", parseJson("case.json", json));
  if (!isJsonObject(object)) throw expectedError("", "an object", object);
  const file = parsed("tensors.safetensors", readSafetensors(tensors));
  return { name, json: object, tensors: file.tensors };
}

/** Returns the values of a tensor as float32. @throws CaseFileError if the case has no such tensor */
export function tensorValues({ tensors }: OpenCase, name: string): Float32Array {
  const tensor = tensors.get(name);
  if (tensor === undefined)
    throw new CaseFileError({ path: "tensors.safetensors", expected: name, got: "none" });
  return toFloat32(tensor);
}

/** Returns the tensors whose names start with a prefix. The keys are the names without the prefix. */
export function tensorsBelow(
  { tensors }: OpenCase,
  prefix: string,
): ReadonlyMap<string, { readonly shape: readonly number[]; readonly data: Float32Array }> {
  return new Map(
    [...tensors]
      .filter(([name]) => name.startsWith(prefix))
      .map(([name, tensor]) => [
        name.slice(prefix.length),
        { shape: tensor.shape, data: toFloat32(tensor) },
      ]),
  );
}

/** Reads the value of a key in a JSON object. @throws CaseFileError if the value has a different type */
type FieldReader<T> = (json: JsonObject, key: string) => T;

function fieldReader<T>(expected: string, accepts: (value: unknown) => value is T): FieldReader<T> {
  return (json, key) => {
    const value: unknown = json[key];
    if (!accepts(value)) throw expectedError(key, expected, value);
    return value;
  };
}

const isNumber = (value: unknown): value is number => typeof value === "number";
const isText = (value: unknown): value is string => typeof value === "string";
const listOf =
  <T>(accepts: (value: unknown) => value is T) =>
  (value: unknown): value is readonly T[] =>
    Array.isArray(value) && value.every(accepts);

export const at: {
  readonly list: FieldReader<readonly JsonValue[]>;
  readonly number: FieldReader<number>;
  readonly numbers: FieldReader<readonly number[]>;
  readonly lists: FieldReader<readonly (readonly number[])[]>;
  readonly object: FieldReader<JsonObject>;
  readonly objects: FieldReader<readonly JsonObject[]>;
  readonly text: FieldReader<string>;
  readonly texts: FieldReader<readonly string[]>;
} = {
  list: fieldReader("a list", (value): value is readonly JsonValue[] => Array.isArray(value)),
  number: fieldReader("a number", isNumber),
  numbers: fieldReader("a list of numbers", listOf(isNumber)),
  lists: fieldReader("a list of lists of numbers", listOf(listOf(isNumber))),
  object: fieldReader("an object", isJsonObject),
  objects: fieldReader("a list of objects", listOf(isJsonObject)),
  text: fieldReader("text", isText),
  texts: fieldReader("a list of texts", listOf(isText)),
};

/** Returns the content of a parsed file. @throws CaseFileError with the first problem */
export function parsed<T>(file: string, result: Either<readonly Problem[], T>): T {
  if (isRight(result)) return result.right;
  const [{ path, ...problem } = { path: file, expected: "a readable file", got: "none" }] =
    result.left;
  // The problems of the safetensors reader have paths that start with the format instead of the file name.
  throw new CaseFileError({ path: path.replace(/^safetensors/, file), ...problem });
}

/** Returns the error for an invalid value in `case.json`. */
export function expectedError(key: string, expected: string, value: unknown): CaseFileError {
  const got = value === undefined ? "nothing" : describe(value);
  return new CaseFileError({ path: `case.json ${key}`.trim(), expected, got });
}
