/**
 * Chooses the tokens of a vocabulary that stay. A text whose tokens all stay has the same tokens after it, but for their
 * ids.
 */
import { encodedWords, type Tokenizer } from "../io/tokenizer.ts";
import {
  isCharacter,
  passedTokens,
  piecesOfUnknown,
  type ShrinkableModel,
  unknownId,
} from "./vocabulary-model.ts";

/** The reasons for which a token stays. The first one that applies counts. */
export const KEEP_REASONS = ["special", "character", "used", "passed"] as const;

export type KeepReason = (typeof KEEP_REASONS)[number];

/** The tokens of texts. */
export interface TokenUse {
  /** How often each token occurs, by id. */
  readonly counts: Float64Array;
  /** Pieces found in unknown words. */
  readonly passed: ReadonlySet<number>;
}

/** Counts the tokens of texts, without special tokens around them. */
export function countTokens(
  tokenizer: Tokenizer,
  model: ShrinkableModel,
): { readonly add: (text: string) => void; readonly use: TokenUse } {
  const counts = new Float64Array(tokenizer.vocabulary.tokens.length);
  const passed = new Set<number>();
  const unknown = unknownId(model);
  const add = (text: string): void => {
    for (const { text: word, isAdded, ids } of encodedWords(tokenizer, text)) {
      for (const id of ids) counts[id] = (counts[id] ?? 0) + 1;
      if (!isAdded && ids.length === 1 && ids[0] === unknown)
        for (const id of piecesOfUnknown(model, word)) passed.add(id);
    }
  };
  return { add, use: { counts, passed } };
}

/** What is chosen from. */
export interface VocabularyQuestion {
  readonly tokenizer: Tokenizer;
  readonly model: ShrinkableModel;
  readonly use: TokenUse;
  /** Ids that must stay, such as those in config.json. */
  readonly required: Iterable<number>;
  /** How many of the used tokens stay beside those that must; default all. Of equally frequent ones, the lower id. */
  readonly keep?: number | undefined;
}

/** The tokens that stay, which keep their order. */
export interface VocabularyChoice {
  /** The old id of each new one, ascending. */
  readonly kept: Int32Array;
  /** The new id of each old one, or -1. */
  readonly newIds: Int32Array;
  readonly reasons: Readonly<Record<KeepReason, number>>;
}

/** Returns the ids of added tokens, of the post-processor's, and of the unknown token. */
function specialTokenIds(tokenizer: Tokenizer, model: ShrinkableModel): readonly number[] {
  const unknown = unknownId(model);
  const own = unknown < 0 ? [] : [unknown];
  if (tokenizer.kind === "slow")
    return [
      ...own,
      ...Object.values(tokenizer.vocabulary.special),
      ...tokenizer.added.ids.values(),
    ];
  const { added, templates } = tokenizer.pipeline;
  const inTemplates = [...templates.single, ...templates.pair].flatMap((piece) =>
    piece.kind === "special" ? piece.ids : [],
  );
  return [...own, ...added.ids.values(), ...inTemplates];
}

/** Chooses the tokens that stay. */
export function chooseVocabulary(question: VocabularyQuestion): VocabularyChoice {
  const { tokenizer, model, use, required, keep = Number.POSITIVE_INFINITY } = question;
  const reasonOf = new Map<number, KeepReason>();
  const add = (ids: Iterable<number>, reason: KeepReason): void => {
    for (const id of ids) if (!reasonOf.has(id)) reasonOf.set(id, reason);
  };
  add(specialTokenIds(tokenizer, model), "special");
  add(required, "special");
  for (const [token, id] of model.vocabulary) if (isCharacter(model, token)) add([id], "character");
  add(use.passed, "passed");
  const used = [...use.counts.keys()].filter((id) => use.counts[id] !== 0 && !reasonOf.has(id));
  const byCount = (a: number, b: number): number =>
    (use.counts[b] ?? 0) - (use.counts[a] ?? 0) || a - b;
  add(used.length > keep ? used.sort(byCount).slice(0, keep) : used, "used");
  const { tokens } = tokenizer.vocabulary;
  for (const id of [...reasonOf.keys()]) add(passedTokens(model, tokens[id] ?? ""), "passed");
  return renumbered(reasonOf, tokens.length);
}

function renumbered(reasonOf: ReadonlyMap<number, KeepReason>, size: number): VocabularyChoice {
  const kept = Int32Array.from(reasonOf.keys()).sort();
  const newIds = new Int32Array(Math.max(size, (kept.at(-1) ?? -1) + 1)).fill(-1);
  kept.forEach((id, index) => {
    newIds[id] = index;
  });
  const reasons = { special: 0, character: 0, used: 0, passed: 0 };
  for (const reason of reasonOf.values()) reasons[reason]++;
  return { kept, newIds, reasons };
}
