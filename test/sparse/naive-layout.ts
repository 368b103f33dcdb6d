/** What packed arrays stand for, in the plainest words: the oracle of the check on arrays from files. */
import type { PackedMatrix } from "../../src/sparse/layout.ts";
import { wordsOf } from "./matrices.ts";

/** Whether numbers ascend, each once, and all are below a bound. */
function areIndices(numbers: readonly number[], bound: number): boolean {
  const sorted = [...new Set(numbers)].sort((a, b) => a - b);
  return sorted.join() === numbers.join() && numbers.every((number) => number < bound);
}

/** Every stored value with its place, which may be beyond the matrix; null if the arrays are not those of a matrix. */
function placesOf(
  matrix: PackedMatrix,
  words: readonly number[],
): readonly (readonly [row: number, column: number, word: number])[] | null {
  const [rows, columns] = matrix.shape;
  switch (matrix.layout) {
    case "int8":
    case "blocks":
    case "quantized": {
      if (matrix.block === null) {
        if (words.length !== rows * columns) return null;
        return words.map((word, i) => [Math.floor(i / columns), i % columns, word]);
      }
      const [height, width] = matrix.block;
      const [starts, blocks] = [[...matrix.starts], [...matrix.columns]];
      const across = Math.ceil(columns / width);
      if (starts.length !== Math.ceil(rows / height) + 1) return null;
      if (starts[0] !== 0 || starts.at(-1) !== blocks.length) return null;
      if (words.length !== blocks.length * height * width) return null;
      const places: [number, number, number][] = [];
      for (let r = 0; r + 1 < starts.length; r++) {
        const [first = 0, last = 0] = starts.slice(r, r + 2);
        const own = blocks.slice(first, last);
        if (last < first || !areIndices(own, across)) return null;
        for (const block of own)
          for (let i = 0; i < height * width; i++) {
            const column = block * width + (i % width);
            places.push([r * height + Math.floor(i / width), column, words[places.length] ?? 0]);
          }
      }
      return places;
    }
    case "groups": {
      const [kept, width] = [matrix.of - matrix.prune, Math.ceil(Math.log2(matrix.of))];
      const groups = Math.ceil(columns / matrix.of);
      if (words.length !== rows * groups * kept) return null;
      if (matrix.indices.length !== Math.ceil((words.length * width) / 8)) return null;
      const bits = [...matrix.indices].map((byte) => [...byte.toString(2).padStart(8, "0")]);
      const stream = bits.flatMap((byte) => byte.reverse());
      const positions = words.map((_, i) => {
        const own = stream.slice(i * width, (i + 1) * width).reverse();
        return Number.parseInt(own.join(""), 2);
      });
      for (let i = 0; i < positions.length; i += kept)
        if (!areIndices(positions.slice(i, i + kept), matrix.of)) return null;
      return words.map((word, i) => {
        const group = Math.floor(i / kept);
        const column = (group % groups) * matrix.of + (positions[i] ?? 0);
        return [Math.floor(group / groups), column, word];
      });
    }
    case "bitmask": {
      const set = [...matrix.bits].flatMap((byte, i) =>
        [0, 1, 2, 3, 4, 5, 6, 7].filter((bit) => (byte >> bit) % 2 === 1).map((bit) => 8 * i + bit),
      );
      if (matrix.bits.length !== Math.ceil((rows * columns) / 8)) return null;
      if (set.length !== words.length || set.some((i) => i >= rows * columns)) return null;
      return set.map((i, at) => [Math.floor(i / columns), i % columns, words[at] ?? 0]);
    }
    case "channels": {
      const [stored, across] = [[...matrix.rows], [...matrix.columns]];
      if (!areIndices(stored, rows) || !areIndices(across, columns)) return null;
      if (words.length !== stored.length * across.length) return null;
      return stored.flatMap((row, i) =>
        across.map((column, j) => [row, column, words[i * across.length + j] ?? 0] as const),
      );
    }
    default:
      return matrix satisfies never;
  }
}

/** The dense matrix's words, or its integers; null if the arrays are not those of a matrix. */
export function naiveUnpack(matrix: PackedMatrix): readonly number[] | null {
  const [rows, columns] = matrix.shape;
  const { values } = matrix;
  const places = placesOf(matrix, values instanceof Int8Array ? [...values] : wordsOf(values));
  if (places === null) return null;
  if (matrix.layout === "quantized" || matrix.layout === "int8") {
    const scales = matrix.layout === "int8" ? rows : matrix.columns.length;
    if (matrix.scales.length !== scales) return null;
    if (matrix.scales.some((bits) => bits >= 0x7f80) || matrix.values.includes(-128)) return null;
  }
  const dense = new Array<number>(rows * columns).fill(0);
  for (const [row, column, word] of places) {
    const inside = row < rows && column < columns;
    if (inside) dense[row * columns + column] = word;
    else if (word !== 0) return null;
  }
  return dense;
}
