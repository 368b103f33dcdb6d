import { type Either, type Problem, tryCatch } from "../core/either.ts";

/** Decodes UTF-8 without a byte-order mark, and refuses other bytes. `source` names them in problems. */
export function decodeUtf8(source: string, bytes: Uint8Array): Either<readonly Problem[], string> {
  return tryCatch(
    () => new TextDecoder("utf-8", { fatal: true }).decode(bytes),
    () => [{ path: source, expected: "UTF-8 text", got: "bytes that are not" }],
  );
}

/** Encodes text as UTF-8. */
export function encodeUtf8(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
