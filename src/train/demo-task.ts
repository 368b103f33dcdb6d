/**
 * A sentence-classification task that is made, not fetched: which way does a two-clause opinion lean?
 * Every sentence holds two clauses, "the <noun> <verb> [<negator>] [<degree>] <adjective>". The
 * connective says which clause decides ("A but B": B, "A although B": A, "although A , B": B), and a
 * negator turns its own clause around. Adjectives and negators are drawn independently, so no word
 * tells anything about the label: a bag of words is at chance, order and negation are all there is.
 */
import { checkInteger } from "../core/checks.ts";
import { nextBelow, openStream, type RandomStream, STREAM } from "../core/random.ts";
import type { LabelledText } from "./examples.ts";

const NOUNS = words(
  "film plot actor ending music dialogue camera story cast scene script hero villain pace score editing " +
    "costume joke trailer sequel opening finale lighting stunt",
);
const VERBS = words("was seemed looked felt appeared remained");
const NEGATORS = words("not never hardly barely");
const DEGREES = words("very quite really truly rather so");
const POSITIVE = words(
  "good great brilliant lovely clever charming moving funny bright fresh graceful witty strong warm elegant " +
    "honest sharp tender vivid superb",
);
const NEGATIVE = words(
  "bad awful dull ugly stupid boring shallow silly dark stale clumsy tedious weak cold crude fake flat " +
    "bitter bland dreadful",
);
/** Connectives after which the second clause decides, and those after which the first does. */
const TURNS = words("but yet however");
const CONCESSIONS = words("although though while");

const SPECIAL_TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] as const;

function words(text: string): readonly string[] {
  return Object.freeze(text.split(" "));
}

/** The demo task: rows with label 1 where the deciding clause is positive, and their vocabulary. */
export interface DemoTask {
  readonly train: readonly LabelledText[];
  readonly dev: readonly LabelledText[];
  /** A WordPiece vocabulary as in a `vocab.txt`: one token a line, the special tokens first. */
  readonly vocabulary: string;
}

/** Sizes and seed of a {@link DemoTask}. */
export interface DemoTaskOptions {
  /** Default 1. */
  readonly seed?: number;
  /** Number of training rows, default 3000. */
  readonly trainCount?: number;
  /** Number of dev rows, default 500. */
  readonly devCount?: number;
}

/**
 * Generates the demo task. The same options give the same rows; no sentence occurs twice, so none of
 * dev is in train; labels alternate, so both are equally frequent in either part.
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
  const { seed = 1, trainCount = 3000, devCount = 500 } = options;
  checkInteger("seed", seed);
  checkInteger("trainCount", trainCount, 1, 1_000_000);
  checkInteger("devCount", devCount, 1, 1_000_000);
  const stream = openStream(seed, STREAM.generate);
  const seen = new Set<string>();
  return Object.freeze({
    train: distinctRows(stream, trainCount, seen),
    dev: distinctRows(stream, devCount, seen),
    vocabulary: demoVocabulary(),
  });
}

function distinctRows(
  stream: RandomStream,
  count: number,
  seen: Set<string>,
): readonly LabelledText[] {
  const rows: LabelledText[] = [];
  while (rows.length < count) {
    const label = rows.length % 2;
    const text = sentence(stream, label);
    if (seen.has(text)) continue;
    seen.add(text);
    rows.push({ text, label });
  }
  return rows;
}

function sentence(stream: RandomStream, label: number): string {
  const deciding = clause(stream, label);
  const other = clause(stream, nextBelow(stream, 2));
  switch (nextBelow(stream, 3)) {
    case 0:
      return `${other} ${pick(stream, TURNS)} ${deciding}`;
    case 1:
      return `${deciding} ${pick(stream, CONCESSIONS)} ${other}`;
    default:
      return `${pick(stream, CONCESSIONS)} ${other} , ${deciding}`;
  }
}

/** A clause that says `polarity` (1 positive, 0 negative): by its adjective, or by negating the opposite. */
function clause(stream: RandomStream, polarity: number): string {
  const negated = nextBelow(stream, 2) === 1;
  const positive = (polarity === 1) !== negated;
  const parts = ["the", pick(stream, NOUNS), pick(stream, VERBS)];
  if (negated) parts.push(pick(stream, NEGATORS));
  if (nextBelow(stream, 2) === 1) parts.push(pick(stream, DEGREES));
  parts.push(pick(stream, positive ? POSITIVE : NEGATIVE));
  return parts.join(" ");
}

function pick(stream: RandomStream, list: readonly string[]): string {
  return list[nextBelow(stream, list.length)] ?? "";
}

function demoVocabulary(): string {
  const tokens = [
    ...SPECIAL_TOKENS,
    "the",
    ",",
    ...NOUNS,
    ...VERBS,
    ...NEGATORS,
    ...DEGREES,
    ...POSITIVE,
    ...NEGATIVE,
    ...TURNS,
    ...CONCESSIONS,
  ];
  return `${tokens.join("\n")}\n`;
}
