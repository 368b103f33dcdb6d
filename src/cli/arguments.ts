/** Parses a command line according to a table of options. The names of options may be in kebab-case or snake_case. */

import { type Either, left, type Problem, right } from "../core/either.ts";
import { nearestName } from "../core/nearest.ts";
import { kebabCase, type Option, type OptionTable, type OptionValues } from "./options.ts";

interface ParsedArguments<Options extends OptionTable> {
  readonly values: OptionValues<Options>;
  readonly positionals: readonly string[];
}

interface ArgumentGrammar<Options extends OptionTable> {
  readonly command: string;
  /** Names of the positional arguments; all are required. */
  readonly positionals: readonly string[];
  readonly options: Options;
}

/** Maps every name and alias, in kebab-case, to the key of its option. */
function spellings(options: OptionTable): ReadonlyMap<string, string> {
  return new Map(
    Object.entries(options).flatMap(([key, { aliases }]) =>
      [kebabCase(key), ...aliases].map((name) => [name, key] as const),
    ),
  );
}

/**
 * Removes the value that follows an option from `rest`, and returns it. After a flag, only `true` and `false` are
 * values.
 */
function takeValue({ isFlag }: Option<unknown>, rest: string[]): string | undefined {
  const [next] = rest;
  const isValue = isFlag ? next === "true" || next === "false" : next?.startsWith("--") === false;
  if (isValue) return rest.shift();
  return isFlag ? "true" : undefined;
}

function unknownOption(command: string, typed: string, names: readonly string[]): Problem {
  const near = nearestName(typed.slice(2).replaceAll("_", "-"), names);
  const hint = near === undefined ? "" : ` (did you mean --${near}?)`;
  const expected = `an option of espalier ${command}`;
  return { path: typed, expected, got: `an unknown name${hint}` };
}

function positionalProblems(names: readonly string[], got: readonly string[]): readonly Problem[] {
  const most = names.length === 0 ? "options only" : `only ${names.join(" ")} beside options`;
  const missing = names.slice(got.length);
  const surplus = got.slice(names.length);
  return [
    ...missing.map((path) => ({ path, expected: "an argument", got: "nothing" })),
    ...surplus.map((text) => ({ path: "arguments", expected: most, got: JSON.stringify(text) })),
  ];
}

/** Parses a command line. Returns the values of the given options and the positional arguments, or every problem. */
export function parseArguments<Options extends OptionTable>(
  { command, positionals: names, options }: ArgumentGrammar<Options>,
  argv: readonly string[],
): Either<readonly Problem[], ParsedArguments<Options>> {
  const known = spellings(options);
  const values = new Map<string, unknown>();
  const seen = new Set<string>();
  const positionals: string[] = [];
  const problems: Problem[] = [];
  const rest = [...argv];
  for (let argument = rest.shift(); argument !== undefined; argument = rest.shift()) {
    if (!argument.startsWith("--")) {
      positionals.push(argument);
      continue;
    }
    const [typed = "", attached] = argument.split(/=(.*)/s);
    const key = known.get(typed.slice(2).replaceAll("_", "-"));
    const option = key === undefined ? undefined : options[key];
    if (key === undefined || option === undefined) {
      problems.push(unknownOption(command, typed, [...known.keys()]));
      // The value of an unknown option is not a positional argument.
      if (attached === undefined && rest[0]?.startsWith("-") === false) rest.shift();
      continue;
    }
    if (seen.has(key) && option.repeats !== true)
      problems.push({ path: typed, expected: "one value", got: "several" });
    seen.add(key);
    const text = attached ?? takeValue(option, rest);
    if (option.refusal !== undefined) {
      // The value is not repeated: it may be secret.
      problems.push({ path: typed, expected: `no such option (${option.refusal})`, got: "one" });
      continue;
    }
    const value = text === undefined ? undefined : option.read(text);
    const expected = text === undefined ? option.placeholder : option.expected;
    const got = text === undefined ? "nothing" : JSON.stringify(text);
    if (value === undefined) problems.push({ path: typed, expected, got });
    else {
      const before = values.get(key);
      const lists = Array.isArray(before) && Array.isArray(value);
      values.set(key, lists ? [...before, ...value] : value);
    }
  }
  problems.push(...positionalProblems(names, positionals));
  if (problems.length > 0) return left(problems);
  // Each value was read by the option with the same key, so it has the type in the table.
  return right({ values: Object.fromEntries(values) as OptionValues<Options>, positionals });
}
