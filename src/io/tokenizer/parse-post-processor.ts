/** Parses the post-processors of tokenizer.json. */
import { isJsonObject, type JsonValue } from "../json.ts";
import {
  complainInto,
  type Fields,
  fieldsOf,
  isCount,
  readChoice,
  readCount,
  readObject,
  readObjects,
  readText,
} from "./json-fields.ts";
import { PLAIN_TEMPLATES, type TemplatePiece, type Templates } from "./post-processor.ts";

/**
 * Parses a post-processor into templates. Problems are added to `fields.problems`; if there are any, the result must
 * not be used.
 */
export function parsePostProcessor(fields: Fields): Templates {
  switch (fields.json.type) {
    case "TemplateProcessing":
      return { single: parseTemplate(fields, "single"), pair: parseTemplate(fields, "pair") };
    case "BertProcessing":
      return pairTemplates(fields, 1, 1);
    case "RobertaProcessing":
      return pairTemplates(fields, 2, 0);
    case "ByteLevel":
      return PLAIN_TEMPLATES;
    case "Sequence": {
      const templates = readObjects(fields, "processors").map(parsePostProcessor);
      const filled = templates.filter((one) => one !== PLAIN_TEMPLATES);
      if (filled.length > 1) complainInto(fields, "processors", "one that adds special tokens");
      return filled[0] ?? PLAIN_TEMPLATES;
    }
    default:
      complainInto(
        fields,
        "type",
        "one of TemplateProcessing, BertProcessing, RobertaProcessing, ByteLevel, Sequence",
      );
      return PLAIN_TEMPLATES;
  }
}

/** Returns the templates of BERT or RoBERTa, with the given number of separators between the texts. */
function pairTemplates(fields: Fields, separators: number, secondType: number): Templates {
  const [start, end] = [readSpecial(fields, "cls"), readSpecial(fields, "sep")];
  const special = (id: number, type: number): TemplatePiece => ({
    kind: "special",
    ids: [id],
    type,
  });
  const single: readonly TemplatePiece[] = [
    special(start, 0),
    { kind: "text", index: 0, type: 0 },
    special(end, 0),
  ];
  const more = separators > 1 ? [special(end, 0)] : [];
  const second: TemplatePiece = { kind: "text", index: 1, type: secondType };
  return { single, pair: [...single, ...more, second, special(end, secondType)] };
}

/** Reads a special token with its id. */
function readSpecial(fields: Fields, key: string): number {
  const value = fields.json[key];
  const id = Array.isArray(value) ? (value as readonly JsonValue[])[1] : undefined;
  if (isCount(id)) return id;
  complainInto(fields, key, "a token and its id");
  return 0;
}

function parseTemplate(fields: Fields, key: "single" | "pair"): readonly TemplatePiece[] {
  return readObjects(fields, key).flatMap((piece): readonly TemplatePiece[] => {
    const { path, json, problems } = piece;
    if (json.Sequence !== undefined)
      return fieldsOf(`${path}.Sequence`, json.Sequence, problems).map((sequence) => {
        const index = readChoice(sequence, "id", ["A", "B"]) === "A" ? 0 : 1;
        if (key === "single" && index === 1) complainInto(sequence, "id", "A in a single text");
        return { kind: "text", index, type: readCount(sequence, "type_id") };
      });
    return fieldsOf(`${path}.SpecialToken`, json.SpecialToken, problems).map((special) => ({
      kind: "special",
      ids: specialIds(fields, readText(special, "id"), special),
      type: readCount(special, "type_id"),
    }));
  });
}

/** Looks up the ids of a template's special token. */
function specialIds(fields: Fields, name: string, special: Fields): readonly number[] {
  for (const { json } of readObject(fields, "special_tokens")) {
    const token = Object.hasOwn(json, name) ? json[name] : undefined;
    const ids = isJsonObject(token) ? token.ids : undefined;
    if (Array.isArray(ids) && ids.every(isCount)) return ids;
  }
  complainInto(special, "id", "a token with ids in special_tokens");
  return [];
}
