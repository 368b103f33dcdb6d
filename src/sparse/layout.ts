/** All layouts of a weight: their types, spellings, packing and unpacking. */
import { type BitmaskMatrix, packBitmask, unpackBitmask } from "./bitmask.ts";
import { type BlockMatrix, type BlockShape, packBlocks, unpackBlocks } from "./blocks.ts";
import { type ChannelMatrix, packChannels, unpackChannels } from "./channels.ts";
import type { ElementArray, MatrixShape } from "./elements.ts";
import {
  type GroupMatrix,
  type GroupShape,
  MOST_IN_GROUP,
  packGroups,
  unpackGroups,
} from "./groups.ts";
import { type QuantizedMatrix, unpackQuantized } from "./quantized.ts";

/** A weight in a layout that keeps every bit. */
type ExactMatrix<E extends ElementArray = ElementArray> =
  | BlockMatrix<E>
  | GroupMatrix<E>
  | BitmaskMatrix<E>
  | ChannelMatrix<E>;

/** A weight in any layout. */
export type PackedMatrix = ExactMatrix | QuantizedMatrix;

/** A layout without a weight; `blocks` of 1x1 are compressed sparse rows. */
export type LayoutSpec =
  | { readonly layout: "blocks"; readonly block: BlockShape }
  | ({ readonly layout: "groups" } & GroupShape)
  | { readonly layout: "bitmask" }
  | { readonly layout: "channels" };

/** The spellings of layouts, for error messages. */
export const LAYOUT_SPELLINGS = 'a layout such as "4x1", "2:4", "bitmask", "csr" or "channels"';

/**
 * The spelling of a layout: `4x1`, `2:4`, `bitmask`, `csr`, `channels`.
 *
 * @example
 * ```ts
 * import { formatLayout } from "espalier/sparse";
 *
 * console.assert(formatLayout({ layout: "blocks", block: [4, 1] }) === "4x1");
 * console.assert(formatLayout({ layout: "blocks", block: [1, 1] }) === "csr");
 * ```
 */
export function formatLayout(spec: LayoutSpec): string {
  switch (spec.layout) {
    case "blocks":
      return spec.block.join() === "1,1" ? "csr" : spec.block.join("x");
    case "groups":
      return `${spec.prune}:${spec.of}`;
    case "bitmask":
    case "channels":
      return spec.layout;
    default:
      return spec satisfies never;
  }
}

/**
 * The layout with a spelling; `undefined` if the text is not one.
 *
 * @example
 * ```ts
 * import { parseLayout } from "espalier/sparse";
 *
 * const groups = parseLayout("2:4");
 * console.assert(groups?.layout === "groups" && groups.prune === 2);
 * console.assert(parseLayout("csr")?.layout === "blocks" && parseLayout("4:2") === undefined);
 * ```
 */
export function parseLayout(text: string): LayoutSpec | undefined {
  if (text === "bitmask" || text === "channels") return { layout: text };
  if (text === "csr") return { layout: "blocks", block: [1, 1] };
  const [, first = 0, sign, second = 0] = /^(\d{1,5})([:x])(\d{1,5})$/.exec(text) ?? [];
  const [one, two] = [Number(first), Number(second)];
  if (one === 0 || two === 0) return undefined;
  if (sign === "x") return { layout: "blocks", block: [one, two] };
  return two > one && two <= MOST_IN_GROUP ? { layout: "groups", prune: one, of: two } : undefined;
}

/**
 * Packs a row-major matrix into a layout, bit for bit.
 *
 * @param mask - 1 = kept: kept elements are stored even if they are +0. Groups ignore it
 * @throws TypeError if `data` has another type; RangeError if its length does not fit the shape, or for groups with
 *   fewer zeros
 *
 * @example
 * ```ts
 * import { pack, unpack } from "espalier/sparse";
 *
 * const weight = Float32Array.of(0, 1, 0, 2);
 * for (const layout of ["bitmask", "channels"] as const) {
 *   const packed = pack(weight, [2, 2], { layout });
 *   console.assert(unpack(packed).join() === weight.join());
 * }
 * ```
 */
export function pack<E extends ElementArray>(
  data: E,
  shape: MatrixShape,
  spec: LayoutSpec,
  mask?: Uint8Array,
): ExactMatrix<E> {
  switch (spec.layout) {
    case "blocks":
      return packBlocks(data, shape, spec.block, mask);
    case "groups":
      return packGroups(data, shape, spec);
    case "bitmask":
      return packBitmask(data, shape, mask);
    case "channels":
      return packChannels(data, shape, mask);
    default:
      return spec satisfies never;
  }
}

/**
 * The dense row-major matrix, with elements of the same type, or 32-bit floats for a quantized matrix.
 *
 * @example
 * ```ts
 * import { packBlocks, quantizeBlocks, unpack } from "espalier/sparse";
 *
 * const packed = packBlocks(Uint16Array.of(0, 0x3c00), [2, 1], [1, 1]);
 * console.assert(unpack(packed) instanceof Uint16Array);
 * const { matrix } = quantizeBlocks(packBlocks(Float32Array.of(0, 1), [2, 1], [1, 1]));
 * console.assert(unpack(matrix) instanceof Float32Array);
 * ```
 */
export function unpack(matrix: PackedMatrix): ElementArray {
  switch (matrix.layout) {
    case "blocks":
      return unpackBlocks(matrix);
    case "groups":
      return unpackGroups(matrix);
    case "bitmask":
      return unpackBitmask(matrix);
    case "channels":
      return unpackChannels(matrix);
    case "quantized":
      return unpackQuantized(matrix);
    default:
      return matrix satisfies never;
  }
}

export type PackedArray = ElementArray | Int8Array | Uint8Array | Uint32Array;

/** The names of the arrays of a packed matrix, in the order in which they are stored. */
export const ARRAY_NAMES: {
  readonly [Layout in PackedMatrix["layout"]]: readonly (string &
    keyof Extract<PackedMatrix, { readonly layout: Layout }>)[];
} = /* @__PURE__ */ Object.freeze({
  blocks: ["starts", "columns", "values"],
  quantized: ["starts", "columns", "scales", "values"],
  groups: ["indices", "values"],
  bitmask: ["bits", "values"],
  channels: ["rows", "columns", "values"],
});

/** The arrays of a packed matrix, by name. */
export function packedArrays(matrix: PackedMatrix): readonly (readonly [string, PackedArray])[] {
  const arrays = new Map<string, unknown>(Object.entries(matrix));
  return ARRAY_NAMES[matrix.layout].map((name) => [name, arrays.get(name) as PackedArray]);
}

/**
 * Bytes of the arrays of a packed matrix.
 *
 * @example
 * ```ts
 * import { packBlocks, packedBytes } from "espalier/sparse";
 *
 * const empty = packBlocks(new Float32Array(16), [4, 4], [4, 1]);
 * if (packedBytes(empty) !== 8) throw new Error("expected the two block row starts alone");
 * ```
 */
export function packedBytes(matrix: PackedMatrix): number {
  return packedArrays(matrix).reduce((sum, [, array]) => sum + array.byteLength, 0);
}
