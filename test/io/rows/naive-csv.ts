/** CSV character by character, for whole files: the oracle of the parser. */

export interface NaiveCsv {
  readonly records: readonly (readonly [line: number, fields: readonly string[]])[];
  /** The line of a quotation mark that is not closed, or of a record with text after one; the records end before it. */
  readonly error: number | undefined;
}

export function naiveCsv(text: string, separator: string): NaiveCsv {
  const newline = text.includes("\n") ? "\n" : "\r";
  const records: [number, string[]][] = [];
  let at = 0;
  let line = 1;
  /** The length of the line end here: 0 if there is none. */
  const lineEnd = (): number => {
    if (text[at] === newline) return 1;
    return newline === "\n" && text.startsWith("\r\n", at) ? 2 : 0;
  };
  while (at < text.length) {
    const begin = at;
    while (text[at] === " ") at++;
    if (at === text.length) break;
    if (lineEnd() > 0) {
      at += lineEnd();
      line++;
      continue;
    }
    at = begin;
    const start = line;
    const fields: string[] = [];
    for (;;) {
      let field = "";
      if (text[at] === '"') {
        const opening = line;
        for (at++; ; at++) {
          if (at >= text.length) return { records, error: opening };
          if (text[at] === '"') {
            if (text[at + 1] !== '"') break;
            at++;
          }
          if (text[at] === newline) line++;
          field += text[at];
        }
        at++;
        if (at < text.length && text[at] !== separator && lineEnd() === 0)
          return { records, error: start };
      } else {
        while (at < text.length && text[at] !== separator && lineEnd() === 0) field += text[at++];
      }
      fields.push(field);
      if (text[at] !== separator || at >= text.length) break;
      at++;
    }
    records.push([start, fields]);
    if (at < text.length) {
      at += lineEnd();
      line++;
    }
  }
  return { records, error: undefined };
}
