/** Lists the families of golden vectors, with functions that recognise and replay the vectors of each family. */
import { isLeft } from "../core/either.ts";
import { isJsonObject, type JsonObject, parseJson } from "../io/json.ts";
import type { Tokenizer } from "../io/tokenizer.ts";
import type { Backend } from "../kernels/backend.ts";
import { replayAdamW } from "./adamw-rows.ts";
import { isCalibratedCase, replayCalibrated } from "./calibrated.ts";
import { calibratedRefusal } from "./calibrated-failure.ts";
import type { CaseFiles } from "./case-files.ts";
import { replayDirectoryTokenizer } from "./directory-tokenizer.ts";
import { replayEncoderLosses } from "./encoder-losses.ts";
import { encoderRefusal, isEncoderCase, replayEncoder } from "./encoders.ts";
import { replayHeads } from "./heads.ts";
import { headRefusal } from "./heads-case.ts";
import { replayJoint } from "./joint.ts";
import { replayMetrics } from "./metrics.ts";
import { replayModel } from "./model.ts";
import { replaySchedules } from "./model-schedule.ts";
import { replayPruning } from "./pruning.ts";
import { PRUNING_TABLE_NAMES, replayPruningTable } from "./pruning-tables.ts";
import { replayRowFiles } from "./rows.ts";
import { isSlimCase, replaySlim, slimRefusal } from "./slim.ts";
import { replayStrict } from "./strict.ts";
import { replayTokenizer } from "./tokenizer.ts";
import type { Verdict } from "./verdict.ts";

/** The families in which each vector is a directory. */
export type CaseFamily =
  | "calibrated"
  | "encoders"
  | "heads"
  | "joint"
  | "model"
  | "pruning"
  | "rows"
  | "slim"
  | "strict";

/** The families in which each vector is a row or a line of a file. */
export type RowFamily =
  | "encoders"
  | "metrics"
  | "model"
  | "pruning_tables"
  | "tokenizer"
  | "tokenizers";

interface CaseReplay {
  /** Whether a case with this `case.json` belongs to the family. */
  readonly accepts: (json: JsonObject) => boolean;
  readonly replay: (files: CaseFiles, backend: Backend) => Verdict;
  /** Returns why a case cannot be replayed, although it belongs to the family. */
  readonly refusal?: (json: JsonObject) => string | undefined;
  /** Parts with verdicts of their own. */
  readonly parts?: Readonly<Record<string, CaseReplay["replay"]>>;
}

const CASES: Readonly<Record<CaseFamily, CaseReplay>> = {
  calibrated: {
    accepts: isCalibratedCase,
    replay: replayCalibrated,
    refusal: calibratedRefusal,
  },
  encoders: {
    accepts: isEncoderCase,
    replay: replayEncoder,
    refusal: encoderRefusal,
    parts: { losses: replayEncoderLosses },
  },
  // Only trajectories state what drives them, and those of layers have a list as their `model`.
  heads: {
    accepts: ({ drive, model }) => typeof drive === "string" && isJsonObject(model),
    replay: replayHeads,
    refusal: headRefusal,
  },
  joint: { accepts: ({ kind }) => kind === "joint", replay: replayJoint },
  // Vectors of encoders also have a `teacher_config`, but only they state the model's `class`.
  model: { accepts: (json) => "teacher_config" in json && !("class" in json), replay: replayModel },
  // Vectors for pruning attention heads also have `pruners`, but their `model` is an object.
  pruning: {
    accepts: ({ pruners, model }) => pruners !== undefined && Array.isArray(model),
    replay: replayPruning,
  },
  rows: { accepts: ({ script }) => isJsonObject(script), replay: replayRowFiles },
  slim: { accepts: isSlimCase, replay: replaySlim, refusal: slimRefusal },
  strict: { accepts: ({ kind }) => kind === "strict", replay: replayStrict },
};

const CASE_FAMILIES = Object.keys(CASES) as readonly CaseFamily[];

export const FAMILIES: readonly string[] = [
  ...CASE_FAMILIES,
  "metrics",
  "pruning_tables",
  "tokenizer",
  "tokenizers",
];

/**
 * Determines the family of a case from the text of its `case.json`, or otherwise from the nearest parent folder that
 * has the name of a family. If neither identifies one, returns undefined, or `pruning` for text that is not a JSON
 * object: the replay then reports the broken file.
 *
 * @param folders the names of the parent folders, nearest first
 */
export function caseFamily(text: string, folders: readonly string[]): CaseFamily | undefined {
  const json = parseCase(text);
  const stated = json && CASE_FAMILIES.find((family) => CASES[family].accepts(json));
  const named = folders.find((name): name is CaseFamily => Object.hasOwn(CASES, name));
  return stated ?? named ?? (json === undefined ? "pruning" : undefined);
}

/**
 * Returns why a case of a family is not replayed, such as a model that cannot be run; undefined if it is replayed.
 *
 * @param text the text of its `case.json`
 */
export function caseRefusal(family: CaseFamily, text: string): string | undefined {
  const json = parseCase(text);
  return json && CASES[family].refusal?.(json);
}

function parseCase(text: string): JsonObject | undefined {
  const parsed = parseJson("case.json", text);
  return !isLeft(parsed) && isJsonObject(parsed.right) ? parsed.right : undefined;
}

/** Whether a file's name suggests tokenizer vectors. {@link rowFamily} then also checks the text. */
export function mayBeTokenizerCases(name: string): boolean {
  return name.endsWith("cases.jsonl");
}

/** Determines the family of a file with rows or lines. `text` only matters if {@link mayBeTokenizerCases} is true. */
export function rowFamily(name: string, folder: string, text: string): RowFamily | undefined {
  // Vectors of the family `tokenizers` have more fields.
  if (mayBeTokenizerCases(name))
    return /^[^\n]*"(?:attention_mask|add_special_tokens)":/.test(text)
      ? "tokenizers"
      : "tokenizer";
  if (/^lr_schedules?\.json$/.test(name)) return "model";
  if (name === "adamw.json") return "encoders";
  if (name === "metrics.json") return "metrics";
  const table = /^(.*)\.json$/.exec(name)?.[1];
  if (table === undefined) return undefined;
  return PRUNING_TABLE_NAMES.includes(table) || folder === "pruning_tables"
    ? "pruning_tables"
    : undefined;
}

/** Returns the names of the parts of a case that have verdicts of their own. */
export function caseParts(family: CaseFamily): readonly string[] {
  return Object.keys(CASES[family].parts ?? {});
}

/** Replays a case, or one of its parts. */
export function replayCase(
  family: CaseFamily,
  files: CaseFiles,
  backend: Backend,
  part: string | null = null,
): Verdict {
  const { replay, parts } = CASES[family];
  return ((part === null ? undefined : parts?.[part]) ?? replay)(files, backend);
}

/** Replays the rows or lines of a file. Without a tokenizer, tokenizer vectors are skipped. */
export function replayRows(
  family: RowFamily,
  name: string,
  text: string,
  backend: Backend,
  tokenizer: Tokenizer | null,
): readonly Verdict[] {
  switch (family) {
    case "encoders":
      return replayAdamW(name, text, backend);
    case "metrics":
      return replayMetrics(name, text);
    case "model":
      return replaySchedules(name, text);
    case "pruning_tables":
      return replayPruningTable(name.replace(/\.json$/, ""), text);
    case "tokenizer":
      return tokenizer?.kind === "slow" ? replayTokenizer(name, text, tokenizer) : [];
    case "tokenizers":
      return tokenizer === null ? [] : replayDirectoryTokenizer(name, text, tokenizer);
    default:
      return family satisfies never;
  }
}
