/**
 * A vector of the `strict` family: scores, a pattern, budgets and bounds in blocks, and the canonical masks, which
 * break ties by the lowest flat index.
 */
import { type Pattern, parsePattern } from "../prune/pattern.ts";
import {
  type CaseFiles,
  type JsonObject,
  numberAt,
  numbersAt,
  type OpenCase,
  objectAt,
  objectsAt,
  openCase,
  tensorValues,
  textAt,
  textsAt,
} from "./case-files.ts";

/** One layer of a {@link StrictVector}. */
export interface StrictLayer {
  readonly name: string;
  /** The weight's shape: linear [out, in]; conv1d [out, in, k]; conv2d [out, in, kh, kw]. */
  readonly shape: readonly number[];
  /**
   * Row-major: one score per block, or for N:M one per element of the weight as a matrix [out, in]. The inputs of a
   * convolution are in order of kernel position, then channel.
   */
  readonly scores: Float32Array;
  /** Fewest and most blocks (groups for N:M) that the layer may lose. */
  readonly fewest: number;
  readonly most: number;
  /** The canonical mask, 1 = kept, in the weight's own order. */
  readonly mask: Uint8Array;
}

/** Layers that share a budget, and the exact number of blocks (groups) that they lose together. */
export interface StrictBudget {
  readonly layers: readonly string[];
  readonly pruned: number;
}

/** The data that decide whether masks are right. */
export interface StrictVector {
  readonly pattern: Pattern;
  readonly layers: readonly StrictLayer[];
  readonly budgets: readonly StrictBudget[];
}

/** A vector with the other fields of its file. */
export interface StrictCase extends StrictVector {
  readonly files: OpenCase;
  readonly json: JsonObject;
  readonly result: string;
  /** Blocks that only a tie prunes or keeps, by layer; empty if one mask alone is right. */
  readonly tiedBlocks: ReadonlyMap<string, readonly number[]>;
  /** The same for elements in groups of N:M, as indices of the matrix. */
  readonly tiedElements: ReadonlyMap<string, readonly number[]>;
}

function readLayer(files: OpenCase, json: JsonObject): StrictLayer {
  const name = textAt(json, "name");
  return {
    name,
    shape: numbersAt(json, "shape"),
    scores: tensorValues(files, `score/${name}`),
    fewest: numberAt(json, "fewest"),
    most: numberAt(json, "most"),
    mask: Uint8Array.from(tensorValues(files, `mask/${name}`)),
  };
}

function listsAt(json: JsonObject, key: string): ReadonlyMap<string, readonly number[]> {
  const lists = objectAt(json, key);
  return new Map(Object.keys(lists).map((name) => [name, numbersAt(lists, name)]));
}

/**
 * Reads a vector of the `strict` family from its two files.
 *
 * @throws Error naming the file and what is wrong with it.
 */
export function readStrictCase(source: CaseFiles): StrictCase {
  const files = openCase(source);
  const { json } = files;
  const pattern = parsePattern(textAt(json, "pattern"));
  if (pattern === undefined) throw new Error("case.json pattern: expected one");
  return {
    files,
    json,
    pattern,
    result: textAt(json, "result"),
    layers: objectsAt(json, "layers").map((layer) => readLayer(files, layer)),
    budgets: objectsAt(json, "budgets").map((budget) => ({
      layers: textsAt(budget, "layers"),
      pruned: numberAt(budget, "pruned"),
    })),
    tiedBlocks: listsAt(json, "tied_blocks"),
    tiedElements: listsAt(json, "tied_elements"),
  };
}
