/** Defines the commands of the program: their options, help texts and functions. */

import { InputError, isLeft, type Problem } from "../core/either.ts";
import { parseArguments } from "./arguments.ts";
import type { Console } from "./console.ts";
import {
  flagOption,
  type Option,
  type OptionTable,
  type OptionValues,
  optionName,
} from "./options.ts";

/** 0: success, 1: a check failed, 2: invalid usage or input, 130: interrupted. */
export type ExitCode = 0 | 1 | 2 | 130;

/** A command that the dispatcher can run. */
export interface Command {
  readonly name: string;
  /** The line for this command in the list of commands. */
  readonly summary: string;
  readonly help: string;
  /** Runs the command with the arguments after its name. @throws InputError if an argument or an input is invalid */
  readonly run: (argv: readonly string[], console: Console) => Promise<ExitCode>;
}

interface CommandDefinition<Options extends OptionTable> {
  readonly name: string;
  readonly summary: string;
  /** The paragraphs of the help text that follow the usage line. */
  readonly description: readonly string[];
  readonly positionals: readonly string[];
  readonly options: Options;
  /** Runs the command. The problems that it throws may name an option by its key, in backticks. */
  readonly run: (invocation: Invocation<Options>, console: Console) => Promise<ExitCode>;
}

interface Invocation<Options extends OptionTable> {
  readonly values: OptionValues<Options>;
  readonly positionals: readonly string[];
  /** Whether to write results as JSON. */
  readonly json: boolean;
}

const COMMON = {
  json: flagOption("write JSON lines to standard output, and nothing else there"),
  help: flagOption("show this help"),
} as const;

const HELP_WIDTH = 96;
const OPTION_COLUMN = 34;

/** Breaks a text at spaces into lines of at most `width` characters. */
function wrap(text: string, width: number): readonly string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const longer = lines.length === 0 ? word : `${lines.at(-1)} ${word}`;
    if (lines.length > 0 && longer.length <= width) lines.splice(-1, 1, longer);
    else lines.push(word);
  }
  return lines;
}

function optionHelp(key: string, option: Option<unknown>): string {
  const name = `  ${optionName(key)}${option.isFlag ? "" : ` ${option.placeholder}`}`;
  const also = option.aliases.length > 0 ? ` (also --${option.aliases.join(", --")})` : "";
  const indent = " ".repeat(OPTION_COLUMN);
  const lines = wrap(option.description + also, HELP_WIDTH - OPTION_COLUMN);
  const text = lines.map((line) => indent + line).join("\n");
  const fits = name.length + 2 <= OPTION_COLUMN;
  return fits ? name.padEnd(OPTION_COLUMN) + text.trimStart() : `${name}\n${text}`;
}

function helpText({
  name,
  description,
  positionals,
  options,
}: Omit<CommandDefinition<OptionTable>, "run">): string {
  const lines = Object.entries({ ...options, ...COMMON })
    .filter(([, { refusal }]) => refusal === undefined)
    .map(([key, option]) => optionHelp(key, option));
  return [
    ["usage: espalier", name, ...positionals, "[options]"].join(" "),
    ...description.map((paragraph) => wrap(paragraph, HELP_WIDTH).join("\n")),
    ["options:", ...lines].join("\n"),
  ].join("\n\n");
}

/**
 * Replaces option keys in backticks, which functions outside the CLI put into problems, with the names that users type.
 */
function namingOptions(options: OptionTable, { path, expected, got }: Problem): Problem {
  const typed = (text: string): string =>
    text.replace(/`(\w+)`/g, (quoted, key) =>
      Object.hasOwn(options, key) ? optionName(key) : quoted,
    );
  return { path: typed(path), expected: typed(expected), got: typed(got) };
}

/** Makes a command from its definition. The command also accepts `--json` and `--help`, and parses its arguments. */
export function defineCommand<Options extends OptionTable>(
  definition: CommandDefinition<Options>,
): Command {
  const { name, summary, positionals } = definition;
  const help = helpText(definition);
  const grammar = { command: name, positionals, options: { ...definition.options, ...COMMON } };
  return {
    name,
    summary,
    help,
    run: async (argv, console) => {
      if (argv.includes("--help") || argv.includes("-h")) {
        console.out.write(`${help}\n`);
        return 0;
      }
      const parsed = parseArguments(grammar, argv);
      if (isLeft(parsed)) throw new InputError(parsed.left);
      const { values, positionals } = parsed.right;
      const json = (values as OptionValues<typeof COMMON>).json === true;
      const invocation = { values: values as OptionValues<Options>, positionals, json };
      try {
        return await definition.run(invocation, console);
      } catch (error) {
        if (!(error instanceof InputError)) throw error;
        throw new InputError(
          error.problems.map((problem) => namingOptions(definition.options, problem)),
        );
      }
    },
  };
}
