import { type Either, type Problem, tryCatch } from "../core/either.ts";
import { unsharedBytes } from "./bytes.ts";
import { looksLike } from "./content.ts";

/** Decodes UTF-8 and drops a byte-order mark. Invalid bytes are refused. `source` identifies the text in problems. */
export function decodeUtf8(source: string, bytes: Uint8Array): Either<readonly Problem[], string> {
  return tryCatch(
    () => new TextDecoder("utf-8", { fatal: true }).decode(unsharedBytes(bytes)),
    () => [{ path: source, expected: "UTF-8 text", got: looksLike(bytes) ?? "other bytes" }],
  );
}

/** Decodes UTF-8. Invalid bytes become replacement characters. */
export function decodeLossy(bytes: Uint8Array): string {
  return new TextDecoder().decode(unsharedBytes(bytes));
}

export function encodeUtf8(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** Splits text at LF, CRLF and CR. Drops a byte-order mark and an empty last line. */
export function splitLines(text: string): string[] {
  const lines = text.replace(/^\uFEFF/, "").split(/\r\n|[\r\n]/);
  if (lines.at(-1) === "") lines.pop();
  return lines;
}
