/** Defining a command: its options, its help, and what it runs. */

import { InputError, isLeft, type Problem } from "../core/either.ts";
import { parseArguments } from "./arguments.ts";
import type { Console } from "./console.ts";
import {
  flagOption,
  kebabCase,
  type Option,
  type OptionTable,
  type OptionValues,
} from "./options.ts";

/** 0 done, 1 a check failed, 2 wrong usage or input, 130 interrupted. */
export type ExitCode = 0 | 1 | 2 | 130;

/** A command as the dispatcher sees it. */
export interface Command {
  readonly name: string;
  /** One line for the list of commands. */
  readonly summary: string;
  /** The text of `--help`. */
  readonly help: string;
  /**
   * Runs the command on the arguments after its name.
   *
   * @throws InputError where an argument or an input is refused
   */
  readonly run: (argv: readonly string[], console: Console) => Promise<ExitCode>;
}

/** What a command file states. */
export interface CommandDefinition<Options extends OptionTable> {
  readonly name: string;
  readonly summary: string;
  /** Paragraphs of the help, after the usage line. */
  readonly description: readonly string[];
  readonly positionals: readonly string[];
  readonly options: Options;
  readonly run: (invocation: Invocation<Options>, console: Console) => Promise<ExitCode>;
}

/** What a command was called with. */
export interface Invocation<Options extends OptionTable> {
  readonly values: OptionValues<Options>;
  readonly positionals: readonly string[];
  /** Whether results are to be written as JSON. */
  readonly json: boolean;
}

const COMMON = {
  json: flagOption("write JSON lines to standard output, and nothing else there"),
  help: flagOption("show this help"),
} as const;

const HELP_WIDTH = 96;
const OPTION_COLUMN = 34;

/** Breaks a text into lines of at most `width` characters at spaces. */
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
  const name = `  --${kebabCase(key)}${option.isFlag ? "" : ` ${option.placeholder}`}`;
  const also = option.aliases.length > 0 ? ` (also --${option.aliases.join(", --")})` : "";
  const lines = wrap(option.description + also, HELP_WIDTH - OPTION_COLUMN);
  const indented = lines.map((line) => " ".repeat(OPTION_COLUMN) + line);
  return name.length + 2 <= OPTION_COLUMN
    ? [name.padEnd(OPTION_COLUMN) + (lines[0] ?? ""), ...indented.slice(1)].join("\n")
    : [name, ...indented].join("\n");
}

function helpText<Options extends OptionTable>(definition: CommandDefinition<Options>): string {
  const usage = ["usage: espalier", definition.name, ...definition.positionals, "[options]"];
  const options = Object.entries({ ...definition.options, ...COMMON });
  return [
    usage.join(" "),
    ...definition.description.map((paragraph) => wrap(paragraph, HELP_WIDTH).join("\n")),
    ["options:", ...options.map(([key, option]) => optionHelp(key, option))].join("\n"),
  ].join("\n\n");
}

/** A problem whose path is an option's key, with the option as it is typed. */
function namingOption({ options }: { options: OptionTable }, problem: Problem): Problem {
  return problem.path in options ? { ...problem, path: `--${kebabCase(problem.path)}` } : problem;
}

/** Makes a command out of its definition: adds `--json` and `--help`, and reads the arguments. */
export function defineCommand<Options extends OptionTable>(
  definition: CommandDefinition<Options>,
): Command {
  const { name, summary } = definition;
  const help = helpText(definition);
  const grammar = {
    command: name,
    positionals: definition.positionals,
    options: { ...definition.options, ...COMMON },
  };
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
      const { positionals, values } = parsed.right;
      const json = (values as OptionValues<typeof COMMON>).json === true;
      const own = values as OptionValues<Options>;
      try {
        return await definition.run({ values: own, positionals, json }, console);
      } catch (error) {
        if (!(error instanceof InputError)) throw error;
        throw new InputError(error.problems.map((problem) => namingOption(grammar, problem)));
      }
    },
  };
}
