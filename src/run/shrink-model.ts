/** Removes zero channels of a model, and tokens that texts do not use, in a copy. */
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import type { CopySink } from "../checkpoint/copy.ts";
import { type ShrunkSizes, type TensorCut, writeShrunk } from "../checkpoint/cut-tensors.ts";
import { type Either, getOrThrow, InputError, type Problem, refuseInput } from "../core/either.ts";
import type { GlueTask } from "../io/glue.ts";
import type { TokenizerKind } from "../io/hugging-face.ts";
import { optionProblems, type RowOptions } from "../io/rows/options.ts";
import { toProblem } from "../io/rows/problems.ts";
import { rowOptionsFor } from "./model-labels.ts";
import {
  describeRemovable,
  type LayerSettings,
  layerSizes,
  narrowLayers,
} from "./narrowed-layers.ts";
import { readPredictionRows } from "./prediction-rows.ts";
import type { InferenceRows } from "./row-passes.ts";
import { planVocabulary, type ShrinkRows, type VocabularyPlan } from "./shrink.ts";
import {
  readShrinkable,
  readVocabulary,
  type ShrinkableDirectory,
  tokenTensors,
} from "./shrinkable-directory.ts";
import { kindProblem, type RunStorage } from "./storage.ts";
import { readTaskTexts } from "./task-rows.ts";

/** What a smaller copy of a model lacks. */
export interface ShrinkSettings extends LayerSettings {
  /** Paths of texts whose tokens stay, such as training rows. Default: all tokens stay. */
  readonly vocabularyFrom?: readonly string[];
  /** How many of these tokens stay, the most frequent first, beside special tokens and single characters. Default all. */
  readonly keep?: number;
  /** Paths of further texts on which to measure coverage. */
  readonly check?: readonly string[];
  /** The files have the form of this GLUE task's `train.tsv`. Not together with `rowOptions`. */
  readonly task?: GlueTask;
  /** The tokenizer that counts tokens, if there are two. Default `fast`. */
  readonly tokenizer?: TokenizerKind;
  /** How the files are read. */
  readonly rowOptions?: RowOptions;
  /** Called with the number of tensor bytes read so far, and the total number to read. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** A model to shrink, with all that reads and writes it. */
export interface ShrinkRun extends ShrinkSettings {
  readonly storage: RunStorage;
  /** Returns a storage that can read a file twice. */
  readonly readingTwice: (path: string) => Promise<RunStorage>;
  readonly place: { readonly name: string; readonly path: string };
  readonly open: () => Promise<Either<readonly Problem[], Checkpoint>>;
  readonly sink: CopySink;
  readonly turn: () => Promise<void>;
  /** Called with each file of texts that is opened. */
  readonly onRows?: (rows: Pick<InferenceRows, "path" | "columns" | "skipped">) => void;
}

/** What was removed. */
export interface ShrunkModel {
  /** Null if the vocabulary stays. */
  readonly plan: VocabularyPlan | null;
  /** The largest number of channels in a feed-forward layer before and after, and the number in each layer after. */
  readonly widths: {
    readonly channels: number;
    readonly shrunkChannels: number;
    readonly layers: readonly number[];
  };
  /** The number of attention heads by the configuration, and the number in each layer after. */
  readonly heads: { readonly heads: number; readonly layers: readonly number[] };
  readonly sizes: ShrunkSizes;
  /** The bytes of changed files other than weights, before and after. */
  readonly files: readonly {
    readonly name: string;
    readonly bytes: number;
    readonly shrunkBytes: number;
  }[];
}

/** Options by their keys in backticks, which the command replaces by its own spelling. */
const LABELS = { vocabularyFrom: "`vocabularyFrom`", check: "`check`" } as const;

/** The settings that need texts. */
const TEXT_SETTINGS = ["keep", "check", "task", "tokenizer"] as const;

/** Returns the problems of settings and paths, before anything is read. */
async function requestProblems(request: ShrinkRun): Promise<readonly Problem[]> {
  const { storage, vocabularyFrom = [], check = [], task, rowOptions = {} } = request;
  const given = Object.keys(rowOptions);
  const rounding = (["align", "multiple"] as const).filter((key) => request[key] !== undefined);
  if ((request.widths ?? "keep") === "keep" && rounding.length > 0)
    return rounding.map((key) => {
      const expected = "`widths` uniform or per-layer beside it";
      return { path: `\`${key}\``, expected, got: "none" };
    });
  if (rounding.length > 1)
    return [{ path: "`multiple`", expected: "no `align` beside it", got: "both" }];
  if (vocabularyFrom.length === 0)
    return [...TEXT_SETTINGS.filter((key) => Object.hasOwn(request, key)), ...given].map((key) => ({
      ...{ path: `\`${key}\``, expected: "`vocabularyFrom` beside it", got: "none" },
    }));
  const problems: Problem[] =
    task === undefined
      ? optionProblems(rowOptions).map(toProblem)
      : given.map((key) => ({ path: `\`${key}\``, expected: "no `task` beside it", got: "both" }));
  for (const [key, paths] of Object.entries({ vocabularyFrom, check }))
    for (const path of paths) {
      const missing = await kindProblem(storage, "file", `\`${key}\``, path);
      if (missing !== undefined) problems.push(missing);
    }
  return problems;
}

/** Opens files of texts, and checks all their rows. */
async function openRows(
  label: string,
  paths: readonly string[],
  { config }: ShrinkableDirectory,
  { storage, readingTwice, turn, task, rowOptions = {}, onRows }: ShrinkRun,
): Promise<readonly ShrinkRows[]> {
  const opened: ShrinkRows[] = [];
  for (const path of paths) {
    if (task !== undefined) opened.push(await openTask(storage, label, path, task));
    else {
      const twice = await readingTwice(path);
      const settings = { name: path, options: rowOptionsFor(config, rowOptions) };
      const read = await readPredictionRows(twice, settings, turn);
      const rows = getOrThrow(read);
      onRows?.(rows);
      opened.push(rows);
    }
  }
  return opened;
}

async function openTask(
  storage: RunStorage,
  label: string,
  path: string,
  task: GlueTask,
): Promise<ShrinkRows> {
  const rows = getOrThrow(await readTaskTexts(storage, task, label, path));
  return { path, pieces: (onRows) => onRows(rows) };
}

/** Plans a smaller vocabulary. Null without texts. */
async function withoutTokens(
  directory: ShrinkableDirectory,
  checkpoint: Checkpoint,
  request: ShrinkRun,
): Promise<{
  readonly plan: VocabularyPlan;
  readonly cuts: ReadonlyMap<string, TensorCut>;
} | null> {
  const { vocabularyFrom = [], check = [], keep } = request;
  if (vocabularyFrom.length === 0) return null;
  const vocabulary = getOrThrow(readVocabulary(directory, request.tokenizer));
  const tensors = getOrThrow(tokenTensors(directory.config, checkpoint));
  const rows = {
    vocabulary: await openRows(LABELS.vocabularyFrom, vocabularyFrom, directory, request),
    checks: await openRows(LABELS.check, check, directory, request),
  };
  const plan = getOrThrow(await planVocabulary(vocabulary, rows, keep));
  const cut: TensorCut = { axis: 0, kept: plan.choice.kept };
  return { plan, cuts: new Map([...tensors].map((name) => [name, cut])) };
}

/**
 * Writes a smaller copy of a model.
 *
 * @throws InputError with all problems of settings and files
 */
export async function writeShrunkModel(request: ShrinkRun): Promise<ShrunkModel> {
  const { storage, place, open, sink, turn, onProgress } = request;
  const problems = await requestProblems(request);
  if (problems.length > 0) throw new InputError(problems);
  const directory = getOrThrow(await readShrinkable(storage, place, "IN"));
  const checkpoint = getOrThrow(await open());
  try {
    const narrow = narrowLayers(directory, checkpoint, request);
    const small = await withoutTokens(narrow?.directory ?? directory, checkpoint, request);
    if (narrow === null && small === null)
      refuseInput(
        place.name,
        describeRemovable(request) ?? "`vocabularyFrom`, `widths` or `heads`",
        "none",
      );
    const before = layerSizes(directory.config);
    const after = layerSizes(narrow?.directory.config ?? directory.config);
    const cuts = new Map([...(narrow?.cuts ?? []), ...(small?.cuts ?? [])]);
    const narrowFiles = [...(narrow?.directory.files ?? [])].filter(
      ([name, bytes]) => directory.files.get(name) !== bytes,
    );
    const changed = new Map([...narrowFiles, ...(small?.plan.files ?? [])]);
    const sizes = await writeShrunk(
      { checkpoint, cuts, files: changed, turn, ...(onProgress && { onProgress }) },
      sink,
    );
    return {
      plan: small?.plan ?? null,
      widths: {
        channels: Math.max(...before.widths),
        shrunkChannels: Math.max(...after.widths),
        layers: after.widths,
      },
      heads: { heads: directory.config.heads, layers: after.heads },
      sizes,
      files: [...changed].map(([name, { length: shrunkBytes }]) => {
        return { name, bytes: directory.files.get(name)?.length ?? 0, shrunkBytes };
      }),
    };
  } finally {
    checkpoint.close();
  }
}
