/** Products with 8-bit weights on WASM. These functions check the arrays and divide the work among threads. */
import { checkIds } from "../extents.ts";
import {
  type Int8Kernels,
  type Int8Weight,
  int8Layout,
  MOST_INT8_INPUTS,
  QUAD,
  rowBytes,
} from "../int8.ts";
import type { WasmVariant } from "../wasm/emitter.ts";
import type { Wasm } from "./calls.ts";
import { partLength, type Scheduler } from "./scheduler.ts";

/** The minimum number of multiplications in a part of an operation. */
const LEAST_WORK = 1 << 21;

/** Creates the kernels. They throw a RangeError for an array that is too short. */
export function int8Kernels(variant: WasmVariant, wasm: Wasm, scheduler: Scheduler): Int8Kernels {
  return {
    int8Quantize: quantize(wasm),
    int8Forward: forward(variant, wasm, scheduler),
    int8GatherRows: gatherRows(wasm),
  };
}

function quantize({ run, at, partOfRows, openGroup, closeGroup }: Wasm) {
  const quantizeRows: Int8Kernels["int8Quantize"] = (x, rows, tokens, inputs) => {
    const stride = rowBytes(inputs);
    const xAt = at("x", x, tokens * inputs);
    const bytesAt = at("bytes", rows.bytes, (tokens * stride) / 4);
    const scalesAt = at("scales", rows.scales, tokens);
    const zerosAt = at("zeros", rows.zeros, tokens);
    const part = partOfRows(tokens, inputs);
    openGroup();
    for (let t = 0; t < tokens; t += part) {
      const [from, to] = [xAt + 4 * t * inputs, bytesAt + t * stride];
      const count = Math.min(part, tokens - t);
      run.int8Quantize(from, to, scalesAt + 4 * t, zerosAt + 4 * t, count, inputs);
    }
    closeGroup();
  };
  return quantizeRows;
}

/** The number of quads of a weight, each for one output. */
function quadsOf({ outputs, inputs, form, starts }: Int8Weight): number {
  switch (form.kind) {
    case "dense":
      return (Math.ceil(outputs / 4) * 4 * rowBytes(inputs)) / QUAD;
    case "rows":
      return starts[outputs];
    case "blocks":
      return starts[Math.ceil(outputs / form.height)] * form.height;
    default:
      return form satisfies never;
  }
}

/** The numbers of starts, and of columns. */
function positionsOf({ outputs, form, starts }: Int8Weight): readonly [number, number] {
  switch (form.kind) {
    case "dense":
      return [0, 0];
    case "rows":
      return [outputs + 1, starts[outputs]];
    case "blocks": {
      const rows = Math.ceil(outputs / form.height);
      return [rows + 1, QUAD * starts[rows]];
    }
    default:
      return form satisfies never;
  }
}

const FUNCTIONS = { dense: "int8Dense", rows: "int8Rows", blocks: "int8Blocks" } as const;

function forward(variant: WasmVariant, { at }: Wasm, scheduler: Scheduler) {
  const { tokens: together, words } = int8Layout(variant);
  const multiply: Int8Kernels["int8Forward"] = (rows, weight, bias, y, tokens) => {
    const { outputs, inputs, form } = weight;
    if (inputs > MOST_INT8_INPUTS)
      throw new RangeError(`inputs: expected at most ${MOST_INT8_INPUTS}, got ${inputs}`);
    const stride = rowBytes(inputs);
    const quads = quadsOf(weight);
    const padded = 4 * Math.ceil(outputs / 4);
    const [starts, columns] = positionsOf(weight);
    const bytesAt = at("bytes", rows.bytes, (tokens * stride) / 4);
    const scalesAt = at("scales", rows.scales, tokens);
    const zerosAt = at("zeros", rows.zeros, tokens);
    const startsAt = at("starts", weight.starts, starts);
    const columnsAt = at("columns", weight.columns, columns);
    const valuesAt = at("values", weight.values, words * quads);
    const negatedAt = at("negatedSums", weight.negatedSums, padded);
    const weightScalesAt = at("scales", weight.scales, padded);
    const biasAt = bias === null ? 0 : at("bias", bias, outputs);
    const yAt = at("y", y, tokens * outputs);
    const height = form.kind === "blocks" ? form.height : 1;
    const run = scheduler.functions[FUNCTIONS[form.kind]];
    // Sums are exact, so results do not depend on the division.
    const least = Math.max(together, Math.ceil(LEAST_WORK / Math.max(1, QUAD * quads)));
    const part = partLength(scheduler, tokens, least, together);
    scheduler.openGroup();
    for (let t = 0; t < tokens; t += part)
      run(
        bytesAt + t * stride,
        Math.min(part, tokens - t),
        inputs,
        outputs,
        height,
        startsAt,
        columnsAt,
        valuesAt,
        negatedAt,
        weightScalesAt,
        biasAt,
        scalesAt + 4 * t,
        zerosAt + 4 * t,
        yAt + 4 * t * outputs,
      );
    scheduler.closeGroup();
  };
  return multiply;
}

function gatherRows({ run, at }: Wasm) {
  const gather: Int8Kernels["int8GatherRows"] = (table, scales, ids, out, width, accumulate) => {
    checkIds(ids, scales.length);
    const rows = ids.length;
    const tableAt = at("table", table, (scales.length * rowBytes(width)) / 4);
    const scalesAt = at("scales", scales, scales.length);
    const outAt = at("out", out, rows * width);
    const copy = accumulate ? run.int8GatherAddRows : run.int8GatherRows;
    copy(tableAt, scalesAt, at("ids", ids, rows), outAt, rows, width);
  };
  return gather;
}
