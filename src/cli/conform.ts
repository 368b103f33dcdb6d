/** `espalier conform`: replays golden vectors and counts what passes. */

import { basename, join, resolve } from "node:path";
import { CaseFileError, type CaseFiles } from "../conform/case-files.ts";
import { replayJoint } from "../conform/joint.ts";
import { missingVectors } from "../conform/manifest.ts";
import { replayModel } from "../conform/model.ts";
import { replaySchedules } from "../conform/model-schedule.ts";
import { replayPruning } from "../conform/pruning.ts";
import { replayPruningTable } from "../conform/pruning-tables.ts";
import { replayStrict } from "../conform/strict.ts";
import { replayTokenizer } from "../conform/tokenizer.ts";
import {
  brokenVerdict,
  countVerdicts,
  formatCounts,
  formatFamily,
  formatVerdict,
  type Verdict,
} from "../conform/verdict.ts";
import { InputError } from "../core/either.ts";
import { createTokenizer, type Tokenizer } from "../io/tokenizer.ts";
import { type Backend, createBackend } from "../kernels/backend.ts";
import { turnOnFlagsOf } from "../node/engine.ts";
import { kindOfPath, readBytes } from "../node/files.ts";
import { nodeStorage } from "../node/storage.ts";
import { directoryProblem } from "../run/storage.ts";
import { type Command, defineCommand } from "./command.ts";
import type { Console } from "./console.ts";
import { choiceOption, textOption } from "./options.ts";
import { type FoundVectors, findAbove, findVectors, listedVectors, readText } from "./vectors.ts";

const VOCABULARY = join("data", "bert-uncased", "vocab.txt");

const OPTIONS = {
  only: textOption("REGEX", "replay only the vectors in whose family/name this is found"),
  vocab: textOption(
    "FILE",
    `the tokenizer's vocab.txt (default: ${VOCABULARY} in the nearest directory above DIR that has it)`,
  ),
  variant: choiceOption(
    ["auto", "revectorized", "fma", "simd", "scalar"],
    "kernels to run, with the engine's flags that they need (default auto: the fastest that needs none)",
  ),
} as const;

/** What replaying needs beside the vectors. */
interface Replay {
  readonly backend: Backend;
  /** Null where there are no tokenizer vectors. */
  readonly tokenizer: Tokenizer | null;
  readonly only: RegExp | undefined;
}

function refuse(path: string, expected: string, got: string): never {
  throw new InputError([{ path, expected, got }]);
}

function parseOnly(text: string | undefined): RegExp | undefined {
  try {
    return text === undefined ? undefined : new RegExp(text);
  } catch (error) {
    return refuse(
      "--only",
      "a regular expression",
      error instanceof Error ? error.message : (text ?? ""),
    );
  }
}

function isWanted({ only }: Replay, { family, name }: Pick<Verdict, "family" | "name">): boolean {
  return only === undefined || only.test(`${family}/${name}`);
}

async function loadTokenizer(
  found: readonly FoundVectors[],
  directory: string,
  vocab: string | undefined,
): Promise<Tokenizer | null> {
  if (found.every(({ family }) => family !== "tokenizer")) return null;
  const path = vocab ?? (await findAbove(resolve(directory), VOCABULARY));
  if (path === undefined)
    return refuse(
      "--vocab",
      "a vocab.txt for the tokenizer's vectors",
      `no ${VOCABULARY} above ${directory}`,
    );
  return createTokenizer(await readText(path));
}

/** A file of a case. @throws CaseFileError where it is not there or cannot be read */
async function readPart<T>(path: string, read: (path: string) => Promise<T>): Promise<T> {
  try {
    return await read(path);
  } catch (error) {
    const isFile = (await kindOfPath(path)) === "file";
    const got = isFile ? (error instanceof Error ? error.message : String(error)) : "none";
    const expected = isFile ? "a file that can be read" : "a file";
    throw new CaseFileError({ path: basename(path), expected, got });
  }
}

async function readCase(name: string, directory: string): Promise<CaseFiles> {
  const json = await readPart(join(directory, "case.json"), readText);
  const tensors = await readPart(join(directory, "tensors.safetensors"), readBytes);
  return { name, json, tensors };
}

function replayCase(
  family: (FoundVectors & { readonly kind: "case" })["family"],
  files: CaseFiles,
  backend: Backend,
): Verdict {
  switch (family) {
    case "model":
      return replayModel(files, backend);
    case "joint":
      return replayJoint(files, backend);
    case "pruning":
      return replayPruning(files);
    case "strict":
      return replayStrict(files);
    default:
      return family satisfies never;
  }
}

function replayRows(
  { family, name }: FoundVectors & { readonly kind: "rows" },
  text: string,
  tokenizer: Tokenizer | null,
): Iterable<Verdict> {
  switch (family) {
    case "tokenizer":
      return tokenizer === null ? [] : replayTokenizer(name, text, tokenizer);
    case "model":
      return replaySchedules(name, text);
    case "pruning_tables":
      return replayPruningTable(basename(name, ".json"), text);
    default:
      return family satisfies never;
  }
}

/** The verdicts of one case or file; one that cannot be read has failed. */
async function replayFound(found: FoundVectors, replay: Replay): Promise<readonly Verdict[]> {
  const { backend, tokenizer } = replay;
  try {
    if (found.kind === "case")
      return isWanted(replay, found)
        ? [replayCase(found.family, await readCase(found.name, found.directory), backend)]
        : [];
    const verdicts = [...replayRows(found, await readText(found.path), tokenizer)];
    return verdicts.filter((verdict) => isWanted(replay, verdict));
  } catch (error) {
    return [brokenVerdict(found.family, found.name, error)];
  }
}

/** A verdict as one flat object: the fields of its first difference stand beside its own. */
function verdictEvent({ difference, ...verdict }: Verdict): object {
  return { event: "verdict", ...verdict, ...difference };
}

/** Prints a vector: failed ones for a person, all of them as JSON. */
function printVerdict(verdict: Verdict, json: boolean, console: Console): void {
  if (json) console.out.write(`${JSON.stringify(verdictEvent(verdict))}\n`);
  else if (!verdict.passed) console.out.write(`${formatVerdict(verdict)}\n`);
}

function printCounts(verdicts: readonly Verdict[], json: boolean, console: Console): void {
  const total = countVerdicts(verdicts);
  const byFamily = [...new Set(verdicts.map(({ family }) => family))].map((family) => {
    const own = verdicts.filter((verdict) => verdict.family === family);
    return [family, countVerdicts(own)] as const;
  });
  if (json) {
    const families = Object.fromEntries(byFamily);
    console.out.write(`${JSON.stringify({ event: "end", ...total, families })}\n`);
    return;
  }
  for (const [family, counts] of byFamily) console.out.write(`${formatFamily(family, counts)}\n`);
  console.out.write(`${formatCounts(total)}\n`);
}

/** The command. */
export const conformCommand: Command = defineCommand({
  name: "conform",
  summary: "replay golden vectors and compare",
  description: [
    "Replays the golden vectors found below DIR: models, joint training, the tokenizer, pruning, exact masks. A case directory, a table row or a line of tokenizer cases counts once; one that cannot be read has failed. Where DIR holds their manifest, one that it lists and that is not there has failed too, unless --only is given. Prints the first difference of each that fails and the counts of each family, and ends with the line 'N passed, N failed'. Exit code 1 where one failed.",
  ],
  positionals: ["DIR"],
  options: OPTIONS,
  run: async ({ values, positionals: [directory = ""], json }, console) => {
    const only = parseOnly(values.only);
    const missing = await directoryProblem(nodeStorage, "DIR", directory);
    if (missing !== undefined) throw new InputError([missing]);
    const listed = await listedVectors(directory);
    const found = await findVectors(directory);
    if (found.length === 0)
      refuse("DIR", "a directory with vectors below it", `${directory}, with none`);
    turnOnFlagsOf(values.variant, console.engine);
    const backend = createBackend({ variant: values.variant ?? "auto" });
    const tokenizer = await loadTokenizer(found, directory, values.vocab);
    const verdicts: Verdict[] = [];
    const take = (verdict: Verdict): void => {
      printVerdict(verdict, json, console);
      verdicts.push(verdict);
    };
    for (const each of found) {
      if (console.signal.aborted) return 130;
      for (const verdict of await replayFound(each, { backend, tokenizer, only })) take(verdict);
    }
    if (listed !== undefined && only === undefined)
      for (const verdict of missingVectors(listed, verdicts)) take(verdict);
    if (verdicts.length === 0)
      refuse("--only", "to find a vector", `${values.only ?? ""}, found in none`);
    printCounts(verdicts, json, console);
    return verdicts.every(({ passed }) => passed) ? 0 : 1;
  },
});
