/** The layouts of a weight: parses and formats their names, packs and unpacks matrices. */
import { checkKind, checkObject, checkOneOf, checkString } from "../core/checks.ts";
import { sumOf } from "../core/sum.ts";
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
import { type Int8Matrix, unpackInt8 } from "./int8.ts";
import { type QuantizedMatrix, unpackQuantized } from "./quantized.ts";

/** A weight in a layout that preserves every bit. */
type ExactMatrix<E extends ElementArray = ElementArray> =
  | BlockMatrix<E>
  | GroupMatrix<E>
  | BitmaskMatrix<E>
  | ChannelMatrix<E>;

/** A weight in any layout. */
export type PackedMatrix = ExactMatrix | QuantizedMatrix | Int8Matrix;

/** A description of a layout, without a weight. The layout of 1x1 blocks is compressed sparse row (CSR). */
export type LayoutSpec =
  | { readonly layout: "blocks"; readonly block: BlockShape }
  | ({ readonly layout: "groups" } & GroupShape)
  | { readonly layout: "bitmask" }
  | { readonly layout: "channels" };

/** Examples of layout names, for error messages. */
export const LAYOUT_SPELLINGS = 'a layout such as "4x1", "2:4", "bitmask", "csr" or "channels"';

/**
 * Returns the name of a layout, such as `4x1`, `2:4`, `bitmask`, `csr` or `channels`. {@link parseLayout} is the
 * inverse.
 */
export function formatLayout(spec: LayoutSpec): string {
  checkLayout("spec", spec);
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
 * Parses the name of a layout. Returns `undefined` if the text does not name a layout.
 *
 * @example
 * ```ts
 * import { formatLayout, parseLayout } from "espalier/sparse";
 *
 * const groups = parseLayout("2:4");
 * console.assert(groups?.layout === "groups" && formatLayout(groups) === "2:4");
 * console.assert(parseLayout("csr")?.layout === "blocks" && parseLayout("4:2") === undefined);
 * ```
 */
export function parseLayout(text: string): LayoutSpec | undefined {
  checkString("text", text);
  if (text === "bitmask" || text === "channels") return { layout: text };
  if (text === "csr") return { layout: "blocks", block: [1, 1] };
  const [, first = 0, sign, second = 0] = /^(\d{1,5})([:x])(\d{1,5})$/.exec(text) ?? [];
  const [one, two] = [Number(first), Number(second)];
  if (one === 0 || two === 0) return undefined;
  if (sign === "x") return { layout: "blocks", block: [one, two] };
  return two > one && two <= MOST_IN_GROUP ? { layout: "groups", prune: one, of: two } : undefined;
}

/**
 * Packs a row-major matrix into a layout that preserves every bit.
 *
 * @param mask - 1 for each element to store even if it is +0; ignored for groups
 * @throws TypeError if `data` is neither a Float32Array nor a Uint16Array; RangeError if its length is not the number
 *   of elements in the shape, or if a group has fewer zeros than the layout requires
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
  checkLayout("spec", spec);
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
 * Returns the dense row-major matrix. Elements keep their type, but integers become floats. See {@link pack}.
 */
export function unpack(matrix: PackedMatrix): ElementArray {
  checkLayout("matrix", matrix);
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
    case "int8":
      return unpackInt8(matrix);
    default:
      return matrix satisfies never;
  }
}

export type PackedArray = ElementArray | Int8Array | Uint8Array | Uint32Array;

type KeyOf<Matrix> = Matrix extends unknown ? string & keyof Matrix : never;

/** The names of a packed matrix's arrays, in the order of storage. */
export const ARRAY_NAMES: {
  readonly [Layout in PackedMatrix["layout"]]: readonly KeyOf<
    Extract<PackedMatrix, { readonly layout: Layout }>
  >[];
} = /* @__PURE__ */ Object.freeze({
  blocks: ["starts", "columns", "values"],
  quantized: ["starts", "columns", "scales", "values"],
  int8: ["starts", "columns", "scales", "values"],
  groups: ["indices", "values"],
  bitmask: ["bits", "values"],
  channels: ["rows", "columns", "values"],
});

/** Checks that `value` is an object with a known layout. */
export function checkLayout(name: string, value: { readonly layout: string }): void {
  checkObject(name, value, "layout");
  checkOneOf(`${name}.layout`, value.layout, Object.keys(ARRAY_NAMES));
}

/** Returns the arrays of a packed matrix with their names, in the order of storage. */
export function packedArrays(matrix: PackedMatrix): readonly (readonly [string, PackedArray])[] {
  const arrays = new Map<string, unknown>(Object.entries(matrix));
  const isDense = matrix.layout === "int8" && matrix.block === null;
  const names = isDense ? ["scales", "values"] : ARRAY_NAMES[matrix.layout];
  return names.map((name) => [name, arrays.get(name) as PackedArray]);
}

/** Returns the total size of a packed matrix's arrays in bytes. */
export function packedBytes(matrix: PackedMatrix): number {
  checkLayout("matrix", matrix);
  const arrays = packedArrays(matrix);
  for (const [name, array] of arrays)
    checkKind(ArrayBuffer.isView(array), `matrix.${name}`, "a typed array", array);
  return sumOf(arrays, ([, array]) => array.byteLength);
}
