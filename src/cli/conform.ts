/** `espalier conform`: replays golden vectors and counts how many pass. */
import { join } from "node:path";
import {
  countVerdicts,
  formatCounts,
  formatFamily,
  formatVerdict,
  type Verdict,
} from "../conform/verdict.ts";
import { InputError, refuseInput, toError } from "../core/either.ts";
import { createTokenizer, type Tokenizer } from "../io/tokenizer.ts";
import { createBackend } from "../kernels/backend.ts";
import { turnOnFlagsOf } from "../node/engine.ts";
import { readText } from "../node/files.ts";
import {
  findAbove,
  findGoldenVectors,
  type GoldenVectors,
  replayGoldenVectors,
} from "../node/golden-vectors.ts";
import { nodeStorage } from "../node/storage.ts";
import { kindProblem } from "../run/storage.ts";
import { type Command, defineCommand } from "./command.ts";
import type { Console } from "./console.ts";
import { choiceOption, textOption } from "./options.ts";

const VOCABULARY = join("data", "bert-uncased", "vocab.txt");

const OPTIONS = {
  only: textOption("REGEX", "replay only the vectors in whose family/name this is found"),
  vocab: textOption(
    "FILE",
    `the tokenizer's vocab.txt (default: ${VOCABULARY} in the nearest directory above DIR that has it)`,
  ),
  tokenizer: textOption(
    "DIR",
    "the directory of the tokenizer for cases of the family tokenizers (default: the one beside each file)",
  ),
  variant: choiceOption(
    ["auto", "revectorized", "fma", "simd", "scalar"],
    "kernels to run, with the engine's flags that they need (default auto: the fastest that needs none)",
  ),
} as const;

function parseOnly(text: string | undefined): RegExp | undefined {
  try {
    return text === undefined ? undefined : new RegExp(text);
  } catch (error) {
    return refuseInput("--only", "a regular expression", toError(error).message);
  }
}

async function loadTokenizer(
  { found }: GoldenVectors,
  directory: string,
  vocab: string | undefined,
): Promise<Tokenizer | null> {
  if (found.every(({ family }) => family !== "tokenizer")) return null;
  const path = vocab ?? (await findAbove(directory, VOCABULARY));
  if (path === undefined)
    return refuseInput(
      "--vocab",
      "a vocab.txt for the tokenizer's vectors",
      `no ${VOCABULARY} above ${directory}`,
    );
  return createTokenizer(await readText(path));
}

type Refused = GoldenVectors["refused"][number];

/** Counts the verdicts and the vectors outside of each family, in order of appearance. */
function byFamily(verdicts: readonly Verdict[], refused: readonly Refused[]) {
  const families = new Set<string>([...verdicts, ...refused].map(({ family }) => family));
  return [...families].map((family) => {
    const own = verdicts.filter((verdict) => verdict.family === family);
    const outside = refused.filter((vector) => vector.family === family).length;
    return [family, { ...countVerdicts(own), ...(outside > 0 ? { outside } : {}) }] as const;
  });
}

/** The vectors outside whose `family/name` matches an expression. */
function refusedOf({ refused }: GoldenVectors, only: RegExp | undefined): readonly Refused[] {
  return refused.filter(({ family, name }) => only === undefined || only.test(`${family}/${name}`));
}

/** Returns functions that print text. Only the vectors that failed are listed. */
function textPrinter({ out }: Console) {
  return {
    unknown: (set: string) => out.write(`${set}: not a known set of vectors, not counted\n`),
    refused: ({ family, name, reason }: Refused) =>
      out.write(`${family} ${name}: outside, not judged (${reason})\n`),
    verdict: (verdict: Verdict) => {
      if (!verdict.passed) out.write(`${formatVerdict(verdict)}\n`);
    },
    counts: (verdicts: readonly Verdict[], refused: readonly Refused[]) => {
      for (const [family, counts] of byFamily(verdicts, refused))
        out.write(`${formatFamily(family, counts)}\n`);
      out.write(`${formatCounts(countVerdicts(verdicts))}\n`);
    },
  };
}

function jsonPrinter({ out }: Console): ReturnType<typeof textPrinter> {
  const print = (event: object): void => out.write(`${JSON.stringify(event)}\n`);
  return {
    unknown: (set) => print({ event: "unknown", set }),
    refused: (vector) => print({ event: "refused", ...vector }),
    // A flat object with the fields of the verdict and of its first difference.
    verdict: ({ difference, ...verdict }) => print({ event: "verdict", ...verdict, ...difference }),
    counts: (verdicts, refused) => {
      const families = Object.fromEntries(byFamily(verdicts, refused));
      print({ event: "end", ...countVerdicts(verdicts), families });
    },
  };
}

export const conformCommand: Command = defineCommand({
  name: "conform",
  summary: "replay golden vectors and compare",
  description: [
    "Replays the golden vectors found below DIR: models, joint training, tokenizers, pruning, attention heads, narrower layers, exact masks, calibrated pruning, row files, metrics. A case directory, a table row or a line of tokenizer cases counts once; one that cannot be read has failed. If DIR holds their manifest, a vector that it lists and that is missing has failed too, unless --only is given. Vectors outside, such as those of models that cannot be run, are named with the reason and counted apart. Sets of vectors that are not known are named. Prints the first difference of each vector that fails and the counts of each family, and ends with the line 'N passed, N failed'. Exit code 1 if one failed.",
  ],
  positionals: ["DIR"],
  options: OPTIONS,
  run: async ({ values, positionals: [directory = ""], json }, console) => {
    const only = parseOnly(values.only);
    const missing = await kindProblem(nodeStorage, "directory", "DIR", directory);
    if (missing !== undefined) throw new InputError([missing]);
    const { tokenizer: own } = values;
    const noTokenizer = own && (await kindProblem(nodeStorage, "directory", "--tokenizer", own));
    if (noTokenizer) throw new InputError([noTokenizer]);
    const vectors = await findGoldenVectors(directory);
    if (vectors.found.length === 0) {
      const sets = vectors.unknown.join(", ");
      const none =
        vectors.refused.length > 0 ? "with vectors that cannot be replayed" : "with none";
      const got = sets === "" ? none : `with sets that are not known: ${sets}`;
      refuseInput("DIR", "a directory with vectors below it", `${directory}, ${got}`);
    }
    turnOnFlagsOf(values.variant, console.engine);
    const backend = createBackend({ variant: values.variant ?? "auto" });
    const tokenizer = await loadTokenizer(vectors, directory, values.vocab);
    const printer = json ? jsonPrinter(console) : textPrinter(console);
    const verdicts: Verdict[] = [];
    for await (const verdict of replayGoldenVectors(vectors, {
      backend,
      tokenizer,
      tokenizerDirectory: values.tokenizer,
      only,
    })) {
      if (console.signal.aborted) return 130;
      printer.verdict(verdict);
      verdicts.push(verdict);
    }
    if (verdicts.length === 0)
      refuseInput("--only", "to find a vector", `${values.only ?? ""}, found in none`);
    for (const vector of refusedOf(vectors, only)) printer.refused(vector);
    for (const set of vectors.unknown) printer.unknown(set);
    printer.counts(verdicts, refusedOf(vectors, only));
    return verdicts.every(({ passed }) => passed) ? 0 : 1;
  },
});
