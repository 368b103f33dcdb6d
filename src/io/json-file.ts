/** Parses JSON files that users write: problems have the line and the column. */
import { type Either, isLeft, type Problem, refuse } from "../core/either.ts";
import { type JsonValue, parseJson } from "./json.ts";
import { jsonErrorIndex } from "./rows/json-members.ts";

/** Parses the text of the JSON file at `path`. */
export function parseJsonFile(path: string, text: string): Either<readonly Problem[], JsonValue> {
  const parsed = parseJson(path, text);
  return isLeft(parsed) && !isJson(text) ? refuseAt(path, text, jsonErrorIndex(text)) : parsed;
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function refuseAt(path: string, text: string, index: number): Either<readonly Problem[], never> {
  const lines = text.slice(0, index).split("\n");
  const column = (lines.at(-1) ?? "").length + 1;
  const [character] = text.slice(index);
  const got = character === undefined ? "end of file" : JSON.stringify(character);
  return refuse(`${path}:${lines.length}:${column}`, "JSON", got);
}
