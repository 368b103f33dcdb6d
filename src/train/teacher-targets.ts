/** Computes the targets of distillation: the results of a frozen teacher for a batch, or cached results. */
import { selectRows } from "../autograd/embedding.ts";
import type { Variable } from "../autograd/records.ts";
import { uniformSequences } from "../autograd/sequences.ts";
import { constant, createScratch, createTape, releaseTape, type Tape } from "../autograd/tape.ts";
import { describe } from "../core/checks.ts";
import { columnsOf, elementCount } from "../tensor/shape.ts";
import { type DistillationSettings, lossNeeds, lossPadding } from "./settings.ts";
import type { TeacherCache } from "./teacher-cache.ts";
import type { LabelledBatch, TrainableModel, TrainableOutput } from "./trainable-model.ts";

/** A cache of the teacher's results, and the keys of a batch: the indices of its examples in the training rows. */
export interface CachedRows {
  readonly cache: TeacherCache;
  readonly rows: ArrayLike<number>;
}

interface Request<Batch extends LabelledBatch> {
  readonly teacher: TrainableModel<Batch>;
  readonly batch: Batch;
  readonly settings: DistillationSettings;
}

/**
 * Returns the part of a model's output that distillation compares: the last hidden state or the logits.
 *
 * @throws RangeError if the part is missing
 */
export function distilled(
  name: string,
  tape: Tape,
  { logits, hiddenStates, tokenRows }: TrainableOutput,
  settings: DistillationSettings,
): Variable {
  switch (settings.kind) {
    case "last-hidden-state": {
      const last = hiddenStates?.at(-1);
      if (last === undefined) {
        throw new RangeError(
          `${name}: expected hiddenStates in its output, to distil from, got none`,
        );
      }
      const whole = lossPadding(settings) === "included" || tokenRows === undefined;
      return whole ? last : selectRows(tape, last, tokenRows);
    }
    case "logits":
      return logits;
    default:
      throw new RangeError(
        `distillation.kind: expected last-hidden-state or logits, got ${describe(settings.kind satisfies never)}`,
      );
  }
}

/**
 * Returns the target for `wanted`, the compared part of the student's output: the same part of the teacher's output, as
 * a constant on the student's tape. With a cache, the teacher runs only for examples that are not in it, unless the
 * output does not show which rows belong to which example.
 */
export function teacherTarget<Batch extends LabelledBatch>(
  tape: Tape,
  student: TrainableOutput,
  wanted: Variable,
  request: Request<Batch>,
  cached: CachedRows | null,
): Variable {
  const counts = cached && rowCounts(student, request.settings, cached.rows.length);
  const values = counts && cachedValues(tape, request, cached, counts);
  if (counts === null || values === null) {
    return withTeacher(tape, request, null, (rows) => constant(tape, rows.value));
  }
  const target = createScratch(tape, wanted.shape);
  const variable = constant(tape, target);
  target.release();
  const { data } = variable.value;
  const width = columnsOf(wanted.shape);
  let written = 0;
  values.forEach((rows, i) => {
    const expected = (counts[i] ?? 0) * width;
    if (rows.length !== expected) {
      throw new RangeError(
        `teacher: expected ${expected} values to distil from in example ${i}, got ${rows.length}`,
      );
    }
    data.set(rows, written);
    written += expected;
  });
  return variable;
}

/**
 * Returns the teacher's rows for every example, cached or computed; null if the teacher's output does not show which
 * rows belong to which example.
 */
function cachedValues<Batch extends LabelledBatch>(
  tape: Tape,
  request: Request<Batch>,
  { cache, rows: keys }: CachedRows,
  counts: readonly number[],
): readonly Float32Array[] | null {
  const all = counts.map((_, example) => example);
  const lacking = all.filter((i) => !cache.has(keys[i] ?? 0, counts[i] ?? 0));
  const computed = new Map<number, Float32Array>();
  if (lacking.length > 0) {
    // Padded to the longest batch so far, so that later batches rarely need more rows than are cached.
    const positions = Math.max(cache.longest(), ...counts);
    const cut = request.teacher.forwardExamples !== undefined;
    const examples = cut ? lacking : all;
    const told = withTeacher(
      tape,
      request,
      cut ? { examples, positions } : null,
      (rows, output) => {
        const { data } = rows.value;
        const width = columnsOf(rows.shape);
        const made = rowCounts(output, request.settings, examples.length);
        if (made === null) return false;
        let start = 0;
        examples.forEach((example, i) => {
          const end = start + (made[i] ?? 0) * width;
          const values = data.subarray(start, end);
          const kept = cache.keep(keys[example] ?? 0, values, made[i] ?? 0);
          computed.set(example, kept.subarray(0, (counts[example] ?? 0) * width));
          start = end;
        });
        return true;
      },
    );
    if (!told) return null;
  }
  return all.map((i) => computed.get(i) ?? cache.read(keys[i] ?? 0, counts[i] ?? 0));
}

/**
 * Runs the teacher without dropout on the batch or on some of its examples, and passes its output to `body`. The rows
 * are valid only within `body`.
 */
function withTeacher<Batch extends LabelledBatch, T>(
  { backend }: Tape,
  { teacher, batch, settings }: Request<Batch>,
  part: { readonly examples: readonly number[]; readonly positions: number } | null,
  body: (rows: Variable, output: TrainableOutput) => T,
): T {
  const tape = createTape(backend, { training: false, recordGradients: false });
  const needs = lossNeeds(settings);
  const padded = settings.kind === "last-hidden-state" && needs.padding === "included";
  try {
    const output =
      part === null || teacher.forwardExamples === undefined
        ? teacher.forward(tape, batch, needs)
        : teacher.forwardExamples(tape, batch, part.examples, {
            ...needs,
            ...(padded ? { positions: part.positions } : {}),
          });
    return body(distilled("teacher", tape, output, settings), output);
  } finally {
    releaseTape(tape);
  }
}

/**
 * Returns the number of rows of each example that distillation compares; null if the output does not show which rows
 * belong to which example.
 */
function rowCounts(
  output: TrainableOutput,
  settings: DistillationSettings,
  examples: number,
): readonly number[] | null {
  if (settings.kind === "logits") {
    return output.logits.shape[0] === examples ? new Array<number>(examples).fill(1) : null;
  }
  const shape = output.hiddenStates?.at(-1)?.shape ?? [];
  const rows = elementCount(shape) / columnsOf(shape);
  if (output.sequences === undefined && shape[0] !== examples) return null;
  const { offsets } = output.sequences ?? uniformSequences(examples, rows / examples);
  if (offsets.length !== examples + 1) return null;
  const { tokenRows } = output;
  const whole = lossPadding(settings) === "included" || tokenRows === undefined;
  return offsets.slice(1).map((end, i) => {
    const start = offsets[i] ?? 0;
    return whole ? end - start : tokenRows.filter((row) => row >= start && row < end).length;
  });
}
