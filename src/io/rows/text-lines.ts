/** Splits plain text into rows: a text on each line, or two with a tab between them. */
import { LONGEST_RECORD } from "./csv.ts";
import { RowRefusal } from "./problems.ts";
import type { RowSink } from "./row-sink.ts";

export interface LineParser {
  /** Reads a piece of text and passes on its complete lines. @throws RowRefusal */
  readonly push: (text: string) => void;
  /** Ends the file and passes on the last line, unless it is empty. */
  readonly end: () => void;
}

/** LF, CRLF and CR end lines. An empty line is an empty text. */
export function createLineParser(file: string, sink: RowSink): LineParser {
  let line = 1;
  let rest = "";

  const take = (text: string): void => {
    const [first = "", second = null, third] = text.split("\t", 3);
    if (third === undefined) sink.row(line, first, second, null);
    else
      sink.bad(line, "fields", null, {
        expected: "a text, or two with a tab between them",
        got: "more",
      });
    line++;
  };

  return {
    push: (text) => {
      if (rest.length + text.length > LONGEST_RECORD) {
        const expected = `lines of at most ${LONGEST_RECORD} characters`;
        const place = { file, line, column: null };
        throw new RowRefusal({ kind: "text", ...place, expected, got: "a longer one" });
      }
      const all = rest + text;
      if (!rest.endsWith("\r") && !/[\r\n]/.test(text)) {
        rest = all;
        return;
      }
      // LF may follow a carriage return at the end.
      const whole = all.endsWith("\r") ? all.slice(0, -1) : all;
      const lines = whole.split(/\r\n|[\r\n]/);
      const last = lines.pop() ?? "";
      rest = last + all.slice(whole.length);
      for (const each of lines) take(each);
    },
    end: () => {
      const last = rest.endsWith("\r") ? rest.slice(0, -1) : rest;
      if (rest !== "") take(last);
      rest = "";
    },
  };
}
