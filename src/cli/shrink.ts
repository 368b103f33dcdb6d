/** `espalier shrink`: writes a copy of a model without zero channels, and without tokens that texts do not use. */
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import { type TensorCut, writeShrunk } from "../checkpoint/cut-tensors.ts";
import { channelCuts, chooseChannels } from "../checkpoint/feed-forward-channels.ts";
import { getOrThrow, InputError, type Problem, refuseInput } from "../core/either.ts";
import type { GlueTask } from "../io/glue.ts";
import { GLUE_TASK_NAMES } from "../io/glue-tasks.ts";
import { TOKENIZER_KINDS } from "../io/hugging-face.ts";
import { copySink } from "../node/checkpoint-writer.ts";
import { nodeStorage, storageReadingTwice } from "../node/storage.ts";
import { turn } from "../node/turn.ts";
import { rowOptionsFor } from "../run/model-labels.ts";
import { readPredictionRows } from "../run/prediction-rows.ts";
import { planVocabulary, type ShrinkRows, type VocabularyPlan } from "../run/shrink.ts";
import {
  feedForwardLayers,
  readShrinkable,
  readVocabulary,
  type ShrinkableDirectory,
  tokenTensors,
  withWidth,
} from "../run/shrinkable-directory.ts";
import { type FileMap, kindProblem } from "../run/storage.ts";
import { readTaskTexts } from "../run/task-rows.ts";
import { findCopied, withCheckpoint, withProgress } from "./checkpoint-run.ts";
import { type Command, defineCommand } from "./command.ts";
import type { Console } from "./console.ts";
import { describeRows, rowFileProblems } from "./inference.ts";
import {
  choiceOption,
  integerOption,
  type OptionValues,
  textOption,
  textsOption,
} from "./options.ts";
import { ROW_OPTIONS } from "./row-options.ts";
import { printShrunk, printShrunkJson } from "./shrink-output.ts";

/** The options beside `--vocabulary-from`. */
const TEXT_OPTIONS = {
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
const OPTIONS = {
  out: textOption("OUT", "path of the result; nothing may exist there (required)"),
  widths: choiceOption(
    ["keep", "uniform"],
    "uniform: remove zero channels of feed-forward layers, as many in each; blocks and groups across channels lose their places (default keep)",
  ),
  vocabularyFrom: textsOption(
    "FILE",
    "texts whose tokens stay, such as training rows: CSV, TSV, JSON or JSON Lines by name, also compressed; else a text on each line",
  ),
  ...TEXT_OPTIONS,
} as const;

type Values = OptionValues<typeof OPTIONS>;

/** Returns the problems of options and paths, before anything is read. */
async function requestProblems(values: Values): Promise<readonly Problem[]> {
  const { vocabularyFrom = [], check = [], task } = values;
  if (vocabularyFrom.length === 0)
    return Object.keys(TEXT_OPTIONS)
      .filter((key) => Object.hasOwn(values, key))
      .map((key) => ({ path: `\`${key}\``, expected: "`vocabularyFrom` beside it", got: "none" }));
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

/** Narrower feed-forward layers. */
interface Narrowed {
  readonly width: number;
  readonly cuts: ReadonlyMap<string, TensorCut>;
  /** The directory with the new config.json, which is also in `files`. */
  readonly directory: ShrinkableDirectory;
  readonly files: FileMap;
}

/** Removes channels that are zero. Null if a layer needs all. @throws InputError if tensors are not found */
function narrowed(directory: ShrinkableDirectory, checkpoint: Checkpoint): Narrowed | null {
  const layers = getOrThrow(feedForwardLayers(directory.config, checkpoint));
  if (layers === undefined)
    refuseInput(
      directory.name,
      "float tensors in the shapes of config.json for each feed-forward layer, none of them shared",
      "others",
    );
  if (layers.length === 0) return null;
  const channels = chooseChannels(checkpoint, layers);
  const width = channels[0]?.length ?? 0;
  if (width === directory.config.intermediateSize) return null;
  const files = new Map([withWidth(directory, width)]);
  return {
    ...{ width, files, cuts: channelCuts(layers, channels) },
    directory: { ...directory, files: new Map([...directory.files, ...files]) },
  };
}

/** Plans a smaller vocabulary. Null without texts. */
async function withoutTokens(
  directory: ShrinkableDirectory,
  checkpoint: Checkpoint,
  values: Values,
  console: Console,
): Promise<{
  readonly plan: VocabularyPlan;
  readonly cuts: ReadonlyMap<string, TensorCut>;
} | null> {
  const { vocabularyFrom = [], check = [], keep } = values;
  if (vocabularyFrom.length === 0) return null;
  const vocabulary = getOrThrow(readVocabulary(directory, values.tokenizer));
  const tensors = getOrThrow(tokenTensors(directory.config, checkpoint));
  const rows = {
    vocabulary: await openRows("--vocabulary-from", vocabularyFrom, directory, values, console),
    checks: await openRows("--check", check, directory, values, console),
  };
  const plan = getOrThrow(await planVocabulary(vocabulary, rows, keep));
  const cut: TensorCut = { axis: 0, kept: plan.choice.kept };
  return { plan, cuts: new Map([...tensors].map((name) => [name, cut])) };
}

export const shrinkCommand: Command = defineCommand({
  name: "shrink",
  summary: "write a copy of a model with fewer channels and tokens",
  description: [
    "IN is a directory, or a model in the Hugging Face cache, of an encoder. With --widths uniform, channels of feed-forward layers that are zero are removed, as many in each layer. OUT is either complete or absent, and a model of the same kind.",
    "With --vocabulary-from, the tokens of the given texts stay, with special tokens and single characters; all others are removed from the embeddings and from the tokenizer's files, and ids are renumbered. The tokenizer is WordPiece or byte-level BPE. A text whose tokens all stay has the same logits, bit for bit. With --keep, less frequent tokens of the texts are removed, too: they are divided into pieces that stay.",
  ],
  positionals: ["IN"],
  options: OPTIONS,
  run: async ({ values, positionals: [from = ""], json }, console) => {
    const { place, to } = await findCopied(from, values.out, "the result");
    const problems = await requestProblems(values);
    if (problems.length > 0) throw new InputError(problems);
    const directory = getOrThrow(await readShrinkable(nodeStorage, place, "IN"));
    return withCheckpoint(place, async (checkpoint) => {
      const narrow = values.widths === "uniform" ? narrowed(directory, checkpoint) : null;
      const small = await withoutTokens(
        narrow?.directory ?? directory,
        checkpoint,
        values,
        console,
      );
      if (narrow === null && small === null)
        refuseInput(
          from,
          "`vocabularyFrom`, or `widths` uniform and zero channels in each feed-forward layer",
          "neither",
        );
      const { intermediateSize: channels } = directory.config;
      const widths = { channels, shrunkChannels: narrow?.width ?? channels };
      const cuts = new Map([...(narrow?.cuts ?? []), ...(small?.cuts ?? [])]);
      const changed = new Map([...(narrow?.files ?? []), ...(small?.plan.files ?? [])]);
      const { signal } = console;
      const { result: sizes, seconds } = await withProgress(console, "shrink", (onProgress) =>
        writeShrunk(
          { checkpoint, cuts, files: changed, onProgress, turn: () => turn(signal) },
          copySink({ from: place.path, to }),
        ),
      );
      const files = [...changed].map(([name, { length: shrunkBytes }]) => {
        return { name, bytes: directory.files.get(name)?.length ?? 0, shrunkBytes };
      });
      const plan = small?.plan ?? null;
      (json ? printShrunkJson : printShrunk)(
        { from, to, plan, widths, sizes, files, seconds },
        console,
      );
      return 0;
    });
  },
});
