/** `espalier shrink`: writes a copy of a model with the tokens that texts use, and no others. */
import { type ShrunkSizes, writeShrunk } from "../checkpoint/vocabulary-rows.ts";
import { getOrThrow, InputError, type Problem, refuseInput } from "../core/either.ts";
import { sumOf } from "../core/sum.ts";
import type { GlueTask } from "../io/glue.ts";
import { GLUE_TASK_NAMES } from "../io/glue-tasks.ts";
import { TOKENIZER_KINDS } from "../io/hugging-face.ts";
import { copySink } from "../node/checkpoint-writer.ts";
import { nodeStorage, storageReadingTwice } from "../node/storage.ts";
import { turn } from "../node/turn.ts";
import { formatSeconds, formatShare, formatTable } from "../report/table.ts";
import { rowOptionsFor } from "../run/model-labels.ts";
import { readPredictionRows } from "../run/prediction-rows.ts";
import {
  type FileCoverage,
  planVocabulary,
  type RemovedToken,
  type ShrinkRows,
  type VocabularyPlan,
} from "../run/shrink.ts";
import {
  readShrinkable,
  type ShrinkableDirectory,
  tokenTensors,
} from "../run/shrinkable-directory.ts";
import { kindProblem } from "../run/storage.ts";
import { readTaskTexts } from "../run/task-rows.ts";
import { findCopied, withCheckpoint, withProgress } from "./checkpoint-run.ts";
import { type Command, defineCommand } from "./command.ts";
import type { Console, TextOutput } from "./console.ts";
import { describeRows, rowFileProblems } from "./inference.ts";
import {
  choiceOption,
  integerOption,
  type OptionValues,
  textOption,
  textsOption,
} from "./options.ts";
import { ROW_OPTIONS } from "./row-options.ts";

const OPTIONS = {
  out: textOption("OUT", "path of the result; nothing may exist there (required)"),
  vocabularyFrom: textsOption(
    "FILE",
    "texts whose tokens stay, such as training rows: CSV, TSV, JSON or JSON Lines by name, also compressed; else a text on each line (required)",
  ),
  keep: integerOption(
    { least: 0 },
    "how many of these tokens stay, the most frequent first, beside special tokens and single characters (default: all)",
  ),
  check: textsOption("FILE", "further texts on which to measure coverage, such as validation rows"),
  task: choiceOption(GLUE_TASK_NAMES, "the files have the form of this GLUE task's train.tsv"),
  tokenizer: choiceOption(
    TOKENIZER_KINDS,
    "the tokenizer that counts tokens, if there are two (default fast)",
  ),
  ...ROW_OPTIONS,
} as const;

type Values = OptionValues<typeof OPTIONS>;

/** The most removed tokens that are listed. */
const LISTED_TOKENS = 20;

/** Returns the problems of options and paths, before anything is read. */
async function requestProblems(values: Values): Promise<readonly Problem[]> {
  const { vocabularyFrom = [], check = [], task } = values;
  const given = Object.keys(ROW_OPTIONS).filter((key) => Object.hasOwn(values, key));
  const problems =
    task === undefined
      ? []
      : given.map((key) => ({ path: `\`${key}\``, expected: "no `task` beside it", got: "both" }));
  for (const [label, paths] of [
    ["--vocabulary-from", vocabularyFrom],
    ["--check", check],
  ] as const)
    for (const path of paths) {
      if (task === undefined) problems.push(...(await rowFileProblems(label, path, values)));
      const missing = task && (await kindProblem(nodeStorage, "file", label, path));
      if (missing !== undefined) problems.push(missing);
    }
  return problems;
}

/** Opens files of texts, and checks all their rows. */
async function openRows(
  label: string,
  paths: readonly string[],
  { config }: ShrinkableDirectory,
  values: Values,
  console: Console,
): Promise<readonly ShrinkRows[]> {
  const opened: ShrinkRows[] = [];
  for (const path of paths) {
    if (values.task !== undefined) opened.push(await openTask(label, path, values.task));
    else {
      const storage = await storageReadingTwice(path);
      const settings = { name: path, options: rowOptionsFor(config, values) };
      const read = await readPredictionRows(storage, settings, () => turn(console.signal));
      const rows = getOrThrow(read);
      describeRows(console, rows);
      opened.push(rows);
    }
  }
  return opened;
}

async function openTask(label: string, path: string, task: GlueTask): Promise<ShrinkRows> {
  const rows = getOrThrow(await readTaskTexts(nodeStorage, task, label, path));
  return { path, pieces: (onRows) => onRows(rows) };
}

/** What is printed. */
interface Outcome {
  readonly from: string;
  readonly to: string;
  readonly plan: VocabularyPlan;
  readonly sizes: ShrunkSizes;
  /** The bytes of files with ids before and after. */
  readonly files: readonly {
    readonly name: string;
    readonly bytes: number;
    readonly shrunkBytes: number;
  }[];
  readonly seconds: number;
}

function printJson({ plan, sizes, files, ...where }: Outcome, { out }: Console): void {
  const { choice, size, reasons, vocabularyFiles, checks, removed } = plan;
  const vocabulary = { tokens: size, shrunkTokens: choice.kept.length, reasons };
  const listed = removed.slice(0, LISTED_TOKENS);
  const document = {
    ...where,
    vocabulary,
    vocabularyFiles,
    checks,
    removed: listed,
    ...sizes,
    files,
  };
  out.write(`${JSON.stringify(document)}\n`);
}

function printText({ from, to, plan, sizes, files, seconds }: Outcome, { out }: Console): void {
  const { choice, size, reasons } = plan;
  out.write(
    `${from} shrunk to ${choice.kept.length} of ${size} tokens: ${reasons.special} special, ${reasons.character} single characters, ${reasons.used} of the texts, ${reasons.passed} on the path to others\n\n`,
  );
  printCoverage([...plan.vocabularyFiles, ...plan.checks], out);
  printRemoved(plan.removed, out);
  const sizeRow = (name: string, before: number, after: number): readonly string[] => {
    return [name, String(before), String(after), formatShare(after, before)];
  };
  const all = (key: "bytes" | "shrunkBytes"): number =>
    sizes[key] + sumOf(files, (file) => file[key]);
  const table = formatTable({
    header: ["bytes", "before", "after", "share"],
    rows: [
      ...sizes.tensors.map(({ name, bytes, shrunkBytes }) => sizeRow(name, bytes, shrunkBytes)),
      sizeRow("weights", sizes.bytes, sizes.shrunkBytes),
      ...files.map(({ name, bytes, shrunkBytes }) => sizeRow(name, bytes, shrunkBytes)),
      sizeRow("all of these files", all("bytes"), all("shrunkBytes")),
    ],
  });
  out.write(`${table}\n\n`);
  for (const name of sizes.leftOut) out.write(`not copied: ${name}, which holds other weights\n`);
  out.write(`${to}: in ${formatSeconds(seconds)} s\n`);
}

function printCoverage(files: readonly FileCoverage[], out: TextOutput): void {
  const table = formatTable({
    header: ["same ids", "rows", "share", "tokens", "share", "unknown before", "after"],
    rows: files.map(({ path, ...one }) => [
      path,
      `${one.sameRows}/${one.rows}`,
      formatShare(one.sameRows, one.rows),
      `${one.sameTokens}/${one.tokens}`,
      formatShare(one.sameTokens, one.tokens),
      String(one.unknownBefore),
      String(one.unknownAfter),
    ]),
  });
  out.write(`${table}\n\n`);
}

/** Lists the removed tokens that texts have, and sums up what becomes of them. */
function printRemoved(removed: readonly RemovedToken[], out: TextOutput): void {
  if (removed.length === 0) return;
  const table = formatTable({
    header: ["removed", "in files", "in checks", "becomes"],
    rows: removed
      .slice(0, LISTED_TOKENS)
      .map(({ token, inFiles, inChecks, becomes }) => [
        token,
        String(inFiles),
        String(inChecks),
        becomes?.join(" ") ?? "unknown",
      ]),
  });
  const lost = removed.filter(({ becomes }) => becomes === null);
  const timesOf = (tokens: readonly RemovedToken[]): number =>
    sumOf(tokens, ({ inFiles, inChecks }) => inFiles + inChecks);
  const divided = removed.filter(({ becomes }) => becomes !== null);
  out.write(
    `${table}\n\nof ${removed.length} removed tokens in the texts, ${divided.length} (${timesOf(divided)} times) are divided into others, ${lost.length} (${timesOf(lost)} times) become unknown\n\n`,
  );
}

export const shrinkCommand: Command = defineCommand({
  name: "shrink",
  summary: "write a copy of a model with fewer tokens",
  description: [
    "IN is a directory, or a model in the Hugging Face cache: an encoder with a WordPiece or byte-level BPE tokenizer. The tokens of the given texts stay, with special tokens and single characters; all others are removed from the embeddings and from the tokenizer's files, and ids are renumbered. A text whose tokens all stay has the same logits, bit for bit. OUT is either complete or absent.",
    "With --keep, less frequent tokens of the texts are removed, too: they are divided into pieces that stay.",
  ],
  positionals: ["IN"],
  options: OPTIONS,
  run: async ({ values, positionals: [from = ""], json }, console) => {
    const { vocabularyFrom = [], check = [], keep } = values;
    if (vocabularyFrom.length === 0) refuseInput("--vocabulary-from", "a file of texts", "none");
    const { place, to } = await findCopied(from, values.out, "the result");
    const problems = await requestProblems(values);
    if (problems.length > 0) throw new InputError(problems);
    const directory = getOrThrow(await readShrinkable(nodeStorage, place, "IN", values.tokenizer));
    return withCheckpoint(place, async (checkpoint) => {
      if (checkpoint.layout === "packed")
        refuseInput(from, "a plain checkpoint, as unpack writes", "a packed one");
      const { signal } = console;
      const tensors = getOrThrow(tokenTensors(directory.config, checkpoint));
      const rows = {
        vocabulary: await openRows("--vocabulary-from", vocabularyFrom, directory, values, console),
        checks: await openRows("--check", check, directory, values, console),
      };
      const plan = getOrThrow(await planVocabulary(directory, rows, keep));
      const { kept } = plan.choice;
      const { result: sizes, seconds } = await withProgress(console, "shrink", (onProgress) =>
        writeShrunk(
          { checkpoint, tensors, kept, files: plan.files, onProgress, turn: () => turn(signal) },
          copySink({ from: place.path, to }),
        ),
      );
      const files = [...plan.files].map(([name, { length: shrunkBytes }]) => {
        return { name, bytes: directory.files.get(name)?.length ?? 0, shrunkBytes };
      });
      (json ? printJson : printText)({ from, to, plan, sizes, files, seconds }, console);
      return 0;
    });
  },
});
