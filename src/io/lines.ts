/** The lines of `text`, which end in LF, CRLF or CR. A byte-order mark and the end of the last line are dropped. */
export function splitLines(text: string): string[] {
  const lines = text.replace(/^\uFEFF/, "").split(/\r\n|[\r\n]/);
  if (lines.at(-1) === "") lines.pop();
  return lines;
}
