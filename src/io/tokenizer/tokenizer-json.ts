/** Parses tokenizer.json, the format of Hugging Face's `tokenizers`. */
import { describe } from "../../core/checks.ts";
import { type Either, isLeft, type Problem, unlessProblems } from "../../core/either.ts";
import { parseJsonObject } from "../json.ts";
import type { AddedToken } from "./added-tokens.ts";
import type { Decoder } from "./decoder.ts";
import {
  type Fields,
  readCount,
  readFlag,
  readObject,
  readObjects,
  readText,
} from "./json-fields.ts";
import type { Model } from "./model.ts";
import type { Normalizer } from "./normalizer.ts";
import type { Others } from "./other-parsers.ts";
import { parseModel } from "./parse-model.ts";
import { parseNormalizer } from "./parse-normalizer.ts";
import { parsePostProcessor } from "./parse-post-processor.ts";
import { parsePreTokenizer } from "./parse-pre-tokenizer.ts";
import { PLAIN_TEMPLATES, type Templates } from "./post-processor.ts";
import type { PreTokenizer } from "./pre-tokenizer.ts";
import type { Side } from "./truncation.ts";

/** An added token with the id in its file. */
export interface StatedToken {
  readonly id: number;
  readonly token: AddedToken;
}

/** The parts of a tokenizer.json. */
export interface TokenizerJson {
  readonly normalizer: Normalizer | undefined;
  readonly preTokenizer: PreTokenizer | undefined;
  readonly model: Model;
  readonly templates: Templates;
  readonly decoder: Decoder | undefined;
  /** The added tokens with the ids that the file states. */
  readonly addedTokens: readonly StatedToken[];
  /** The side in the file's own truncation settings. As in transformers, their length is not used. */
  readonly truncationSide: Side | undefined;
}

/** Parses a tokenizer.json, or returns all problems. An unknown part is refused, and the problem names it. */
export function parseTokenizerJson(
  source: string,
  bytes: Uint8Array,
  others: Others,
): Either<readonly Problem[], TokenizerJson> {
  const parsed = parseJsonObject(source, bytes);
  if (isLeft(parsed)) return parsed;
  const problems: Problem[] = [];
  const fields: Fields = { path: source, json: parsed.right, problems };
  const { version } = parsed.right;
  if (version !== undefined && version !== "1.0")
    problems.push({ path: `${source}.version`, expected: "1.0", got: describe(version) });
  const [normalizer] = readObject(fields, "normalizer").map((one) => parseNormalizer(one, others));
  const [preTokenizer] = readObject(fields, "pre_tokenizer").map((one) =>
    parsePreTokenizer(one, others),
  );
  const [templates] = readObject(fields, "post_processor").map(parsePostProcessor);
  const [model] = readObject(fields, "model").map((one) => parseModel(one, others));
  const [decoder] = others === null ? [] : readObject(fields, "decoder").map(others.decoder);
  if (model === undefined)
    problems.push({ path: `${source}.model`, expected: "a model", got: "none" });
  return unlessProblems(problems, {
    normalizer,
    preTokenizer,
    model: model ?? { type: "WordLevel", vocabulary: new Map(), unknownToken: "" },
    templates: templates ?? PLAIN_TEMPLATES,
    decoder,
    addedTokens:
      (fields.json.added_tokens ?? null) === null
        ? []
        : readObjects(fields, "added_tokens").map((one) => ({
            id: readCount(one, "id"),
            token: parseAddedToken(one),
          })),
    truncationSide: readObject(fields, "truncation").map(readSide)[0],
  });
}

function readSide({ json }: Fields): Side {
  return json.direction === "Left" ? "left" : "right";
}

/** Reads an added token with all its flags. */
export function parseAddedToken(fields: Fields): AddedToken {
  return {
    content: readText(fields, "content"),
    singleWord: readFlag(fields, "single_word"),
    lstrip: readFlag(fields, "lstrip"),
    rstrip: readFlag(fields, "rstrip"),
    normalized: readFlag(fields, "normalized"),
    special: readFlag(fields, "special"),
  };
}
