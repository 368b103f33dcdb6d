/** Parses the decoders of tokenizer.json. */
import type { Decoder } from "./decoder.ts";
import {
  complainInto,
  type Fields,
  readCount,
  readFlag,
  readObjects,
  readText,
} from "./json-fields.ts";
import { parsePattern } from "./parse-pattern.ts";

/** Parses a decoder. Problems are added to `fields.problems`; if there are any, the result must not be used. */
export function parseDecoder(fields: Fields): Decoder {
  const { type } = fields.json;
  switch (type) {
    case "WordPiece":
      return { type, prefix: readText(fields, "prefix"), cleanup: readFlag(fields, "cleanup") };
    case "ByteLevel":
    case "ByteFallback":
    case "Fuse":
      return { type };
    case "Metaspace": {
      const strips =
        fields.json.prepend_scheme !== "never" && fields.json.add_prefix_space !== false;
      return { type, replacement: readText(fields, "replacement"), strips };
    }
    case "BPEDecoder":
      return { type, suffix: readText(fields, "suffix") };
    case "Strip":
      return {
        type,
        content: readText(fields, "content"),
        start: readCount(fields, "start"),
        stop: readCount(fields, "stop"),
      };
    case "Replace":
      return { type, pattern: parsePattern(fields), content: readText(fields, "content") };
    case "Sequence":
      return { type, decoders: readObjects(fields, "decoders").map(parseDecoder) };
    default:
      complainInto(
        fields,
        "type",
        "one of WordPiece, ByteLevel, ByteFallback, Fuse, Metaspace, BPEDecoder, Strip, Replace, Sequence",
      );
      return { type: "Fuse" };
  }
}
