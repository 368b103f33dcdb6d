import { checkInteger, checkKind, checkRecords, isTypedArray, mismatch } from "../core/checks.ts";
import { checkParameter, type Parameter } from "../tensor/parameter.ts";
import { checkShape, columnsOf, elementCount, formatShape, type Shape } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { checkTape, checkVariable } from "./check.ts";
import { arrivedGradient, zeroedTarget } from "./gradient.ts";
import type { EmbeddingSource, OperationRecord, Variable } from "./records.ts";
import { createOutput, createScratch, record, type Tape } from "./tape.ts";

/** A table for {@link embeddingSum}, and the rows to take from it. */
export interface EmbeddingLookup {
  /** [rows, width] */
  readonly table: Parameter;
  /** The index of the table row for each output row. */
  readonly ids: Int32Array;
  /** The index of a table row that is not trained, like torch's `padding_idx`. Default: none. */
  readonly paddingRow?: number | undefined;
  /** Whether the table is not trained, so that it gets no gradient. Default false. */
  readonly isFixed?: boolean;
}

/**
 * Looks up rows in one or more tables of equal width and adds them, as BERT does with its word, position and token type
 * embeddings.
 *
 * @param shape - the shape of the ids, such as [batch, positions]
 * @returns [...shape, width]
 * @throws RangeError for an id outside its table
 * @example
 * ```ts
 * import { createBackend, createParameter, createTape, embeddingSum } from "espalier/nn";
 * import { releaseTape, selectRows } from "espalier/nn";
 *
 * const backend = createBackend({ variant: "scalar" });
 * const table = createParameter(backend, "table", [3, 2], Float32Array.of(1, 2, 3, 4, 5, 6));
 * const tape = createTape(backend, { training: false });
 * const rows = embeddingSum(tape, [1, 2], [{ table, ids: Int32Array.of(2, 0) }]);
 * console.assert(rows.value.data.join() === "5,6,1,2");
 * console.assert(selectRows(tape, rows, Int32Array.of(1)).value.data.join() === "1,2");
 * releaseTape(tape);
 * ```
 */
export function embeddingSum(
  tape: Tape,
  shape: Shape,
  lookups: readonly [EmbeddingLookup, ...EmbeddingLookup[]],
): Variable {
  checkTape(tape);
  checkShape("shape", shape);
  checkRecords("lookups", lookups, "table", "ids");
  if (lookups.length === 0) throw new RangeError("lookups: expected at least one, got none");
  for (const { table, ids } of lookups) {
    checkParameter("lookups: table", table);
    checkKind(isTypedArray(ids, "Int32Array"), "lookups: ids", "an Int32Array", ids);
  }
  const width = columnsOf(lookups[0].table.value.shape);
  for (const lookup of lookups) checkLookup(lookup, shape, width);
  const sources: readonly EmbeddingSource[] = lookups.map((lookup) => ({
    table: lookup.table,
    ids: indexTensor(tape, lookup.ids),
    paddingRow: lookup.paddingRow ?? null,
    isFixed: lookup.isFixed ?? false,
  }));
  const output = createOutput(tape, [...shape, width], true);
  const { kernels } = tape.backend;
  for (const [i, { table, ids }] of sources.entries()) {
    const lookup = tape.tableLookups.get(table);
    if (lookup !== undefined) lookup(ids, output.value, i > 0);
    else kernels.gatherRows(table.value.data, ids.integers, output.value.data, width, i > 0);
  }
  const saved = sources.map(({ ids }) => ids);
  record(tape, "embeddingSum", output, { sources }, saved);
  for (const ids of saved) ids.release();
  return output;
}

/**
 * The backward rule of {@link embeddingSum}: dTable[id] += dy, row by row. The gradient of a padding row is set to zero
 * again.
 */
export function embeddingSumBackward(
  tape: Tape,
  { output, operands }: OperationRecord<"embeddingSum">,
): void {
  const { kernels } = tape.backend;
  const dy = arrivedGradient(output);
  for (const { table, ids, paddingRow, isFixed } of operands.sources) {
    if (isFixed) continue;
    const width = columnsOf(table.value.shape);
    const gradient = table.gradient.data;
    kernels.scatterAddRows(dy.data, ids.integers, gradient, width);
    if (paddingRow !== null)
      kernels.fill(gradient.subarray(paddingRow * width, (paddingRow + 1) * width), 0);
  }
}

/**
 * Selects rows of a matrix by index. An index may occur more than once.
 *
 * @param x - [..., columns], treated as a matrix with the rows of all leading axes
 * @returns [rows.length, columns]
 * @throws RangeError for an index outside the rows of x
 */
export function selectRows(tape: Tape, x: Variable, rows: Int32Array): Variable {
  checkTape(tape);
  checkVariable("x", x);
  checkKind(isTypedArray(rows, "Int32Array"), "rows", "an Int32Array", rows);
  const columns = columnsOf(x.shape);
  checkIds("rows", rows, elementCount(x.shape) / columns);
  const numbers = indexTensor(tape, rows);
  const output = createOutput(tape, [rows.length, columns], x.requiresGradient);
  const { kernels } = tape.backend;
  kernels.gatherRows(x.value.data, numbers.integers, output.value.data, columns, false);
  record(tape, "selectRows", output, { input: x, rows: numbers }, [numbers]);
  numbers.release();
  return output;
}

/** The backward rule of {@link selectRows}: dx[row] += dy, row by row. */
export function selectRowsBackward(
  tape: Tape,
  { output, operands }: OperationRecord<"selectRows">,
): void {
  const { input, rows } = operands;
  const dy = arrivedGradient(output);
  const dx = zeroedTarget(tape, input);
  tape.backend.kernels.scatterAddRows(dy.data, rows.integers, dx.data, columnsOf(dy.shape));
}

function indexTensor(tape: Tape, indices: Int32Array): Tensor {
  // Copied first, because `indices` may be a view of this memory, which becomes invalid if the memory grows.
  const copy = indices.slice();
  const tensor = createScratch(tape, [copy.length]);
  tensor.integers.set(copy);
  return tensor;
}

function checkLookup(
  { table, ids, paddingRow }: EmbeddingLookup,
  shape: Shape,
  width: number,
): void {
  const name = `embedding ${table.name}`;
  const [rows, columns] = table.value.shape;
  if (table.value.shape.length !== 2 || columns !== width)
    throw new RangeError(
      mismatch(name, `a table of width ${width}`, formatShape(table.value.shape)),
    );
  if (ids.length !== elementCount(shape)) {
    const expected = `${elementCount(shape)} ids for the shape ${formatShape(shape)}`;
    throw new RangeError(mismatch(name, expected, ids.length));
  }
  checkIds(`${name} ids`, ids, rows);
  if (paddingRow !== undefined) checkInteger("paddingRow", paddingRow, 0, rows - 1);
}

/**
 * Checks that every id is in [0, limit).
 *
 * @throws TypeError if `ids` is not an Int32Array; RangeError that names the first id out of range
 */
export function checkIds(name: string, ids: Int32Array, limit: number): void {
  if (!(ids instanceof Int32Array)) throw new TypeError(mismatch(name, "an Int32Array", ids));
  for (let i = 0; i < ids.length; i++)
    if (ids[i] < 0 || ids[i] >= limit)
      throw new RangeError(mismatch(`${name}[${i}]`, `from 0 to ${limit - 1}`, ids[i]));
}
