/** Configurations as people write them: YAML, of which JSON is a part. */
import { parseDocument } from "yaml";
import { describe } from "../core/checks.ts";
import { type Either, getOrThrow, left, type Problem, right } from "../core/either.ts";
import type { JsonValue } from "./json.ts";

/**
 * Reads YAML 1.2 or JSON.
 *
 * @param path what to call the text in problems, such as the file's name.
 * @returns every syntax error with its line and column, or the value. Aliases are refused where they would
 * multiply a small text into a huge value.
 *
 * @example
 * ```ts
 * import { parsePruningConfig } from "espalier";
 * import { parseYaml, parseYamlOrThrow } from "espalier/io";
 *
 * const text = "- pattern: 2:4\n  target_sparsity: 0.5\n  op_names: [query, key]\n";
 * const config = parsePruningConfig(parseYamlOrThrow("pruning.yaml", text));
 * if (config._tag === "Left" || config.right.pruners[0]?.opNames.length !== 2) throw new Error();
 *
 * const broken = parseYaml("pruning.yaml", "pattern: [4x1");
 * if (broken._tag !== "Left" || !broken.left[0]?.path.startsWith("pruning.yaml:1:")) throw new Error();
 * ```
 */
export function parseYaml(path: string, text: string): Either<readonly Problem[], JsonValue> {
  if (typeof text !== "string")
    throw new TypeError(`text: expected a string, got ${describe(text)}`);
  try {
    // A key that is a list or an object is an error, rather than text that looks like one.
    const document = parseDocument(text, { stringKeys: true });
    const problems = document.errors.map(({ message, linePos }) => {
      const [{ line, col }] = linePos ?? [{ line: 1, col: 1 }];
      return { path: `${path}:${line}:${col}`, expected: "JSON or YAML", got: firstLine(message) };
    });
    if (problems.length > 0) return left(problems);
    return right(document.toJS() as JsonValue);
  } catch (error) {
    // Too many aliases, or lists within lists beyond the engine's stack.
    const got = error instanceof Error ? firstLine(error.message) : String(error);
    return left([{ path, expected: "JSON or YAML", got }]);
  }
}

/** {@link parseYaml} for those who prefer exceptions. @throws InputError with every syntax error */
export function parseYamlOrThrow(path: string, text: string): JsonValue {
  return getOrThrow(parseYaml(path, text));
}

/** A message without the excerpt of the text that follows it. */
function firstLine(message: string): string {
  return (message.split("\n")[0] ?? "").replace(/ at line \d+, column \d+:?$/, "");
}
