/**
 * Reading a command line against a table of options. Names are accepted in kebab- and in snake_case, values
 * as `--name value` or `--name=value`; all problems are collected, not only the first.
 */

import { type Either, left, type Problem, right } from "../core/either.ts";
import { nearestName } from "../core/nearest.ts";
import { kebabCase, type Option, type OptionTable, type OptionValues } from "./options.ts";

/** A command line that was understood. */
export interface ParsedArguments<Options extends OptionTable> {
  readonly values: OptionValues<Options>;
  readonly positionals: readonly string[];
}

/** What a command line is read against. */
export interface ArgumentGrammar<Options extends OptionTable> {
  /** The command's name, for messages. */
  readonly command: string;
  /** Names of the positional arguments; all are required. */
  readonly positionals: readonly string[];
  readonly options: Options;
}

interface NamedOption {
  readonly key: string;
  readonly option: Option<unknown>;
}

/** Every spelling that leads to an option, in kebab-case. */
function spellings(options: OptionTable): ReadonlyMap<string, NamedOption> {
  return new Map(
    Object.entries(options).flatMap(([key, option]) =>
      [kebabCase(key), ...option.aliases].map((name) => [name, { key, option }] as const),
    ),
  );
}

/** One option as it stands on the command line. */
interface Occurrence {
  /** With its dashes, as typed. */
  readonly typed: string;
  /** In kebab-case, without dashes. */
  readonly name: string;
  /** The text after `=`. */
  readonly attached: string | undefined;
}

function occurrence(argument: string): Occurrence {
  const equals = argument.indexOf("=");
  const typed = equals < 0 ? argument : argument.slice(0, equals);
  return {
    typed,
    name: typed.slice(2).replaceAll("_", "-"),
    attached: equals < 0 ? undefined : argument.slice(equals + 1),
  };
}

/** Takes the value of an option: attached, or the next argument; undefined where there is none. */
function valueText(
  { attached }: Occurrence,
  option: Option<unknown>,
  next: string | undefined,
): { readonly text: string | undefined; readonly takesNext: boolean } {
  if (attached !== undefined) return { text: attached, takesNext: false };
  if (option.isFlag)
    return next === "true" || next === "false"
      ? { text: next, takesNext: true }
      : { text: "true", takesNext: false };
  const present = next !== undefined && !next.startsWith("--");
  return { text: present ? next : undefined, takesNext: present };
}

function unknownOption(command: string, typed: string, names: readonly string[]): Problem {
  const near = nearestName(typed.slice(2).replaceAll("_", "-"), names);
  return {
    path: typed,
    expected: `an option of espalier ${command}`,
    got: near === undefined ? "an unknown name" : `an unknown name (did you mean --${near}?)`,
  };
}

function positionalProblems(
  expected: readonly string[],
  got: readonly string[],
): readonly Problem[] {
  const missing = expected
    .slice(got.length)
    .map((path) => ({ path, expected: "an argument", got: "nothing" }));
  const surplus = got.slice(expected.length).map((text) => ({
    path: "arguments",
    expected: countText(expected),
    got: JSON.stringify(text),
  }));
  return [...missing, ...surplus];
}

function countText(names: readonly string[]): string {
  return names.length === 0 ? "options only" : `only ${names.join(" ")} beside options`;
}

/**
 * Reads a command line.
 *
 * @returns the values of the options that were given and the positional arguments, or every problem: unknown
 * names with the nearest known one, repeated options, missing values, values of the wrong kind or range,
 * and positional arguments missing or too many
 */
export function parseArguments<Options extends OptionTable>(
  grammar: ArgumentGrammar<Options>,
  argv: readonly string[],
): Either<readonly Problem[], ParsedArguments<Options>> {
  const known = spellings(grammar.options);
  const values = new Map<string, unknown>();
  const seen = new Set<string>();
  const positionals: string[] = [];
  const problems: Problem[] = [];
  for (let index = 0; index < argv.length; index++) {
    const argument = argv[index] ?? "";
    if (!argument.startsWith("--")) {
      positionals.push(argument);
      continue;
    }
    const given = occurrence(argument);
    const target = known.get(given.name);
    if (target === undefined) {
      problems.push(unknownOption(grammar.command, given.typed, [...known.keys()]));
      // A value of an unknown option is not an argument of its own.
      if (given.attached === undefined && argv[index + 1]?.startsWith("-") === false) index++;
      continue;
    }
    const { key, option } = target;
    if (seen.has(key)) problems.push({ path: given.typed, expected: "one value", got: "several" });
    seen.add(key);
    const { text, takesNext } = valueText(given, option, argv[index + 1]);
    if (takesNext) index++;
    const read = text === undefined ? { expected: option.placeholder } : option.read(text);
    if ("value" in read) values.set(key, read.value);
    else problems.push({ path: given.typed, ...read, got: gotText(text) });
  }
  problems.push(...positionalProblems(grammar.positionals, positionals));
  if (problems.length > 0) return left(problems);
  // The values were read by the options of the same keys, which the type of the table states.
  const typed = Object.fromEntries(values) as OptionValues<Options>;
  return right({ values: typed, positionals });
}

function gotText(text: string | undefined): string {
  return text === undefined ? "nothing" : JSON.stringify(text);
}
