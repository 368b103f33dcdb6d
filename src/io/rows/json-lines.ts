/** Splits JSON Lines into rows: one object a line. Blank lines are passed over. */
import { LONGEST_RECORD } from "./csv.ts";
import { skipSpace } from "./json-members.ts";
import { type JsonParser, type JsonSink, passOn } from "./json-row.ts";
import { RowRefusal } from "./problems.ts";

export function createJsonLinesParser(file: string): JsonParser {
  let line = 1;
  let rest = "";

  const read = (text: string, sink: JsonSink): void => {
    if (skipSpace(text, 0) < text.length) readLine(text, line, sink);
    line++;
  };

  return {
    push: (text, sink) => {
      let begin = 0;
      for (let end = text.indexOf("\n"); end !== -1; end = text.indexOf("\n", begin)) {
        read(rest + text.slice(begin, end), sink);
        rest = "";
        begin = end + 1;
      }
      rest += text.slice(begin);
      if (rest.length <= LONGEST_RECORD) return;
      const expected = `lines of at most ${LONGEST_RECORD} characters`;
      const got = "a longer one";
      throw new RowRefusal({ kind: "json", file, line, column: null, expected, got });
    },
    end: (sink) => read(rest, sink),
  };
}

function readLine(text: string, line: number, sink: JsonSink): void {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    sink.bad(line, "one whole JSON object a line", shortened(text));
    return;
  }
  passOn(sink, line, value, text);
}

function shortened(text: string): string {
  const trimmed = text.trim();
  return trimmed.length > 60 ? `${trimmed.slice(0, 57)}...` : trimmed;
}
