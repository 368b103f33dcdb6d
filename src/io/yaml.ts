import { parseDocument } from "yaml";
import { checkString } from "../core/checks.ts";
import { type Either, left, type Problem, right } from "../core/either.ts";
import type { JsonValue } from "./json.ts";

/**
 * Parses YAML 1.2 or JSON.
 *
 * @param path identifies the text in problems
 * @returns the value, or every syntax error with its line and column. Aliases that would expand to a huge value are
 *   refused.
 *
 * @example
 * ```ts
 * import { parsePruningConfig } from "espalier";
 * import { getOrThrow, parseYaml } from "espalier/io";
 *
 * const text = "- pattern: 2:4\n  target_sparsity: 0.5\n  op_names: [query, key]\n";
 * const config = parsePruningConfig(getOrThrow(parseYaml("pruning.yaml", text)));
 * if (config._tag === "Left" || config.right.pruners[0]?.opNames.length !== 2) throw new Error();
 *
 * const broken = parseYaml("pruning.yaml", "pattern: [4x1");
 * if (broken._tag !== "Left" || !broken.left[0]?.path.startsWith("pruning.yaml:1:")) throw new Error();
 * ```
 */
export function parseYaml(path: string, text: string): Either<readonly Problem[], JsonValue> {
  checkString("path", path);
  checkString("text", text);
  try {
    // With `stringKeys`, a list or an object as a key is an error.
    const document = parseDocument(text, { stringKeys: true });
    const problems = document.errors.map(({ message, linePos }) => {
      const [{ line, col }] = linePos ?? [{ line: 1, col: 1 }];
      return { path: `${path}:${line}:${col}`, expected: "JSON or YAML", got: firstLine(message) };
    });
    if (problems.length > 0) return left(problems);
    return right(document.toJS() as JsonValue);
  } catch (error) {
    // The text has too many aliases, or is nested too deeply for the engine's stack.
    const got = error instanceof Error ? firstLine(error.message) : String(error);
    return left([{ path, expected: "JSON or YAML", got }]);
  }
}

/** Returns an error message without the excerpt from the text and without the position. */
function firstLine(message: string): string {
  return (message.split("\n")[0] ?? "").replace(/ at line \d+, column \d+:?$/, "");
}
