/** Plans how the vocabulary of a model directory shrinks to the tokens of some texts. Nothing is written. */
import { pipe } from "fp-ts/function";
import {
  chooseVocabulary,
  countTokens,
  type KeepReason,
  type VocabularyChoice,
} from "../checkpoint/vocabulary-choice.ts";
import {
  measureCoverage,
  replacementOf,
  type VocabularyChange,
  type VocabularyCoverage,
} from "../checkpoint/vocabulary-coverage.ts";
import { renumberFiles } from "../checkpoint/vocabulary-files.ts";
import {
  keptMerges,
  type ShrinkableModel,
  shrinkableModel,
} from "../checkpoint/vocabulary-model.ts";
import { chain, type Either, isLeft, left, map, type Problem, right } from "../core/either.ts";
import {
  HUGGING_FACE_FILES,
  readHuggingFaceTokenizer,
  TOKENIZER_KINDS,
} from "../io/hugging-face.ts";
import type { TextRow } from "../io/rows/row-reader.ts";
import type { Tokenizer } from "../io/tokenizer.ts";
import type { RowPieces } from "./inference.ts";
import type { ShrinkableVocabulary } from "./shrinkable-directory.ts";
import { type FileMap, inDirectory } from "./storage.ts";

const { tokenizer: FAST, vocabulary: SLOW } = HUGGING_FACE_FILES;

/** The rows of a file. They can be read more than once. */
export interface ShrinkRows {
  readonly path: string;
  readonly pieces: RowPieces<TextRow>;
}

/** The coverage of a file. */
export interface FileCoverage extends VocabularyCoverage {
  readonly path: string;
}

/** A token that is removed although texts have it. */
export interface RemovedToken {
  readonly token: string;
  /** How often it occurs in the files of the vocabulary, and in those for checks. */
  readonly inFiles: number;
  readonly inChecks: number;
  /** The tokens into which its text is divided; null if it becomes unknown. */
  readonly becomes: readonly string[] | null;
}

/** How a vocabulary shrinks. */
export interface VocabularyPlan {
  readonly choice: VocabularyChoice;
  /** The number of rows in the embeddings before. */
  readonly size: number;
  readonly reasons: Readonly<Record<KeepReason, number>>;
  /** The new contents of files, by name. */
  readonly files: FileMap;
  readonly vocabularyFiles: readonly FileCoverage[];
  readonly checks: readonly FileCoverage[];
  /** The most frequent first. */
  readonly removed: readonly RemovedToken[];
}

/** Chooses the tokens that stay, and compares the tokens of all files before and after. */
export async function planVocabulary(
  { name, config, files, tokenizer, model, required }: ShrinkableVocabulary,
  rows: { readonly vocabulary: readonly ShrinkRows[]; readonly checks: readonly ShrinkRows[] },
  keep?: number,
): Promise<Either<readonly Problem[], VocabularyPlan>> {
  const counter = countTokens(tokenizer, model);
  for (const { pieces } of rows.vocabulary)
    await pieces(async (some) => {
      for (const text of some.flatMap(textsOf)) counter.add(text);
    });
  const choice = chooseVocabulary({ tokenizer, model, use: counter.use, required, keep });
  const { newIds, kept, reasons } = choice;
  const isKept = (id: number): boolean => (newIds[id] ?? -1) >= 0;
  const changed = pipe(
    renumberFiles(files, {
      tokens: tokenizer.vocabulary.tokens,
      newIds,
      size: kept.length,
      keepsMerge: model.type === "BPE" ? keptMerges(model, isKept) : () => true,
    }),
    chain((own) => readAfter(files, new Map([...files, ...own]), tokenizer, choice, own)),
    inDirectory(name),
  );
  if (isLeft(changed)) return changed;
  const { own, after, afterModel } = changed.right;
  const change = { before: tokenizer, beforeModel: model, after, afterModel, newIds };
  const measured = {
    vocabulary: await measureFiles(change, rows.vocabulary),
    checks: await measureFiles(change, rows.checks),
  };
  return right({
    ...{ choice, size: config.vocabularySize, reasons, files: own },
    vocabularyFiles: measured.vocabulary.files,
    checks: measured.checks.files,
    removed: removedTokens(change, measured.vocabulary.removed, measured.checks.removed),
  });
}

function textsOf({ text, textPair }: TextRow): readonly string[] {
  return textPair === null ? [text] : [text, textPair];
}

/** Reads the new tokenizers, and checks that each of them gives every kept token its new id. */
function readAfter(
  before: FileMap,
  files: FileMap,
  { kind }: Tokenizer,
  { kept }: VocabularyChoice,
  own: FileMap,
): Either<
  readonly Problem[],
  { readonly own: FileMap; readonly after: Tokenizer; readonly afterModel: ShrinkableModel }
> {
  const problems = TOKENIZER_KINDS.flatMap((one): readonly Problem[] => {
    const path = one === "fast" ? FAST : SLOW;
    const old = files.has(path) ? readHuggingFaceTokenizer(before, one) : left([]);
    if (isLeft(old)) return [];
    const { tokens } = old.right.vocabulary;
    const renumbered = readHuggingFaceTokenizer(files, one);
    if (isLeft(renumbered)) return renumbered.left;
    const wrong = kept.findIndex(
      (id, index) =>
        (tokens[id] ?? "") !== "" && renumbered.right.vocabulary.tokens[index] !== tokens[id],
    );
    if (wrong < 0) return [];
    const expected = `a vocabulary in which ${JSON.stringify(tokens[kept[wrong] ?? 0])} can have the id ${wrong}`;
    const other = renumbered.right.vocabulary.tokens[wrong] ?? "";
    const got = other === "" ? "none" : JSON.stringify(other);
    return [{ path, expected, got }];
  });
  if (problems.length > 0) return left(problems);
  return pipe(
    readHuggingFaceTokenizer(files, kind),
    chain((after) =>
      pipe(
        shrinkableModel(FAST, after),
        map((afterModel) => ({ own, after, afterModel })),
      ),
    ),
  );
}

async function measureFiles(
  change: VocabularyChange,
  rows: readonly ShrinkRows[],
): Promise<{
  readonly files: readonly FileCoverage[];
  readonly removed: ReadonlyMap<number, number>;
}> {
  const files: FileCoverage[] = [];
  const removed = new Map<number, number>();
  for (const { path, pieces } of rows) {
    const measure = measureCoverage(change);
    await pieces(async (some) => {
      for (const row of some) measure.add(textsOf(row));
    });
    files.push({ path, ...measure.coverage() });
    for (const [id, count] of measure.removed) removed.set(id, (removed.get(id) ?? 0) + count);
  }
  return { files, removed };
}

function removedTokens(
  change: VocabularyChange,
  inFiles: ReadonlyMap<number, number>,
  inChecks: ReadonlyMap<number, number>,
): readonly RemovedToken[] {
  const countOf = (id: number): number => (inFiles.get(id) ?? 0) + (inChecks.get(id) ?? 0);
  const ids = [...new Set([...inFiles.keys(), ...inChecks.keys()])];
  return ids
    .sort((a, b) => countOf(b) - countOf(a) || a - b)
    .map((id) => {
      const token = change.before.vocabulary.tokens[id] ?? "";
      return {
        token,
        inFiles: inFiles.get(id) ?? 0,
        inChecks: inChecks.get(id) ?? 0,
        becomes: replacementOf(change, token),
      };
    });
}
