/** The parts of tokenizer.json that few classifiers need, with their code and tables. */

import { pipe } from "fp-ts/function";
import { map } from "../../core/either.ts";
import { normalForm } from "./normal-forms.ts";
import { parseDecoder } from "./parse-decoder.ts";
import { parseUnigram } from "./parse-unigram.ts";
import type { Parsers } from "./parsers.ts";
import { applyCharacterMap, parseCharacterMap } from "./precompiled.ts";
import { parseRegularExpression } from "./regular-expression.ts";
import type { Text } from "./text.ts";

/** The parsers of all rare parts. */
export const RARE_PARSERS: Parsers = {
  unigram: parseUnigram,
  characterMap: (path, base64) =>
    pipe(
      parseCharacterMap(path, base64),
      map((found) => (text: Text) => applyCharacterMap(found, text)),
    ),
  normalForm,
  expression: parseRegularExpression,
  decoder: parseDecoder,
};
