/**
 * The manifest of a packed file: a file of safetensors whose metadata say, as JSON, which of its tensors are parts of
 * packed ones, and how to unpack them. docs/packed-format.md describes the format.
 */

import { pipe } from "fp-ts/function";
import { describe } from "../core/checks.ts";
import {
  chain,
  type Either,
  isRight,
  type Problem,
  refuse,
  refuseValue,
  right,
  unlessProblems,
} from "../core/either.ts";
import { elementBytes } from "../io/dtypes.ts";
import { isJsonObject, type JsonObject, type JsonValue, parseJson } from "../io/json.ts";
import { byteCount, isCountList } from "../io/safetensors-header.ts";
import type { BlockShape } from "../sparse/blocks.ts";
import { MOST_IN_GROUP } from "../sparse/groups.ts";
import { ARRAY_NAMES, formatLayout, type LayoutSpec } from "../sparse/layout.ts";

/** The metadata's key that makes a file a packed one. */
export const PACKED_METADATA = "espalier.packed";

/** The version of the format that is read and written. */
const PACKED_VERSION = 1;

/** The most elements of a packed tensor. */
const MOST_ELEMENTS = 2 ** 31 - 1;
/** Elements that a file may have whatever its size, and for each byte of it beyond. */
const FREE_ELEMENTS = 2 ** 26;
const ELEMENTS_PER_BYTE = 2 ** 12;
/** Bytes that a tensor takes at least in a file's header and manifest, beside its parts. */
const ENTRY_BYTES = 128;

/**
 * The most elements that a file of so many bytes may unpack to, its packed tensors together: zeros take next to
 * nothing, so that a small file could otherwise ask for any memory.
 */
export function mostElements(fileBytes: number): number {
  return FREE_ELEMENTS + ELEMENTS_PER_BYTE * fileBytes;
}

/**
 * Whether a tensor may be stored in so many bytes. Each needs no more than its own share of what the file's size
 * allows, so that any number of them makes a file that is read.
 */
export function isReadable(elements: number, storedBytes: number): boolean {
  return elements <= Math.min(MOST_ELEMENTS, ELEMENTS_PER_BYTE * (storedBytes + ENTRY_BYTES));
}

/** Element types that layouts store: of quantized blocks I8. */
export type PackedDtype = "F32" | "F16" | "BF16";

/** How a tensor is stored; `dense` is all of it, in another element type. */
export type PackedLayout =
  | LayoutSpec
  | { readonly layout: "dense" }
  | { readonly layout: "quantized"; readonly block: readonly [height: number, width: number] };

/** What the manifest says of a tensor. */
export interface PackedEntry {
  /** The tensor's; the layout is of the matrix [first extent, product of the others]. */
  readonly shape: readonly number[];
  /** Of the stored values; F32 where they are quantized, which integers times scales are. */
  readonly dtype: PackedDtype;
  /** What it unpacks to. */
  readonly unpacked: PackedDtype;
  readonly stored: PackedLayout;
}

/** Packed tensors by name. All other tensors of the file are what they are. */
type PackedManifest = ReadonlyMap<string, PackedEntry>;

/** How a tensor is stored, in words: `4x1 F16`. */
export function describeStored({ stored, dtype }: PackedEntry): string {
  switch (stored.layout) {
    case "dense":
      return `dense ${dtype}`;
    case "quantized":
      return `${stored.block.join("x")} I8`;
    default:
      return `${formatLayout(stored)} ${dtype}`;
  }
}

/** The name of a packed tensor's part in the file. */
export function partName(name: string, part: string): string {
  return `${name}:${part}`;
}

/** The parts of a tensor in a layout. */
export function partsOf({ layout }: PackedLayout): readonly string[] {
  return layout === "dense" ? ["values"] : ARRAY_NAMES[layout];
}

/** The matrix that a tensor is for its layout. */
export function matrixShape(shape: readonly number[]): readonly [number, number] {
  const [rows = 1, ...others] = shape;
  return [rows, others.reduce((product, extent) => product * extent, 1)];
}

/**
 * The metadata's text for a manifest.
 *
 * @example
 * ```ts
 * import { formatManifest, parseManifest } from "espalier/checkpoint";
 *
 * const entry = { shape: [8, 4], dtype: "F16", unpacked: "F32", stored: { layout: "bitmask" } } as const;
 * const text = formatManifest(new Map([["fc.weight", entry]]));
 * const read = parseManifest("model", text);
 * console.assert(read._tag === "Right" && read.right.get("fc.weight")?.dtype === "F16");
 * ```
 */
export function formatManifest(manifest: PackedManifest): string {
  const tensors = [...manifest].map(([name, { stored, shape, dtype, unpacked }]) => {
    const { layout, ...parameters } = stored;
    const entry = { layout, ...parameters, shape, dtype, unpacked };
    return `${JSON.stringify(name)}:${JSON.stringify(entry)}`;
  });
  return `{"version":${PACKED_VERSION},"tensors":{${tensors.join(",")}}}`;
}

const PACKED_DTYPES: readonly PackedDtype[] = ["F32", "F16", "BF16"];

/** Whether a value names an element type that layouts store. */
export function isPackedDtype(value: unknown): value is PackedDtype {
  return PACKED_DTYPES.some((dtype) => dtype === value);
}

function isExtent(value: JsonValue | undefined): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value > 0;
}

function wrong(path: string, expected: string, value: JsonValue | undefined): Problem {
  const numbers = Array.isArray(value) && value.length < 4 && value.every(Number.isFinite);
  const got = value === undefined ? "none" : numbers ? `[${value.join(", ")}]` : describe(value);
  return { path, expected, got };
}

function readBlock(block: JsonValue | undefined): BlockShape | Problem {
  const [height, width, more] = Array.isArray(block) ? (block as readonly JsonValue[]) : [];
  if (!isExtent(height) || !isExtent(width) || more !== undefined)
    return wrong(".block", "two whole numbers from 1", block);
  return Number.isSafeInteger(height * width)
    ? [height, width]
    : wrong(".block", "at most 2^53 - 1 elements", block);
}

/** Whether the value is what is wrong with it. */
function isProblem(value: object): value is Problem {
  return "expected" in value;
}

/** Reads a layout with its parameters; a problem's path is within the entry. */
function readLayout({ layout, block, prune, of }: JsonObject): PackedLayout | Problem {
  switch (layout) {
    case "dense":
    case "bitmask":
    case "channels":
      return { layout };
    case "blocks":
    case "quantized": {
      const read = readBlock(block);
      return isProblem(read) ? read : { layout, block: read };
    }
    case "groups":
      if (!isExtent(of) || of < 2 || of > MOST_IN_GROUP)
        return wrong(".of", `a whole number from 2 to ${MOST_IN_GROUP}`, of);
      if (!isExtent(prune) || prune >= of)
        return wrong(".prune", `a whole number from 1 to ${of - 1}`, prune);
      return { layout, prune, of };
    default:
      return wrong(".layout", "one of dense, blocks, quantized, groups, bitmask, channels", layout);
  }
}

/** The keys that an entry of a layout has. */
function keysOf(layout: PackedLayout): readonly string[] {
  return [...Object.keys(layout), "shape", "dtype", "unpacked"];
}

function readEntry(path: string, value: JsonValue): Either<readonly Problem[], PackedEntry> {
  if (!isJsonObject(value)) return refuseValue(path, "an object", value);
  const { shape, dtype, unpacked } = value;
  const stored = readLayout(value);
  if (isProblem(stored)) return refuse(path + stored.path, stored.expected, stored.got);
  const keys = keysOf(stored);
  const unknown = Object.keys(value).find((key) => !keys.includes(key));
  if (unknown !== undefined)
    return refuse(path, `keys of ${keys.join(", ")} for ${stored.layout}`, unknown);
  if (!isCountList(shape) || shape.length === 0)
    return refuseValue(`${path}.shape`, "a list of counts", shape);
  const elements = byteCount("U8", shape) ?? Infinity;
  // An extent alone, too: beside one of 0 it makes no elements, but as many rows.
  if (elements > MOST_ELEMENTS || shape.some((extent) => extent > MOST_ELEMENTS))
    return refuse(`${path}.shape`, `at most ${MOST_ELEMENTS} elements`, `[${shape.join(", ")}]`);
  if (!isPackedDtype(dtype)) return refuseValue(`${path}.dtype`, "F32, F16 or BF16", dtype);
  if (stored.layout === "quantized") {
    if (dtype !== "F32") return refuseValue(`${path}.dtype`, "F32 for quantized blocks", dtype);
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

function elementsOf(manifest: PackedManifest): number {
  let elements = 0;
  for (const { shape } of manifest.values()) {
    const [rows, columns] = matrixShape(shape);
    elements += rows * columns;
  }
  return elements;
}

/**
 * Reads a manifest, with every problem of its tensors.
 *
 * @param source names the file in problems
 * @param fileBytes the file's size: tensors that together have more elements than that allows are refused. Pass it for
 *   files that others made; without it only each tensor is checked, by `unpackTensor`
 *
 * @example
 * ```ts
 * import { parseManifest } from "espalier/checkpoint";
 *
 * const later = parseManifest("model", '{"version": 2, "tensors": {}}');
 * console.assert(later._tag === "Left" && later.left[0]?.expected === "version 1");
 * ```
 */
export function parseManifest(
  source: string,
  text: string,
  fileBytes?: number,
): Either<readonly Problem[], PackedManifest> {
  const path = `${source}: ${PACKED_METADATA}`;
  return pipe(
    parseJson(path, text),
    chain((json) => {
      if (!isJsonObject(json)) return refuseValue(path, "an object", json);
      const { version, tensors, ...others } = json;
      if (version !== PACKED_VERSION)
        return refuseValue(`${path}.version`, `version ${PACKED_VERSION}`, version);
      const [unknown] = Object.keys(others);
      if (unknown !== undefined) return refuse(path, "keys of version, tensors", unknown);
      if (!isJsonObject(tensors)) return refuseValue(`${path}.tensors`, "an object", tensors);
      const problems: Problem[] = [];
      const manifest = new Map<string, PackedEntry>();
      for (const [name, value] of Object.entries(tensors)) {
        const entry = readEntry(`${path}: ${name}`, value);
        if (isRight(entry)) manifest.set(name, entry.right);
        else problems.push(...entry.left);
      }
      const most = fileBytes === undefined ? Infinity : mostElements(fileBytes);
      const all = elementsOf(manifest);
      if (all > most) {
        const expected = `at most ${most} elements in a file of ${fileBytes} bytes`;
        problems.push({ path: `${path}.tensors`, expected, got: `${all}` });
      }
      return unlessProblems(problems, manifest);
    }),
  );
}
