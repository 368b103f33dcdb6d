/** Arranges matrices of 8-bit integers in the form that the kernels of a variant expect. */
import { fromBfloat16 } from "../core/half.ts";
import {
  INT8_HEIGHTS,
  type Int8Form,
  type Int8Height,
  type Int8Layout,
  type Int8Weight,
  QUAD,
  rowBytes,
} from "../kernels/int8.ts";
import type { BlockInt8Matrix, DenseInt8Matrix, Int8Matrix } from "./int8.ts";

/**
 * The form in which kernels compute with a matrix: `blocks` if its blocks have a multiple of four rows, `rows` for other
 * blocks.
 */
export function int8FormOf({ block }: Pick<Int8Matrix, "block">): Int8Form {
  if (block === null) return { kind: "dense" };
  const height = INT8_HEIGHTS.findLast((some) => block[0] % some === 0);
  return height === undefined ? { kind: "rows" } : { kind: "blocks", height };
}

/** Arranges a matrix for kernels with this layout. */
export function int8Weight(matrix: Int8Matrix, layout: Int8Layout): Int8Weight {
  const [outputs, inputs] = matrix.shape;
  const form = int8FormOf(matrix);
  const scales = new Float32Array(4 * Math.ceil(outputs / 4));
  for (let o = 0; o < outputs; o++) scales[o] = fromBfloat16(matrix.scales[o]);
  const parts = partsOf(matrix, form, layout);
  return { outputs, inputs, form, scales, ...parts };
}

type Parts = Pick<Int8Weight, "starts" | "columns" | "values" | "negatedSums">;

function partsOf(matrix: Int8Matrix, form: Int8Form, layout: Int8Layout): Parts {
  if (matrix.block === null) return denseParts(matrix, layout);
  return form.kind === "blocks"
    ? blockParts(matrix, form.height, layout)
    : rowParts(matrix, layout);
}

/** Writes weights, and adds up those of each output. */
interface Writer {
  readonly values: Int32Array;
  readonly negatedSums: Int32Array;
  /** Writes the weight of an output in lane 0 to 3 of a quad. `place` is the number of the quad. */
  readonly write: (place: number, lane: number, output: number, weight: number) => void;
}

/**
 * Creates a writer for this number of quads.
 *
 * @param together - the number of outputs whose quads of the same inputs are stored one after another: 1 or 4
 */
function createWriter(
  quads: number,
  outputs: number,
  together: 1 | 4,
  { words }: Int8Layout,
): Writer {
  const values = new Int32Array(words * quads);
  const negatedSums = new Int32Array(4 * Math.ceil(outputs / 4));
  const [bytes, halves] = [new Int8Array(values.buffer), new Int16Array(values.buffer)];
  const write: Writer["write"] = (place, lane, output, weight) => {
    negatedSums[output] -= weight;
    if (words === 1) bytes[QUAD * place + lane] = weight;
    else {
      const within = place % together;
      const word = 2 * (place - within) + (lane & 1) * together + within;
      halves[2 * word + (lane >> 1)] = weight;
    }
  };
  return { values, negatedSums, write };
}

const NONE = new Int32Array(0);

function denseParts(
  { shape: [outputs, inputs], values: from }: DenseInt8Matrix,
  layout: Int8Layout,
): Parts {
  const quads = rowBytes(inputs) / QUAD;
  const fours = Math.ceil(outputs / 4);
  const { values, negatedSums, write } = createWriter(4 * fours * quads, outputs, 4, layout);
  for (let o = 0, at = 0; o < outputs; o++) {
    const first = 4 * (o >> 2) * quads + (o & 3);
    for (let i = 0; i < inputs; i++, at++) write(first + 4 * (i >> 2), i & 3, o, from[at]);
  }
  return { starts: NONE, columns: NONE, values, negatedSums };
}

/** Gathers the inputs of each block row by fours. The last quad of a block row may have zeros. */
function blockParts(matrix: BlockInt8Matrix, height: Int8Height, layout: Int8Layout): Parts {
  const { shape, block, starts: blockStarts, columns: blockColumns, values: from } = matrix;
  const [outputs, inputs] = shape;
  const [tall, width] = block;
  const inBlock = tall / height;
  const rows = Math.ceil(outputs / height);
  const starts = new Int32Array(rows + 1);
  for (let row = 0; row < rows; row++) {
    const blockRow = Math.floor(row / inBlock);
    const kept = (blockStarts[blockRow + 1] - blockStarts[blockRow]) * width;
    starts[row + 1] = starts[row] + Math.ceil(kept / QUAD);
  }
  const columns = new Int32Array(QUAD * starts[rows]);
  const writer = createWriter(height * starts[rows], outputs, 4, layout);
  for (let row = 0; row < rows; row++) {
    const blockRow = Math.floor(row / inBlock);
    const [first, count] = [starts[row], starts[row + 1] - starts[row]];
    let index = 0;
    for (let b = blockStarts[blockRow]; b < blockStarts[blockRow + 1]; b++)
      for (let c = 0; c < width; c++, index++) {
        const input = blockColumns[b] * width + c;
        if (input >= inputs) continue;
        columns[QUAD * first + index] = input * layout.tokens;
        for (let r = 0; r < height && row * height + r < outputs; r++) {
          const place = height * first + 4 * ((r >> 2) * count + (index >> 2)) + (r & 3);
          const at = (b * tall + (row % inBlock) * height + r) * width + c;
          writer.write(place, index & 3, row * height + r, from[at]);
        }
      }
  }
  const { values, negatedSums } = writer;
  return { starts, columns, values, negatedSums };
}

/** Finds the quads of consecutive inputs that have a weight, output by output. */
function rowParts(matrix: BlockInt8Matrix, layout: Int8Layout): Parts {
  const { shape, block, starts: blockStarts, columns: blockColumns, values: from } = matrix;
  const [outputs, inputs] = shape;
  const [height, width] = block;
  const starts = new Int32Array(outputs + 1);
  const columns: number[] = [];
  /** Calls `visit` for the weights of an output that are not zero, by input. */
  const forEachWeight = (o: number, visit: (input: number, weight: number) => void): void => {
    const blockRow = Math.floor(o / height);
    for (let b = blockStarts[blockRow]; b < blockStarts[blockRow + 1]; b++)
      for (let c = 0, at = (b * height + (o % height)) * width; c < width; c++, at++) {
        const input = blockColumns[b] * width + c;
        if (from[at] !== 0 && input < inputs) visit(input, from[at]);
      }
  };
  for (let o = 0; o < outputs; o++) {
    let last = -1;
    forEachWeight(o, (input) => {
      if (input >> 2 !== last) columns.push((input & -QUAD) * layout.tokens);
      last = input >> 2;
    });
    starts[o + 1] = columns.length;
  }
  const { values, negatedSums, write } = createWriter(columns.length, outputs, 1, layout);
  for (let o = 0; o < outputs; o++) {
    let [place, last] = [starts[o] - 1, -1];
    forEachWeight(o, (input, weight) => {
      if (input >> 2 !== last) place++;
      last = input >> 2;
      write(place, input & 3, o, weight);
    });
  }
  return { starts, columns: Int32Array.from(columns), values, negatedSums };
}
