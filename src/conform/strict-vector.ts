/** Vectors of the `strict` family. The canonical masks break ties by the lowest flat index. */
import { columnOffset, layOut, type Pattern, parsePattern } from "../prune/pattern.ts";
import {
  at,
  type CaseFiles,
  type JsonObject,
  type OpenCase,
  openCase,
  tensorValues,
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

/** Indices by layer. */
export type Tied = ReadonlyMap<string, readonly number[]>;

/** A vector with the other fields of its file. */
export interface StrictCase extends StrictVector {
  readonly files: OpenCase;
  readonly json: JsonObject;
  readonly result: string;
  /** Blocks that only a tie prunes or keeps, by layer; empty if one mask alone is right. */
  readonly tiedBlocks: Tied;
  /** The same for elements in groups of N:M, as indices of the matrix. */
  readonly tiedElements: Tied;
}

function readLayer(files: OpenCase, json: JsonObject): StrictLayer {
  const name = at.text(json, "name");
  return {
    name,
    shape: at.numbers(json, "shape"),
    scores: tensorValues(files, `score/${name}`),
    fewest: at.number(json, "fewest"),
    most: at.number(json, "most"),
    mask: Uint8Array.from(tensorValues(files, `mask/${name}`)),
  };
}

function listsAt(json: JsonObject, key: string): Tied {
  const lists = at.object(json, key);
  return new Map(Object.keys(lists).map((name) => [name, at.numbers(lists, name)]));
}

/** Reads a vector of the `strict` family from its two files. @throws Error naming the file and what is wrong */
export function readStrictCase(source: CaseFiles): StrictCase {
  const files = openCase(source);
  const { json } = files;
  const pattern = parsePattern(at.text(json, "pattern"));
  if (pattern === undefined) throw new Error("case.json pattern: expected one");
  return {
    files,
    json,
    pattern,
    result: at.text(json, "result"),
    layers: at.objects(json, "layers").map((layer) => readLayer(files, layer)),
    budgets: at.objects(json, "budgets").map((budget) => ({
      layers: at.texts(budget, "layers"),
      pruned: at.number(budget, "pruned"),
    })),
    tiedBlocks: listsAt(json, "tied_blocks"),
    tiedElements: listsAt(json, "tied_elements"),
  };
}

/** One block of a matrix of elements, or one group of N:M. */
export interface Unit {
  /** Its elements, as indices of the matrix [out, in]. */
  readonly elements: readonly number[];
  /** Index of each element in the weight's data. */
  readonly places: readonly number[];
  /** The score that pruning the unit loses. */
  readonly score: number;
}

/** The lowest of some scores, in order. */
export function lowestOf(scores: readonly number[], count: number): readonly number[] {
  return [...scores].sort((a, b) => a - b).slice(0, count);
}

/** The layer's blocks or groups in order; a group's score is the sum of its N lowest scores over M. */
export function unitsOf({ pattern }: StrictVector, layer: StrictLayer): Unit[] {
  const layout = layOut(pattern, layer);
  const { blockRows, blockColumns, blockHeight, blockWidth, columns } = layout;
  return Array.from({ length: blockRows * blockColumns }, (_, unit) => {
    const top = Math.floor(unit / blockColumns) * blockHeight;
    const left = (unit % blockColumns) * blockWidth;
    const cells = Array.from({ length: blockHeight * blockWidth }, (_, i) => ({
      row: top + Math.floor(i / blockWidth),
      column: left + (i % blockWidth),
    }));
    const elements = cells.map(({ row, column }) => row * columns + column);
    const places = cells.map(({ row, column }) => row * columns + columnOffset(layout, column));
    if (pattern.kind === "block")
      return { elements, places, score: layer.scores[unit] ?? Number.NaN };
    const members = elements.map((element) => layer.scores[element] ?? Number.NaN);
    const lost = lowestOf(members, pattern.prune).reduce((sum, score) => sum + score, 0);
    return { elements, places, score: Math.fround(lost / pattern.of) };
  });
}

/** The elements of a unit that a mask prunes. */
export function prunedElements(mask: ArrayLike<number>, { elements, places }: Unit): number[] {
  return elements.filter((_, i) => mask[places[i] as number] === 0);
}

/** The units of a layer that a mask prunes. */
export function prunedUnits(
  vector: StrictVector,
  layer: StrictLayer,
  mask: ArrayLike<number>,
): readonly Unit[] {
  return unitsOf(vector, layer).filter((unit) => prunedElements(mask, unit).length > 0);
}
