/** A case directory of golden vectors, as bytes: `case.json` and `tensors.safetensors`. */
import { describe } from "../core/checks.ts";
import { formatProblem, isLeft, type Problem } from "../core/either.ts";
import { isJsonObject, type JsonObject, parseJson } from "../io/json.ts";
import { readSafetensors, type StoredTensor, toFloat32 } from "../io/safetensors.ts";

export type { JsonObject };

/** The files of a case; reading them is the caller's. */
export interface CaseFiles {
  /** The directory's name. */
  readonly name: string;
  /** Text of `case.json`. */
  readonly json: string;
  /** Bytes of `tensors.safetensors`. */
  readonly tensors: Uint8Array;
}

/** A case with its files parsed. */
export interface OpenCase {
  readonly name: string;
  readonly json: JsonObject;
  readonly tensors: ReadonlyMap<string, StoredTensor>;
}

/** A case whose own files are wrong: what is wrong with which of them, as a verdict states it. */
export class CaseFileError extends Error {
  override readonly name = "CaseFileError";
  readonly problem: Problem;

  constructor(problem: Problem) {
    super(formatProblem(problem));
    this.problem = problem;
  }
}

/** Parses the files of a case. @throws CaseFileError naming the file and the first thing wrong with it. */
export function openCase({ name, json, tensors }: CaseFiles): OpenCase {
  const parsed = parseJson("case.json", json);
  if (isLeft(parsed)) throw problemsError("case.json", parsed.left);
  if (!isJsonObject(parsed.right)) throw expectedError("", "an object", parsed.right);
  const file = readSafetensors(tensors);
  if (isLeft(file)) throw problemsError("tensors.safetensors", file.left);
  return { name, json: parsed.right, tensors: file.right.tensors };
}

/** Values of a tensor, widened to float32. @throws CaseFileError when the case has none of that name. */
export function tensorValues({ tensors }: OpenCase, name: string): Float32Array {
  const tensor = tensors.get(name);
  if (tensor === undefined)
    throw new CaseFileError({ path: "tensors.safetensors", expected: name, got: "none" });
  return toFloat32(tensor);
}

/** Tensors whose name begins with `prefix`, by the rest of their names. */
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

/** The object under `key`. @throws CaseFileError when there is none. */
export function objectAt(json: JsonObject, key: string): JsonObject {
  const value = json[key];
  if (!isJsonObject(value)) throw expectedError(key, "an object", value);
  return value;
}

/** The objects in the list under `key`. @throws CaseFileError when it is no list of objects. */
export function objectsAt(json: JsonObject, key: string): readonly JsonObject[] {
  const value = json[key];
  if (!Array.isArray(value) || !value.every(isJsonObject)) {
    throw expectedError(key, "a list of objects", value);
  }
  return value;
}

/** The number under `key`. @throws CaseFileError when there is none. */
export function numberAt(json: JsonObject, key: string): number {
  const value = json[key];
  if (typeof value !== "number") throw expectedError(key, "a number", value);
  return value;
}

/** The text under `key`. @throws CaseFileError when there is none. */
export function textAt(json: JsonObject, key: string): string {
  const value = json[key];
  if (typeof value !== "string") throw expectedError(key, "text", value);
  return value;
}

/** The numbers in the list under `key`. @throws CaseFileError when it is no list of numbers. */
export function numbersAt(json: JsonObject, key: string): readonly number[] {
  const value = json[key];
  if (!Array.isArray(value) || !value.every((entry) => typeof entry === "number")) {
    throw expectedError(key, "a list of numbers", value);
  }
  return value;
}

/** The texts in the list under `key`. @throws CaseFileError when it is no list of texts. */
export function textsAt(json: JsonObject, key: string): readonly string[] {
  const value = json[key];
  if (!Array.isArray(value) || !value.every((entry) => typeof entry === "string")) {
    throw expectedError(key, "a list of texts", value);
  }
  return value;
}

/** The error of a file that could not be parsed; `file` is its name. */
export function problemsError(file: string, [first]: readonly Problem[]): CaseFileError {
  const { path = file, expected = "a file that can be read", got = "none" } = first ?? {};
  // What reads a file may call it by the name of its format.
  return new CaseFileError({ path: path.replace(/^safetensors/, file), expected, got });
}

/** The error of a value in `case.json` that is not as expected. */
export function expectedError(key: string, expected: string, value: unknown): CaseFileError {
  const got = value === undefined ? "nothing" : describe(value);
  return new CaseFileError({ path: `case.json ${key}`.trim(), expected, got });
}
