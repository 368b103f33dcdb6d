/**
 * The manifest of a packed file: JSON in the safetensors metadata that lists the packed tensors, their parts and their
 * layouts. See docs/packed-format.md.
 */

import { pipe } from "fp-ts/function";
import { checkMapOf, checkNumber, checkObject, checkString, describe } from "../core/checks.ts";
import {
  chain,
  type Either,
  isRight,
  map,
  type Problem,
  refuse,
  refuseValue,
  right,
  unlessProblems,
} from "../core/either.ts";
import { sumOf } from "../core/sum.ts";
import { elementBytes } from "../io/dtypes.ts";
import { isJsonObject, type JsonObject, type JsonValue, parseJson } from "../io/json.ts";
import { byteCount, isCountList } from "../io/safetensors-header.ts";
import type { BlockShape } from "../sparse/blocks.ts";
import { MOST_IN_GROUP } from "../sparse/groups.ts";
import { ARRAY_NAMES, formatLayout, type LayoutSpec } from "../sparse/layout.ts";

/** The metadata key of the manifest. A file with this key is packed. */
export const PACKED_METADATA = "espalier.packed";

/** Version 2 adds the layout `int8`. A manifest without it is written as version 1, which older readers accept. */
type PackedVersion = 1 | 2;

const MOST_ELEMENTS = 2 ** 31 - 1;
/**
 * A file may unpack to at most this number of elements, plus `ELEMENTS_PER_BYTE` elements for each byte of the file.
 */
const FREE_ELEMENTS = 2 ** 26;
const ELEMENTS_PER_BYTE = 2 ** 12;
/** The minimum size in bytes of a tensor's entries in the header and the manifest. */
const ENTRY_BYTES = 128;

/**
 * The maximum total number of elements in the packed tensors of a file. Zeros take almost no bytes, so without a limit
 * a small file could claim any amount of memory.
 */
export function mostElements(fileBytes: number): number {
  return FREE_ELEMENTS + ELEMENTS_PER_BYTE * fileBytes;
}

/**
 * Whether readers accept a tensor with this number of elements in this number of bytes. Each tensor stays within its
 * own share of the limit, so a file with any number of tensors is readable.
 */
export function isReadable(elements: number, storedBytes: number): boolean {
  return elements <= Math.min(MOST_ELEMENTS, ELEMENTS_PER_BYTE * (storedBytes + ENTRY_BYTES));
}

/** The element types of packed values. Integers are stored as I8 instead. */
export type PackedDtype = "F32" | "F16" | "BF16";

/**
 * How a tensor is stored. `dense` stores every element, converted to another element type. `quantized` has a scale for
 * each block, `int8` one for each row; without `block` it stores every element.
 */
export type PackedLayout =
  | LayoutSpec
  | { readonly layout: "dense" }
  | { readonly layout: "quantized"; readonly block: BlockShape }
  | { readonly layout: "int8"; readonly block?: BlockShape };

/** The manifest entry of a packed tensor. */
export interface PackedEntry {
  /** The shape of the tensor, which is packed as a matrix [first extent, product of the other extents]. */
  readonly shape: readonly number[];
  /** The element type of the stored values. Always F32 for integers, which are stored as I8. */
  readonly dtype: PackedDtype;
  /** The element type of the unpacked tensor. */
  readonly unpacked: PackedDtype;
  readonly stored: PackedLayout;
}

/** Packed tensors by name. All other tensors of the file are plain. */
type PackedManifest = ReadonlyMap<string, PackedEntry>;

/** Describes how a tensor is stored, such as `4x1 F16`. */
export function describeStored({ stored, dtype }: PackedEntry): string {
  switch (stored.layout) {
    case "dense":
      return `dense ${dtype}`;
    case "quantized":
      return `${stored.block.join("x")} I8`;
    case "int8":
      return `${stored.block?.join("x") ?? "dense"} int8`;
    default:
      return `${formatLayout(stored)} ${dtype}`;
  }
}

/** Whether the values of a layout are integers with scales. */
export function isInteger({ layout }: PackedLayout): boolean {
  return layout === "quantized" || layout === "int8";
}

/** Returns the name that a part of a packed tensor has in the file, such as `fc.weight:values`. */
export function partName(name: string, part: string): string {
  return `${name}:${part}`;
}

/** Lists the parts of a tensor in a layout, such as `values`. */
export function partsOf(stored: PackedLayout): readonly string[] {
  switch (stored.layout) {
    case "dense":
      return ["values"];
    case "int8":
      return stored.block === undefined ? ["scales", "values"] : ["bits", "scales", "values"];
    default:
      return ARRAY_NAMES[stored.layout];
  }
}

/** Lists the names that the parts of a packed tensor have in the file. */
export function partNames(name: string, stored: PackedLayout): readonly string[] {
  return partsOf(stored).map((part) => partName(name, part));
}

export function matrixShape(shape: readonly number[]): readonly [number, number] {
  const [rows = 1, ...others] = shape;
  return [rows, others.reduce((product, extent) => product * extent, 1)];
}

/**
 * Formats a manifest as metadata text.
 *
 * @example
 * ```ts
 * import { formatManifest, parseManifest } from "espalier/checkpoint";
 *
 * const entry = { shape: [8, 4], dtype: "F16", unpacked: "F32", stored: { layout: "bitmask" } } as const;
 * const text = formatManifest(new Map([["fc.weight", entry]]));
 * const read = parseManifest("model", text);
 * console.assert(read._tag === "Right" && read.right.get("fc.weight")?.dtype === "F16");
 * const later = parseManifest("model", '{"version": 3, "tensors": {}}');
 * console.assert(later._tag === "Left" && later.left[0]?.expected === "version 1 or 2");
 * ```
 */
export function formatManifest(manifest: PackedManifest): string {
  checkMapOf("manifest", manifest, "stored", "shape", "dtype");
  const tensors = [...manifest].map(([name, { stored, shape, dtype, unpacked }]) => {
    checkObject(`manifest ${describe(name)}: stored`, stored, "layout");
    const { layout, ...parameters } = stored;
    const entry = { layout, ...parameters, shape, dtype, unpacked };
    return `${JSON.stringify(name)}:${JSON.stringify(entry)}`;
  });
  const isInt8 = [...manifest.values()].some(({ stored }) => stored.layout === "int8");
  const version: PackedVersion = isInt8 ? 2 : 1;
  return `{"version":${version},"tensors":{${tensors.join(",")}}}`;
}

/** Whether a value is an element type that packed tensors can have. */
export function isPackedDtype(value: unknown): value is PackedDtype {
  return value === "F32" || value === "F16" || value === "BF16";
}

function isExtent(value: JsonValue | undefined): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value > 0;
}

function refuseParameter(path: string, expected: string, value: JsonValue | undefined) {
  const numbers = Array.isArray(value) && value.length < 4 && value.every(Number.isFinite);
  const got = value === undefined ? "none" : numbers ? `[${value.join(", ")}]` : describe(value);
  return refuse(path, expected, got);
}

function readBlock(
  path: string,
  block: JsonValue | undefined,
): Either<readonly Problem[], BlockShape> {
  const [height, width, more] = Array.isArray(block) ? (block as readonly JsonValue[]) : [];
  if (!isExtent(height) || !isExtent(width) || more !== undefined)
    return refuseParameter(path, "two whole numbers from 1", block);
  if (!Number.isSafeInteger(height * width))
    return refuseParameter(path, "at most 2^53 - 1 elements", block);
  return right([height, width]);
}

function readLayout(
  path: string,
  { layout, block, prune, of }: JsonObject,
  version: PackedVersion,
): Either<readonly Problem[], PackedLayout> {
  const withBlock = (name: "blocks" | "quantized" | "int8") =>
    pipe(
      readBlock(`${path}.block`, block),
      map((read): PackedLayout => ({ layout: name, block: read })),
    );
  const refuseLayout = () => {
    const names = ["dense", "blocks", "quantized", "groups", "bitmask", "channels"];
    if (version === 2) names.push("int8");
    return refuseParameter(`${path}.layout`, `one of ${names.join(", ")}`, layout);
  };
  switch (layout) {
    case "dense":
    case "bitmask":
    case "channels":
      return right({ layout });
    case "blocks":
    case "quantized":
      return withBlock(layout);
    case "int8":
      if (version === 1) return refuseLayout();
      return block === undefined ? right({ layout }) : withBlock(layout);
    case "groups":
      if (!isExtent(of) || of < 2 || of > MOST_IN_GROUP)
        return refuseParameter(`${path}.of`, `a whole number from 2 to ${MOST_IN_GROUP}`, of);
      if (!isExtent(prune) || prune >= of)
        return refuseParameter(`${path}.prune`, `a whole number from 1 to ${of - 1}`, prune);
      return right({ layout, prune, of });
    default:
      return refuseLayout();
  }
}

/** Reads the fields of an entry other than its layout. */
function readEntry(
  path: string,
  value: JsonObject,
  stored: PackedLayout,
): Either<readonly Problem[], PackedEntry> {
  const { shape, dtype, unpacked } = value;
  const keys = [...Object.keys(stored), "shape", "dtype", "unpacked"];
  const unknown = Object.keys(value).find((key) => !keys.includes(key));
  if (unknown !== undefined)
    return refuse(path, `keys of ${keys.join(", ")} for ${stored.layout}`, unknown);
  if (!isCountList(shape) || shape.length === 0)
    return refuseValue(`${path}.shape`, "a list of counts", shape);
  const elements = byteCount("U8", shape) ?? Infinity;
  // If one extent is 0, there are no elements, however large the other extents are: each has the limit, too.
  if (elements > MOST_ELEMENTS || shape.some((extent) => extent > MOST_ELEMENTS))
    return refuse(`${path}.shape`, `at most ${MOST_ELEMENTS} elements`, `[${shape.join(", ")}]`);
  if (!isPackedDtype(dtype)) return refuseValue(`${path}.dtype`, "F32, F16 or BF16", dtype);
  if (isInteger(stored)) {
    if (dtype !== "F32") return refuseValue(`${path}.dtype`, `F32 for ${stored.layout}`, dtype);
    if (!isPackedDtype(unpacked))
      return refuseValue(`${path}.unpacked`, "F32, F16 or BF16", unpacked);
    return right({ shape, dtype, unpacked, stored });
  }
  if (!isPackedDtype(unpacked) || elementBytes(unpacked) < elementBytes(dtype))
    return refuseValue(`${path}.unpacked`, `F32, F16 or BF16 that holds ${dtype}`, unpacked);
  if (unpacked !== dtype && unpacked !== "F32")
    return refuseValue(`${path}.unpacked`, `F32 or ${dtype}`, unpacked);
  return right({ shape, dtype, unpacked, stored });
}

/**
 * Reads a manifest, or returns every problem.
 *
 * @param source the file's name for error messages
 * @param fileBytes the file's size in bytes, which limits the total number of elements. Pass it for untrusted files;
 *   without it, only the limit that `unpackTensor` sets for each tensor applies
 */
export function parseManifest(
  source: string,
  text: string,
  fileBytes?: number,
): Either<readonly Problem[], PackedManifest> {
  checkString("source", source);
  checkString("text", text);
  if (fileBytes !== undefined) checkNumber("fileBytes", fileBytes, 0);
  const path = `${source}: ${PACKED_METADATA}`;
  return pipe(
    parseJson(path, text),
    chain((json) => {
      if (!isJsonObject(json)) return refuseValue(path, "an object", json);
      const { version, tensors, ...others } = json;
      if (version !== 1 && version !== 2)
        return refuseValue(`${path}.version`, "version 1 or 2", version);
      const [unknown] = Object.keys(others);
      if (unknown !== undefined) return refuse(path, "keys of version, tensors", unknown);
      if (!isJsonObject(tensors)) return refuseValue(`${path}.tensors`, "an object", tensors);
      const problems: Problem[] = [];
      const manifest = new Map<string, PackedEntry>();
      for (const [name, value] of Object.entries(tensors)) {
        const own = `${path}: ${name}`;
        const entry = isJsonObject(value)
          ? pipe(
              readLayout(own, value, version),
              chain((stored) => readEntry(own, value, stored)),
            )
          : refuseValue(own, "an object", value);
        if (isRight(entry)) manifest.set(name, entry.right);
        else problems.push(...entry.left);
      }
      const most = fileBytes === undefined ? Infinity : mostElements(fileBytes);
      const all = sumOf([...manifest.values()], ({ shape }) => {
        const [rows, columns] = matrixShape(shape);
        return rows * columns;
      });
      if (all > most) {
        const expected = `at most ${most} elements in a file of ${fileBytes} bytes`;
        problems.push({ path: `${path}.tensors`, expected, got: `${all}` });
      }
      return unlessProblems(problems, manifest);
    }),
  );
}
