/** Turns JSON objects into rows. */
import type { JsonObject } from "../json.ts";
import { type RowColumns, trimmed } from "./columns.ts";
import { jsonParts } from "./json-members.ts";
import { kindOfJson } from "./json-row.ts";
import type { RowProblem } from "./problems.ts";
import { hasLoneSurrogate, isProblem, labelsInJson, readIndicators } from "./row-labels.ts";
import type { RowSink } from "./row-sink.ts";

/** A number in the text that is not written as JavaScript writes whole numbers. */
const ODD_NUMBER = /\d[.eE]|-0/;

/** Returns a function that takes JSON objects. The names in the first one are the columns. */
export function jsonRows(file: string, separator: string | undefined, sink: RowSink) {
  let columns: RowColumns | undefined;
  return (line: number, object: JsonObject, written: string): void => {
    if (columns === undefined) {
      const names = jsonParts(written).map(({ name }) => trimmed(name ?? ""));
      columns = sink.choose({ file, line, names });
    }
    const { text, textPair, label } = columns;
    for (const name of textPair === null ? [text] : [text, textPair]) {
      const problem = textProblem(memberOf(object, name));
      if (problem === undefined) continue;
      sink.bad(line, "text", name, problem);
      return;
    }
    const first = memberOf(object, text) as string;
    const second = textPair === null ? null : (memberOf(object, textPair) as string);
    if (label === null) sink.row(line, first, second, null);
    else if (typeof label === "string") {
      const value = memberOf(object, label);
      const labels = labelsInJson(value, separator, () => writtenMember(written, label, value));
      if (isProblem(labels)) sink.bad(line, "label", label, labels);
      else sink.row(line, first, second, labels);
    } else {
      const indicators = label.map((name, index) => [name, index] as const);
      const labels = readIndicators(indicators, (name) => memberOf(object, name));
      if (isProblem(labels)) sink.bad(line, "label", labels.column, labels);
      else sink.row(line, first, second, labels);
    }
  };
}

/** Returns the member of a name, which may have spaces around it in the file. */
function memberOf(object: JsonObject, name: string): unknown {
  if (Object.hasOwn(object, name)) return object[name];
  const key = Object.keys(object).find((other) => trimmed(other) === name);
  return key === undefined ? undefined : object[key];
}

function writtenMember(object: string, name: string, value: unknown): string {
  if (Number.isSafeInteger(value) && !ODD_NUMBER.test(object)) return String(value);
  return jsonParts(object).findLast((part) => trimmed(part.name ?? "") === name)?.text ?? "";
}

function textProblem(value: unknown): Pick<RowProblem, "expected" | "got"> | undefined {
  if (typeof value !== "string") return { expected: "a string", got: kindOfJson(value) };
  if (!hasLoneSurrogate(value)) return undefined;
  return { expected: "text in Unicode", got: "a lone surrogate" };
}
