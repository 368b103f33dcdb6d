/** Turns the records of CSV and TSV into rows. */
import { trimmed } from "./columns.ts";
import { isProblem, labelsInText, readIndicators } from "./row-labels.ts";
import type { RowSink } from "./row-sink.ts";

/** Returns a function that takes records, the header first. */
export function csvRows(file: string, separator: string | undefined, sink: RowSink) {
  let places: { width: number; text: number; pair: number; label: number } | undefined;
  let indicators: readonly (readonly [name: string, index: number])[] | null = null;
  let labelName: string | null = null;
  const takeHeader = (line: number, fields: readonly string[]): void => {
    const names = fields.map(trimmed);
    const columns = sink.choose({ file, line, names });
    const { text, textPair, label } = columns;
    places = {
      width: names.length,
      text: names.indexOf(text),
      pair: textPair === null ? -1 : names.indexOf(textPair),
      label: typeof label === "string" ? names.indexOf(label) : -1,
    };
    labelName = typeof label === "string" ? label : null;
    if (label !== null && typeof label !== "string")
      indicators = label.map((name) => [name, names.indexOf(name)]);
  };
  return (line: number, fields: readonly string[]): void => {
    if (places === undefined) {
      takeHeader(line, fields);
      return;
    }
    const { width } = places;
    if (fields.length !== width) {
      const problem = { expected: `${width} fields`, got: String(fields.length) };
      sink.bad(line, "fields", null, problem);
      return;
    }
    const text = fields[places.text] as string;
    const pair = places.pair === -1 ? null : (fields[places.pair] as string);
    if (indicators !== null) {
      const labels = readIndicators(indicators, (_, index) => fields[index]);
      if (isProblem(labels)) sink.bad(line, "label", labels.column, labels);
      else sink.row(line, text, pair, labels);
    } else if (places.label === -1) sink.row(line, text, pair, null);
    else {
      const labels = labelsInText(fields[places.label] as string, separator);
      if (isProblem(labels)) sink.bad(line, "label", labelName, labels);
      else sink.row(line, text, pair, labels);
    }
  };
}
