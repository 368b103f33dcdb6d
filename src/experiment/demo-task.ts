/**
 * Generates a sentence classification task for the demo: is a statement true? Every sentence compares two amounts:
 * "the <thing> of <number> <unit> is [<negator>] [<degree>] <heavier> than the <thing> of <number> <unit>". The
 * statement is true if the first number is the larger one, and a negator inverts this. Each number is equally likely on
 * either side, with and without a negator, so single words carry no information about the label, and a bag-of-words
 * model performs at chance level.
 */
import { checkInteger, checkOptions } from "../core/checks.ts";
import { nextBelow, openStream, type RandomStream, STREAM } from "../core/random.ts";
import type { Example } from "../io/glue.ts";

const NUMBERS = words(
  "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen " +
    "seventeen eighteen nineteen twenty",
);
const THINGS = words("box stone chest barrel crate basket wagon boat cart bag table plank");
const UNITS = words("pounds kilos ounces tons marks grains");
const VERBS = words("is was seems looks");
const NEGATORS = words("not never hardly barely");
const DEGREES = words("much far clearly surely");
const COMPARATIVES = words("heavier larger longer taller bigger higher wider deeper");
/**
 * The average number of sentences for each negated one. Negation is rare, so that the model learns the comparison
 * first.
 */
const SENTENCES_PER_NEGATION = 3;

const SPECIAL_TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];
const LISTS = [NUMBERS, THINGS, UNITS, VERBS, NEGATORS, DEGREES, COMPARATIVES];
const VOCABULARY = [SPECIAL_TOKENS, ["the", "of", "than"], ...LISTS];

function words(text: string): readonly string[] {
  return text.split(" ");
}

/** The rows of the demo task, with label 1 for a true statement and 0 for a false one, and their vocabulary. */
export interface DemoTask {
  readonly train: readonly Example[];
  readonly dev: readonly Example[];
  /** A WordPiece vocabulary in the format of `vocab.txt`: one token per line, special tokens first. */
  readonly vocabulary: string;
}

interface DemoTaskOptions {
  /** Default 1. */
  readonly seed?: number;
  /** The number of training rows. Default 6000. */
  readonly trainCount?: number;
  /** The number of rows in the dev set. Default 500. */
  readonly devCount?: number;
}

/**
 * Generates the demo task. The same options give the same rows. All sentences in `train` and `dev` are different. The
 * labels 0 and 1 alternate.
 *
 * @example
 * ```ts
 * import { generateDemoTask } from "espalier/nn";
 *
 * const task = generateDemoTask({ seed: 1, trainCount: 8, devCount: 4 });
 * console.assert(task.train.length === 8 && task.dev.length === 4);
 * console.assert(task.vocabulary.startsWith("[PAD]\n[UNK]\n[CLS]\n[SEP]\n"));
 * ```
 */
export function generateDemoTask(options: DemoTaskOptions = {}): DemoTask {
  checkOptions("options", options, ["seed", "trainCount", "devCount"]);
  const { seed = 1, trainCount = 6000, devCount = 500 } = options;
  checkInteger("seed", seed);
  checkInteger("trainCount", trainCount, 1, 1_000_000);
  checkInteger("devCount", devCount, 1, 1_000_000);
  const stream = openStream(seed, STREAM.generate);
  const seen = new Set<string>();
  return Object.freeze({
    train: distinctRows(stream, trainCount, seen),
    dev: distinctRows(stream, devCount, seen),
    vocabulary: `${VOCABULARY.flat().join("\n")}\n`,
  });
}

function distinctRows(stream: RandomStream, count: number, seen: Set<string>): readonly Example[] {
  const rows: Example[] = [];
  while (rows.length < count) {
    const label = rows.length % 2;
    const text = sentence(stream, label);
    if (seen.has(text)) continue;
    seen.add(text);
    rows.push({ text, label });
  }
  return rows;
}

/** Generates a statement that is true (label 1) or false (label 0). */
function sentence(stream: RandomStream, label: number): string {
  const negated = nextBelow(stream, SENTENCES_PER_NEGATION) === 0;
  const [lower, higher] = twoNumbers(stream);
  const firstIsHigher = (label === 1) !== negated;
  const unit = pick(stream, UNITS);
  const amount = (number: string) => ["the", pick(stream, THINGS), "of", number, unit];
  return [
    ...amount(firstIsHigher ? higher : lower),
    pick(stream, VERBS),
    ...(negated ? [pick(stream, NEGATORS)] : []),
    ...(nextBelow(stream, 2) === 1 ? [pick(stream, DEGREES)] : []),
    pick(stream, COMPARATIVES),
    "than",
    ...amount(firstIsHigher ? lower : higher),
  ].join(" ");
}

/** Draws two different number words, the lower number first. Every pair is equally likely. */
function twoNumbers(stream: RandomStream): readonly [string, string] {
  const first = nextBelow(stream, NUMBERS.length);
  const other = nextBelow(stream, NUMBERS.length - 1);
  const second = other < first ? other : other + 1;
  const [lower, higher] = first < second ? [first, second] : [second, first];
  return [NUMBERS[lower] ?? "", NUMBERS[higher] ?? ""];
}

function pick(stream: RandomStream, list: readonly string[]): string {
  return list[nextBelow(stream, list.length)] ?? "";
}
