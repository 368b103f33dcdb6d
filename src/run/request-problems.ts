/** Names options and rows in problems as the caller of a function knows them. */
import { InputError } from "../core/either.ts";
import { IN_MEMORY, ROW_LIST } from "./given-files.ts";

/** The options of a request that functions name otherwise. */
const OPTIONS: Readonly<Record<string, string>> = {
  trainFile: "rows",
  validationFile: "validationRows",
  testFile: "testRows",
  teacherModelNameOrPath: "teacher",
};

/** Matches the path that stands for rows in a list, such as `rows/<list>.jsonl:3` for the third one of `rows`. */
const LISTED = new RegExp(`(\\w+)/${ROW_LIST.replace(".", "\\.")}(?::(\\d+))?`, "g");

/** Returns a message with the caller's names of options and rows. */
export function renamed(text: string): string {
  return text
    .replaceAll(IN_MEMORY, "")
    .replace(/`(\w+)`/g, (quoted, key: string) =>
      Object.hasOwn(OPTIONS, key) ? `\`${OPTIONS[key]}\`` : quoted,
    )
    .replace(LISTED, (_, option: string, line?: string) =>
      line === undefined ? option : `${option}[${Number(line) - 1}]`,
    );
}

/** Returns the result of `run`. Problems of an InputError that it throws are renamed. */
export async function namingOptions<T>(run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    throw new InputError(
      error.problems.map(({ path, expected, got }) => ({
        path: renamed(path),
        expected: renamed(expected),
        got: renamed(got),
      })),
    );
  }
}
