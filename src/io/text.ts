import { type Either, type Problem, tryCatch } from "../core/either.ts";

/** Decodes UTF-8 without a byte-order mark, and refuses other bytes. `source` names them in problems. */
export function decodeUtf8(source: string, bytes: Uint8Array): Either<readonly Problem[], string> {
  return tryCatch(
    () => new TextDecoder("utf-8", { fatal: true }).decode(bytes),
    () => [{ path: source, expected: "UTF-8 text", got: "bytes that are not" }],
  );
}

export function encodeUtf8(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** The lines of `text`, which end in LF, CRLF or CR. A byte-order mark and the end of the last line are dropped. */
export function splitLines(text: string): string[] {
  const lines = text.replace(/^\uFEFF/, "").split(/\r\n|[\r\n]/);
  if (lines.at(-1) === "") lines.pop();
  return lines;
}
