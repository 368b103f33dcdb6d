/** Reads vectors of the `strict` family. The canonical masks break ties by the lowest flat index. */
import {
  columnOffset,
  layOut,
  PATTERN_SPELLINGS,
  type Pattern,
  parsePattern,
} from "../prune/pattern.ts";
import {
  at,
  type CaseFiles,
  checkCaseFiles,
  expectedError,
  type JsonObject,
  type OpenCase,
  openCase,
  tensorValues,
} from "./case-files.ts";

export interface StrictLayer {
  readonly name: string;
  /** The weight's shape: linear [out, in]; conv1d [out, in, k]; conv2d [out, in, kh, kw]. */
  readonly shape: readonly number[];
  /**
   * Row-major scores: one for each block, or, for N:M, one for each element of the weight as a matrix [out, in]. The
   * matrix columns of a convolution are ordered by kernel position, then by channel.
   */
  readonly scores: Float32Array;
  /** The minimum (`fewest`) and maximum (`most`) number of blocks (groups for N:M) that may be pruned. */
  readonly fewest: number;
  readonly most: number;
  /** The canonical mask (1 = kept), in the memory order of the weight. */
  readonly mask: Uint8Array;
}

/** Layers that share a budget, and the exact number of blocks, or of groups for N:M, that they lose together. */
export interface StrictBudget {
  readonly layers: readonly string[];
  readonly pruned: number;
}

/** The scores, bounds and budgets that determine which masks are right, and the canonical masks. */
export interface StrictVector {
  readonly pattern: Pattern;
  readonly layers: readonly StrictLayer[];
  readonly budgets: readonly StrictBudget[];
}

export type Tied = ReadonlyMap<string, readonly number[]>;

/** A vector, and the remaining contents of its files. */
export interface StrictCase extends StrictVector {
  readonly files: OpenCase;
  readonly json: JsonObject;
  readonly result: string;
  /** The indices of blocks that are pruned or kept only because of a tie, by layer. Empty if there are no ties. */
  readonly tiedBlocks: Tied;
  /** The matrix indices of elements of N:M groups that are pruned or kept only because of a tie, by layer. */
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

/** Reads a vector of the `strict` family. @throws CaseFileError with the first problem */
export function readStrictCase(source: CaseFiles): StrictCase {
  checkCaseFiles(source);
  const files = openCase(source);
  const { json } = files;
  const pattern = parsePattern(at.text(json, "pattern"));
  if (pattern === undefined) throw expectedError("pattern", PATTERN_SPELLINGS, json.pattern);
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

/** One block or N:M group of a weight. */
export interface Unit {
  /** The indices of its elements in the row-major matrix [out, in]. */
  readonly elements: readonly number[];
  /** The index of each element in the weight's data. For convolutions it differs from the matrix index. */
  readonly places: readonly number[];
  /** The score that ranks this block or group against others. */
  readonly score: number;
}

export function lowestOf(scores: readonly number[], count: number): readonly number[] {
  return [...scores].sort((a, b) => a - b).slice(0, count);
}

/**
 * Returns a layer's blocks or groups in row-major order. A group's score is the sum of its N lowest element scores,
 * divided by M.
 */
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

/** Returns the elements that a mask prunes in a block or group, as indices in the matrix [out, in]. */
export function prunedElements(mask: ArrayLike<number>, { elements, places }: Unit): number[] {
  return elements.filter((_, i) => mask[places[i] as number] === 0);
}

/** Returns the blocks or groups of a layer in which a mask prunes at least one element. */
export function prunedUnits(
  vector: StrictVector,
  layer: StrictLayer,
  mask: ArrayLike<number>,
): readonly Unit[] {
  return unitsOf(vector, layer).filter((unit) => prunedElements(mask, unit).length > 0);
}
