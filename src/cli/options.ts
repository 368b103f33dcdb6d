/** Defines the kinds of command-line options, with their placeholders, descriptions and parsers. */

/**
 * An option. Its key in the table is its name in camelCase; on the command line, the name is in kebab-case or
 * snake_case.
 */
export interface Option<T> {
  /** The placeholder for the value in help texts, such as `DIR`; empty for a flag. */
  readonly placeholder: string;
  readonly description: string;
  /** Alternative names, in kebab-case. */
  readonly aliases: readonly string[];
  /** Whether the option needs no value. Without a value, it is `true`. */
  readonly isFlag: boolean;
  /** Whether the option may be given more than once. Each value is then a list, and the lists are concatenated. */
  readonly repeats?: boolean;
  /** A description of valid values, for error messages. `read` returns undefined for an invalid value. */
  readonly expected: string;
  readonly read: (text: string) => T | undefined;
  /** Why the option is refused. Such an option is not in the help text. */
  readonly refusal?: string;
}

/** Options, keyed by their names in camelCase. */
export type OptionTable = Readonly<Record<string, Option<unknown>>>;

/** The values of the options in a table; options that are not given are absent. */
export type OptionValues<Options extends OptionTable> = {
  readonly [Name in keyof Options]?: Options[Name] extends Option<infer T> ? T : never;
};

/** The bounds of a number; `below` is exclusive. */
interface NumberBounds {
  readonly least?: number;
  readonly most?: number;
  readonly below?: number;
}

const INTEGER = /^[+-]?\d+$/;
const DECIMAL = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

function boundsText({ least, most, below }: NumberBounds): string {
  const named = { "at least": least, "at most": most, below };
  const parts = Object.entries(named).filter(([, bound]) => bound !== undefined);
  return parts.map(([name, bound], i) => `${i === 0 ? " " : " and "}${name} ${bound}`).join("");
}

function isWithin(value: number, bounds: NumberBounds): boolean {
  const { least = -Infinity, most = Infinity, below = Infinity } = bounds;
  return Number.isFinite(value) && value >= least && value <= most && value < below;
}

/** Makes an option that accepts any text except an empty one. */
export function textOption(
  placeholder: string,
  description: string,
  aliases: readonly string[] = [],
): Option<string> {
  const expected = `a ${placeholder} that is not empty`;
  const read = (text: string): string | undefined => (text === "" ? undefined : text);
  return { placeholder, description, aliases, isFlag: false, expected, read };
}

/** Makes an option that accepts a decimal number within bounds. */
export function numberOption(
  bounds: NumberBounds,
  description: string,
  aliases: readonly string[] = [],
): Option<number> {
  const expected = `a number${boundsText(bounds)}`;
  const read = (text: string): number | undefined =>
    DECIMAL.test(text) && isWithin(Number(text), bounds) ? Number(text) : undefined;
  return { placeholder: "NUMBER", description, aliases, isFlag: false, expected, read };
}

function readInteger(text: string, bounds: NumberBounds): number | undefined {
  const value = Number(text);
  const isRead = INTEGER.test(text) && Number.isSafeInteger(value) && isWithin(value, bounds);
  return isRead ? value : undefined;
}

/** Makes an option that accepts an integer within bounds. */
export function integerOption(
  bounds: NumberBounds,
  description: string,
  aliases: readonly string[] = [],
): Option<number> {
  const expected = `an integer${boundsText(bounds)}`;
  const read = (text: string): number | undefined => readInteger(text, bounds);
  return { placeholder: "N", description, aliases, isFlag: false, expected, read };
}

/** Makes an option that accepts distinct integers, separated by commas. */
export function integersOption(
  bounds: NumberBounds,
  description: string,
  aliases: readonly string[] = [],
): Option<readonly number[]> {
  const expected = `different integers${boundsText(bounds)}, separated by commas`;
  const read = (text: string): readonly number[] | undefined => {
    const values = text.split(",").map((part) => readInteger(part.trim(), bounds));
    const different = new Set(values.filter((value) => value !== undefined));
    return different.size === values.length ? [...different] : undefined;
  };
  return { placeholder: "N,N,...", description, aliases, isFlag: false, expected, read };
}

/** Makes an option that accepts one of the given words. */
export function choiceOption<T extends string>(
  choices: readonly T[],
  description: string,
  aliases: readonly string[] = [],
): Option<T> {
  const expected = `one of ${choices.join(", ")}`;
  const read = (text: string): T | undefined => choices.find((choice) => choice === text);
  const spelt = choices.join("|");
  // A long list of choices would widen the help beyond a terminal's width.
  const isLong = spelt.length > 72;
  return {
    placeholder: isLong ? "NAME" : spelt,
    description: isLong ? `${description}: ${choices.join(", ")}` : description,
    aliases,
    isFlag: false,
    expected,
    read,
  };
}

/** Makes an option that may be given more than once. Its value is the list of the given texts. */
export function textsOption(placeholder: string, description: string): Option<readonly string[]> {
  return {
    placeholder,
    description: `${description}; may be given more than once`,
    aliases: [],
    isFlag: false,
    expected: `a ${placeholder} that is not empty`,
    read: (text) => (text === "" ? undefined : [text]),
    repeats: true,
  };
}

/** Makes an option that is true without a value, and also accepts `true` or `false`. */
export function flagOption(description: string, aliases: readonly string[] = []): Option<boolean> {
  const values = new Map(Object.entries({ true: true, false: false }));
  const read = (text: string): boolean | undefined => values.get(text);
  return { placeholder: "", description, aliases, isFlag: true, expected: "true or false", read };
}

/** Makes an option that another program has, and that is refused with the reason. */
export function refusedOption(reason: string): Option<never> {
  return {
    placeholder: "VALUE",
    description: "",
    aliases: [],
    isFlag: false,
    expected: "",
    read: () => undefined,
    refusal: reason,
  };
}

/** Converts a camelCase name to kebab-case: `maxSeqLength` to `max-seq-length`. */
export function kebabCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** Returns the name of an option on the command line, such as `--max-seq-length`. */
export function optionName(key: string): string {
  return `--${kebabCase(key)}`;
}
