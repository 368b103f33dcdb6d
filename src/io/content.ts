/**
 * Recognises the content of a file from its first bytes, for error messages about files that are not what their names
 * suggest.
 */
import { unsharedBytes } from "./bytes.ts";

/** The number of bytes that {@link looksLike} examines. */
export const CONTENT_BYTES: 512 = 512;

/** A description of a file's content, for messages. */
type Content =
  | "an empty file"
  | "a Git LFS pointer, not the file itself (git lfs pull fetches it)"
  | "an HTML page"
  | "XML"
  | "JSON"
  | "plain text"
  | "text in UTF-16"
  | "a safetensors file"
  | "an ONNX model"
  | "a GGUF model"
  | "a zip archive"
  | "gzip data"
  | "a Python pickle"
  | "an HDF5 file"
  | "a NumPy array";

/** Patterns for the first 16 bytes of binary files, written as hexadecimal digits. */
const SIGNATURES: readonly (readonly [Content, RegExp])[] = [
  // The first 8 bytes are the length of the header, below 2^27. The header begins with a brace. This pattern comes
  // first, because the length can look like any other signature.
  ["a safetensors file", /^.{6}0[0-7]0{8}7b/],
  ["a GGUF model", /^47475546/],
  ["a zip archive", /^504b(0304|0506)/],
  ["gzip data", /^1f8b/],
  // Pickle protocols 2 to 5 begin with their number, protocol 1 with an empty list or dictionary that is stored at
  // index 0.
  ["a Python pickle", /^(800[2-5]|[57]d7100)/],
  ["an HDF5 file", /^894844460d0a/],
  ["a NumPy array", /^934e554d5059/],
  ["text in UTF-16", /^(fffe|feff)/],
  // The first two fields of the protocol buffer: the version of the format, then any field of a model.
  ["an ONNX model", /^08(0[1-9a-f]|1.)(12|1a|22|28|32|3a|42)/],
];

/** Patterns for the beginning of text files. They also match a text that is cut off after 8 bytes. */
const BEGINNINGS: readonly (readonly [Content, RegExp])[] = [
  [
    "a Git LFS pointer, not the file itself (git lfs pull fetches it)",
    /^version (https:\/\/git-lfs\.|$)/,
  ],
  ["an HTML page", /^\s*<(!doctyp|html|head|body|!--)/i],
  ["XML", /^\s*<\?xml/],
  // Pickle protocol 0: a list, a dictionary, a tuple of numbers, or the name of a class.
  [
    "a Python pickle",
    /^(\(([dl]p\d+|[FI][\d.e+-]+)\n|\(?c[a-z_][\w.]*\n[A-Z_a-z]\w+\n(p\d+\n|\())/,
  ],
  // A vocabulary also begins with a bracket, as in `[PAD]`, but must not count as JSON.
  ["JSON", /^\s*(\{\s*(["}]|$)|\[\s*(["{[\]\d-]|true|false|null|$))/],
];

function contentOf(bytes: Uint8Array): Content | undefined {
  if (bytes.length === 0) return "an empty file";
  const begin = unsharedBytes(bytes.subarray(0, CONTENT_BYTES));
  const hex = Array.from(begin.subarray(0, 16), (byte) => byte.toString(16).padStart(2, "0"));
  const binary = SIGNATURES.find(([, pattern]) => pattern.test(hex.join("")));
  if (binary !== undefined) return binary[0];
  const text = textOf(begin);
  if (text === undefined) return undefined;
  return BEGINNINGS.find(([, pattern]) => pattern.test(text))?.[0] ?? "plain text";
}

/** Decodes the bytes as text; `undefined` if they are not text. */
function textOf(bytes: Uint8Array): string | undefined {
  // The control characters that text may contain: tab, line feed, form feed, carriage return.
  if (bytes.some((byte) => byte < 32 && ![9, 10, 12, 13].includes(byte))) return undefined;
  try {
    // In stream mode, the bytes may end in the middle of a character.
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes, { stream: true });
  } catch {
    return undefined;
  }
}

/** Describes the content of a file; `undefined` if the content is not recognised or is one of `expected`. */
export function looksLike(bytes: Uint8Array, ...expected: readonly Content[]): Content | undefined {
  const content = contentOf(bytes);
  return content === undefined || expected.includes(content) ? undefined : content;
}
