/** The decoders of tokenizer.json, which convert tokens to text. */
import { byteCharacters, bytesOfCharacters } from "./byte-characters.ts";
import { type Pattern, partsOf } from "./matches.ts";

export type Decoder =
  | { readonly type: "WordPiece"; readonly prefix: string; readonly cleanup: boolean }
  | { readonly type: "ByteLevel" | "ByteFallback" | "Fuse" }
  | { readonly type: "Metaspace"; readonly replacement: string; readonly strips: boolean }
  | { readonly type: "BPEDecoder"; readonly suffix: string }
  | {
      readonly type: "Strip";
      readonly content: string;
      readonly start: number;
      readonly stop: number;
    }
  | { readonly type: "Replace"; readonly pattern: Pattern; readonly content: string }
  | { readonly type: "Sequence"; readonly decoders: readonly Decoder[] };

/** Decodes tokens. Without a decoder, they are joined by spaces. */
export function decodeFast(decoder: Decoder | undefined, tokens: readonly string[]): string {
  return decoder === undefined ? tokens.join(" ") : decodeChain(decoder, tokens).join("");
}

function decodeChain(decoder: Decoder, tokens: readonly string[]): readonly string[] {
  switch (decoder.type) {
    case "WordPiece":
      return tokens.map((token, index) => {
        const continues = token.startsWith(decoder.prefix);
        const start = index === 0 ? "" : " ";
        const text =
          index > 0 && continues ? token.slice(decoder.prefix.length) : `${start}${token}`;
        return decoder.cleanup ? cleanUp(text) : text;
      });
    case "ByteLevel":
      return [utf8Of(tokens.flatMap(bytesOf))];
    case "ByteFallback":
      return withoutByteTokens(tokens);
    case "Fuse":
      return [tokens.join("")];
    case "Metaspace":
      return tokens.map((token, index) => {
        const first = index === 0 && decoder.strips ? "" : " ";
        return token.replaceAll(decoder.replacement, first);
      });
    case "BPEDecoder":
      return tokens.map((token, index) =>
        token.replaceAll(decoder.suffix, index === tokens.length - 1 ? "" : " "),
      );
    case "Strip":
      return tokens.map((token) => stripped(token, decoder.content, decoder.start, decoder.stop));
    case "Replace":
      return tokens.map((token) =>
        partsOf(decoder.pattern, token)
          .map(({ start, end, isMatch }) => (isMatch ? decoder.content : token.slice(start, end)))
          .join(""),
      );
    case "Sequence":
      return decoder.decoders.reduce((result, one) => decodeChain(one, result), tokens);
    default:
      return decoder satisfies never;
  }
}

/** Removes spaces before punctuation and contractions, in the order of `tokenizers`. */
function cleanUp(text: string): string {
  return text
    .replaceAll(" .", ".")
    .replaceAll(" ?", "?")
    .replaceAll(" !", "!")
    .replaceAll(" ,", ",")
    .replaceAll(" ' ", "'")
    .replaceAll(" n't", "n't")
    .replaceAll(" 'm", "'m")
    .replaceAll(" do not", " don't")
    .replaceAll(" 's", "'s")
    .replaceAll(" 've", "'ve")
    .replaceAll(" 're", "'re");
}

/**
 * Returns the bytes of a token. If one of its characters does not stand for a byte, returns the token's UTF-8 bytes.
 */
function bytesOf(token: string): readonly number[] {
  const bytes = [...token].map((character) => bytesOfCharacters().get(character));
  return bytes.every((byte) => byte !== undefined)
    ? bytes
    : [...byteCharacters(token)].map((character) => bytesOfCharacters().get(character) ?? 0);
}

function utf8Of(bytes: readonly number[]): string {
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(Uint8Array.from(bytes));
}

/** Joins tokens such as `<0xE2>`. Bytes that are not UTF-8 become one replacement character each. */
function withoutByteTokens(tokens: readonly string[]): readonly string[] {
  const result: string[] = [];
  let bytes: number[] = [];
  const flush = (): void => {
    if (bytes.length === 0) return;
    const text = utf8Of(bytes);
    result.push(...(text.includes("\ufffd") ? bytes.map(() => "\ufffd") : [text]));
    bytes = [];
  };
  for (const token of tokens) {
    const byte = /^<0x([0-9A-Fa-f]{2})>$/.exec(token)?.[1];
    if (byte !== undefined) bytes.push(Number.parseInt(byte, 16));
    else {
      flush();
      result.push(token);
    }
  }
  flush();
  return result;
}

function stripped(token: string, content: string, start: number, stop: number): string {
  const characters = [...token];
  let begin = 0;
  while (begin < Math.min(start, characters.length) && characters[begin] === content) begin++;
  let end = characters.length;
  for (let i = 0; i < stop && end > begin && characters[end - 1] === content; i++) end--;
  return characters.slice(begin, end).join("");
}
