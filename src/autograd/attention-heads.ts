/** Where the heads of attention lie in its operands, and the products over them. */
import { checkInteger, checkOneOf } from "../core/checks.ts";
import type { Kernels } from "../kernels/table.ts";
import { columnsOf, formatShape, rowsOf, type Shape } from "../tensor/shape.ts";
import type { AttentionLayout, AttentionQueries } from "./records.ts";
import { checkSequences, forEachSequence, type Sequences, uniformSequences } from "./sequences.ts";

/** Which rows attend to which. */
export interface AttentionRows {
  /** The sequences that the rows of query and key belong to. Default: one for each of the batch. */
  readonly sequences?: Sequences | undefined;
  /**
   * `first`: the query has one row for each sequence, [sequences, heads * width], which is that of its first token.
   * Default `all`.
   */
  readonly queries?: AttentionQueries;
}

/** The layout for keys of that shape; refuses what is none. */
export function layoutOf(
  shape: Shape,
  heads: number,
  { sequences, queries = "all" }: AttentionRows,
): AttentionLayout {
  checkInteger("attention heads", heads, 1);
  checkOneOf("attention queries", queries, ["all", "first"]);
  const columns = columnsOf(shape);
  const axes = sequences === undefined ? 3 : 2;
  if (shape.length !== axes || columns % heads !== 0) {
    const rows = sequences === undefined ? "batch, positions" : "rows";
    throw new RangeError(
      `attention: expected [${rows}, a multiple of ${heads}], got ${formatShape(shape)}`,
    );
  }
  if (sequences !== undefined) checkSequences("attention", sequences, rowsOf(shape));
  const width = columns / heads;
  return { sequences: sequences ?? uniformSequences(shape[0], shape[1]), queries, heads, width };
}

/** The shape of the queries for keys of that shape. */
export function queryShape(keys: Shape, { sequences, queries }: AttentionLayout): Shape {
  return queries === "all" ? keys : [sequences.offsets.length - 1, columnsOf(keys)];
}

/** The shape of the probabilities for keys of that shape. */
export function probabilitiesShape(
  keys: Shape,
  { sequences, queries, heads }: AttentionLayout,
): Shape {
  if (keys.length === 3) return [keys[0], heads, queries === "all" ? keys[1] : 1, keys[1]];
  return [heads * probabilitiesOfHead(sequences, queries)];
}

/** Elements that one head's probabilities of all sequences have. */
export function probabilitiesOfHead(
  { squares, offsets }: Sequences,
  queries: AttentionQueries,
): number {
  const ends = queries === "all" ? squares : offsets;
  return ends[ends.length - 1];
}

/** The length of the longest sequence. */
export function longestOf(sequences: Sequences): number {
  let longest = 0;
  forEachSequence(sequences, (_sequence, _row, length) => {
    longest = Math.max(longest, length);
  });
  return longest;
}

/** Elements of one head's probabilities before those of an example. */
function startOf({ sequences, queries }: AttentionLayout, example: number): number {
  return queries === "all" ? sequences.squares[example] : sequences.offsets[example];
}

/**
 * Runs `body` for every example: where the squares of its heads begin, its first row, and the rows and
 * columns of those squares one below the other.
 */
export function forEachExample(
  kernels: Kernels,
  layout: AttentionLayout,
  body: (square: number, row: number, rows: number, columns: number) => void,
): void {
  const { sequences, queries, heads } = layout;
  kernels.independently(() => {
    forEachSequence(sequences, (example, row, length) => {
      const rows = heads * (queries === "all" ? length : 1);
      body(heads * startOf(layout, example), row, rows, length);
    });
  });
}

/**
 * Runs `body` for every head of every example; the calls do not depend on each other. A head's queries, keys and
 * square begin at `query`, `key` and `square`; the square has `queries` rows and `length` columns. Numbers, not an
 * object: a step comes here thousands of times.
 */
export function forEachHead(
  kernels: Kernels,
  layout: AttentionLayout,
  body: (
    query: number,
    key: number,
    square: number,
    queries: number,
    length: number,
    example: number,
    head: number,
  ) => void,
): void {
  const { sequences, heads, width } = layout;
  const isWhole = layout.queries === "all";
  kernels.independently(() => {
    for (let example = 0; example + 1 < sequences.offsets.length; example++) {
      const firstRow = sequences.offsets[example];
      const length = sequences.offsets[example + 1] - firstRow;
      const queries = isWhole ? length : 1;
      const squares = heads * startOf(layout, example);
      for (let head = 0; head < heads; head++) {
        const query = ((isWhole ? firstRow : example) * heads + head) * width;
        const key = (firstRow * heads + head) * width;
        body(query, key, squares + head * queries * length, queries, length, example, head);
      }
    }
  });
}

/** out = query key^T for every head: rows of heads * width twice to squares. */
export function multiplyRowsByHead(
  kernels: Kernels,
  layout: AttentionLayout,
  a: Float32Array,
  b: Float32Array,
  out: Float32Array,
  accumulate: boolean,
): void {
  const { heads, width } = layout;
  const stride = heads * width;
  forEachHead(kernels, layout, (query, key, square, q, s) => {
    kernels.gemm("nt", q, s, width, a, query, stride, b, key, stride, out, square, s, accumulate);
  });
}

/** out = squares rows (`nn`: of keys to queries) or squares^T rows (`tn`: of queries to keys) for every head. */
export function multiplySquaresByHead(
  kernels: Kernels,
  form: "nn" | "tn",
  layout: AttentionLayout,
  a: Float32Array,
  b: Float32Array,
  out: Float32Array,
  accumulate: boolean,
): void {
  const { heads, width } = layout;
  const stride = heads * width;
  forEachHead(kernels, layout, (query, key, square, q, s) => {
    const isToQueries = form === "nn";
    const m = isToQueries ? q : s;
    const k = isToQueries ? s : q;
    const from = isToQueries ? key : query;
    const to = isToQueries ? query : key;
    kernels.gemm(form, m, width, k, a, square, s, b, from, stride, out, to, stride, accumulate);
  });
}
