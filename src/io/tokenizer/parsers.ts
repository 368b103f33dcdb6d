/** Which parts of tokenizer.json are read. Their code is passed in, so that a small program can do without it. */
import type { Either, Problem } from "../../core/either.ts";
import type { Decoder } from "./decoder.ts";
import type { Fields } from "./json-fields.ts";
import type { NormalForm } from "./normal-forms.ts";
import type { Text } from "./text.ts";
import type { UnigramModel } from "./unigram.ts";

type Parsed<T> = Either<readonly Problem[], T>;

/** The parsers of parts with much code that few classifiers need. */
export interface RareParsers {
  /** Problems are added to `fields.problems`. */
  readonly unigram: (fields: Fields) => UnigramModel;
  readonly characterMap: (path: string, base64: string) => Parsed<(text: Text) => Text>;
  readonly normalForm: (form: NormalForm, text: Text) => Text;
  readonly expression: (path: string, expression: string) => Parsed<RegExp>;
  /** Problems are added to `fields.problems`. Decoders are used only to convert ids to text. */
  readonly decoder: (fields: Fields) => Decoder;
}

/** The parsers of rare parts, or null to refuse such parts, except for decoders, which are then ignored. */
export type Parsers = RareParsers | null;
