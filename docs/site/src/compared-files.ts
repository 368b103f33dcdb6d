/** The files of the view "Compare". */
import type { GivenFile } from "./worker/protocol.ts";

/** What the visitor has dropped: a vector, and masks or scores for it. */
export interface ComparedFiles {
  readonly vector: readonly GivenFile[];
  readonly own: GivenFile | null;
}

export const NOTHING_COMPARED: ComparedFiles = { vector: [], own: null };

/** Adds files: a vector if there is a case.json among them, and otherwise masks or scores. */
export function withCompared(last: ComparedFiles, files: readonly GivenFile[]): ComparedFiles {
  const isVector = files.some(({ path }) => /(^|\/)case\.json$/.test(path));
  return isVector ? { vector: files, own: null } : { ...last, own: files[0] ?? null };
}
