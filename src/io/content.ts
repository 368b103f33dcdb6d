/** Recognises files that are not what their names say, from their first bytes. Error messages name the content. */
import { unsharedBytes } from "./bytes.ts";

/** The number of bytes that {@link looksLike} examines. */
export const CONTENT_BYTES: 512 = 512;

const DESCRIPTIONS = {
  empty: "an empty file",
  lfs: "a Git LFS pointer, not the file itself (git lfs pull fetches it)",
  html: "an HTML page",
  xml: "XML",
  json: "JSON",
  text: "plain text",
  utf16: "text in UTF-16",
  safetensors: "a safetensors file",
  onnx: "an ONNX model",
  gguf: "a GGUF model",
  zip: "a zip archive",
  gzip: "gzip data",
  pickle: "a Python pickle",
  hdf5: "an HDF5 file",
  numpy: "a NumPy array",
} as const;

type Content = keyof typeof DESCRIPTIONS;

/** The first bytes of binary files in hexadecimal digits. */
const SIGNATURES: readonly (readonly [Content, RegExp])[] = [
  // The length of the header, which is below 2^27, and the header. First, since any bytes can be a length.
  ["safetensors", /^.{6}0[0-7]0{8}7b/],
  ["gguf", /^47475546/],
  ["zip", /^504b(0304|0506)/],
  ["gzip", /^1f8b/],
  ["pickle", /^800[2-5]/],
  ["hdf5", /^894844460d0a/],
  ["numpy", /^934e554d5059/],
  ["utf16", /^(fffe|feff)/],
  // The first fields of the protocol buffer: the version of the format, then any field of a model.
  ["onnx", /^08(0[1-9a-f]|1.)(12|1a|22|28|32|3a|42)/],
];

/** The beginning of text files. It may be cut after 8 bytes. */
const BEGINNINGS: readonly (readonly [Content, RegExp])[] = [
  ["lfs", /^version (https:\/\/git-lfs\.|$)/],
  ["html", /^\s*<(!doctyp|html|head|body|!--)/i],
  ["xml", /^\s*<\?xml/],
  ["json", /^\s*[{[]/],
];

function contentOf(bytes: Uint8Array): Content | undefined {
  if (bytes.length === 0) return "empty";
  const begin = unsharedBytes(bytes.subarray(0, CONTENT_BYTES));
  const hex = Array.from(begin.subarray(0, 16), (byte) => byte.toString(16).padStart(2, "0"));
  const binary = SIGNATURES.find(([, pattern]) => pattern.test(hex.join("")));
  if (binary !== undefined) return binary[0];
  const text = textOf(begin);
  if (text === undefined) return undefined;
  return BEGINNINGS.find(([, pattern]) => pattern.test(text))?.[0] ?? "text";
}

/** Control characters that text contains: tab, line feed, form feed, carriage return. */
const TEXT_CONTROLS: readonly number[] = [9, 10, 12, 13];

/** The bytes as text, or `undefined` if they are not text. */
function textOf(bytes: Uint8Array): string | undefined {
  if (bytes.some((byte) => byte < 32 && !TEXT_CONTROLS.includes(byte))) return undefined;
  try {
    // A stream may end within a character.
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes, { stream: true });
  } catch {
    return undefined;
  }
}

/** Describes the content of a file, unless it is unknown or one of `expected`. */
export function looksLike(bytes: Uint8Array, ...expected: readonly Content[]): string | undefined {
  const content = contentOf(bytes);
  return content === undefined || expected.includes(content) ? undefined : DESCRIPTIONS[content];
}
