/** Judges masks and scores of another implementation by a golden vector, with the judge of the command `conform`. */
import { type CaseFiles, openCase } from "../../../../src/conform/case-files.ts";
import { compare, formatDifference } from "../../../../src/conform/difference.ts";
import { caseFamily } from "../../../../src/conform/families.ts";
import { replayPruning } from "../../../../src/conform/pruning.ts";
import { SCORE_TOLERANCE } from "../../../../src/conform/pruning-event.ts";
import { replayStrict } from "../../../../src/conform/strict.ts";
import { judgeStrictMasks } from "../../../../src/conform/strict-judge.ts";
import { readStrictCase } from "../../../../src/conform/strict-vector.ts";
import type { Status } from "../../../../src/conform/verdict.ts";
import { getOrThrow, InputError, type Problem, refuseInput } from "../../../../src/core/either.ts";
import {
  readSafetensors,
  type StoredTensor,
  toFloat32,
  writeSafetensors,
} from "../../../../src/io/safetensors.ts";
import type { ComparedTensor, Comparison, GivenFile } from "./protocol.ts";

type Tensors = ReadonlyMap<string, StoredTensor>;

/** The names of tensors that another implementation computes. */
const COMPUTED = /^(?:mask|pmask|score)\//;
const CASE = /(?:^|\/)case\.json$/;

/** A vector, and whether masks and scores are compared with those of a trajectory or judged by the rules. */
interface Vector {
  readonly family: "pruning" | "strict";
  readonly files: CaseFiles;
  readonly tensors: Tensors;
}

async function bytesOf({ content }: GivenFile): Promise<Uint8Array> {
  return new Uint8Array(await content.arrayBuffer());
}

async function readVector(given: readonly GivenFile[]): Promise<Vector> {
  const json = given.find(({ path }) => CASE.test(path));
  const tensors = given.find(({ path }) => /(?:^|\/)tensors\.safetensors$/.test(path));
  if (json === undefined || tensors === undefined)
    return refuseInput("vector", "case.json and tensors.safetensors", "other files");
  const text = await json.content.text();
  const family = caseFamily(text, []);
  if (family !== "pruning" && family !== "strict")
    return refuseInput("vector", "one of the family pruning or strict", family ?? "another");
  const files = { name: "vector", json: text, tensors: await bytesOf(tensors) };
  return { family, files, tensors: openCase(files).tensors };
}

/** Reads the visitor's tensors, whose names and sizes have to be those of the vector. */
async function readOwn(file: GivenFile, { tensors }: Vector): Promise<Tensors> {
  const own = getOrThrow(readSafetensors(await bytesOf(file))).tensors;
  const problems: Problem[] = [];
  for (const [name, { shape }] of own) {
    const recorded = tensors.get(name);
    const extents = (one: readonly number[]): string => one.join("x") || "one value";
    if (recorded === undefined || !COMPUTED.test(name))
      problems.push({ path: name, expected: "a mask or score of the vector", got: "another name" });
    else if (extents(recorded.shape) !== extents(shape))
      problems.push({ path: name, expected: extents(recorded.shape), got: extents(shape) });
  }
  if (problems.length > 0) throw new InputError(problems.slice(0, 10));
  if (own.size === 0) refuseInput(file.path, "tensors such as mask/1/LAYER", "none");
  return own;
}

/** Finds the first different value of each tensor, in the order of the vector's steps. */
function comparedTensors({ tensors }: Vector, own: Tensors): readonly ComparedTensor[] {
  const stepOf = (name: string): number => Number(/^\w+\/(\d+)\//.exec(name)?.[1] ?? 0);
  const names = [...tensors.keys()].filter((name) => own.has(name));
  names.sort((a, b) => stepOf(a) - stepOf(b));
  return names.map((name) => {
    const [recorded, mine] = [tensors, own].map((all) => {
      const tensor = all.get(name);
      return tensor === undefined ? new Float32Array() : toFloat32(tensor);
    }) as [Float32Array, Float32Array];
    const tolerance = name.startsWith("score/") ? SCORE_TOLERANCE : undefined;
    const found = compare(name, recorded, mine, tolerance);
    const { index, expected, got } = found ?? { index: null, expected: null, got: null };
    return { name, elements: recorded.length, index, recorded: String(expected), own: String(got) };
  });
}

function withOwn(tensors: Tensors, own: Tensors): Uint8Array {
  return writeSafetensors(new Map([...tensors, ...own]), {});
}

/** The verdict on the visitor's tensors, with the first difference in words. */
function judgeOwn(
  { family, files, tensors }: Vector,
  own: Tensors,
): { readonly status: Status; readonly note: string } {
  switch (family) {
    case "strict": {
      const masks = [...tensors.keys()].filter((name) => name.startsWith("mask/"));
      const valuesOf = (name: string) =>
        toFloat32(own.get(name) ?? (tensors.get(name) as StoredTensor));
      const all = new Map(masks.map((name) => [name.slice("mask/".length), valuesOf(name)]));
      const { status, note = "" } = judgeStrictMasks(readStrictCase(files), all);
      return { status, note };
    }
    case "pruning": {
      const {
        status,
        difference,
        note = "",
      } = replayPruning({
        ...files,
        tensors: withOwn(tensors, own),
      });
      if (difference === undefined) return { status, note };
      // The judge expects what the file states: here the visitor's values.
      const { expected, got, ...place } = difference;
      return { status, note: formatDifference({ ...place, expected: got, got: expected }) };
    }
    default:
      return family satisfies never;
  }
}

/** Judges a file of masks and scores. @throws InputError if the vector or the file cannot be read */
export async function compareWithVector(
  given: readonly GivenFile[],
  file: GivenFile,
): Promise<Comparison> {
  const vector = await readVector(given);
  const { family, files, tensors } = vector;
  const whole = family === "strict" ? replayStrict(files) : replayPruning(files);
  if (!whole.passed)
    refuseInput("vector", "one that Espalier reproduces", whole.detail ?? "another");
  const own = await readOwn(file, vector);
  const missing = [...tensors.keys()].filter((name) => COMPUTED.test(name) && !own.has(name));
  return { family, ...judgeOwn(vector, own), tensors: comparedTensors(vector, own), missing };
}

/** Returns the masks and scores of a vector as a file. */
export async function recordedValues(given: readonly GivenFile[]): Promise<GivenFile> {
  const { tensors } = await readVector(given);
  const computed = new Map([...tensors].filter(([name]) => COMPUTED.test(name)));
  const bytes = writeSafetensors(computed, {}) as Uint8Array<ArrayBuffer>;
  return { path: "recorded.safetensors", content: new Blob([bytes]) };
}
