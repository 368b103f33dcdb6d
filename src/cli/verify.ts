/** `espalier verify`: proves or refutes that a checkpoint's layers obey a sparsity pattern. */

import type { Checkpoint, CheckpointEntry } from "../checkpoint/checkpoint.ts";
import { isPrunable, roleOfTensor, type TensorRole } from "../checkpoint/layers.ts";
import {
  joinVerdicts,
  type LayerVerdict,
  type Verdict,
  type VerifyOptions,
  verifyWeight,
} from "../checkpoint/verify.ts";
import { weightValues } from "../checkpoint/weight-values.ts";
import type { StopSignal } from "../core/abort.ts";
import { InputError } from "../core/either.ts";
import { openCheckpointOrThrow } from "../node/checkpoint-reader.ts";
import { turn } from "../node/turn.ts";
import { exactCount } from "../prune/exact.ts";
import { PATTERN_SPELLINGS, type Pattern, parsePattern } from "../prune/pattern.ts";
import { formatShare, formatTable } from "../report/table.ts";
import { type Command, defineCommand } from "./command.ts";
import type { Console } from "./console.ts";
import { flagOption, numberOption, type OptionValues, textOption } from "./options.ts";

const OPTIONS = {
  pattern: textOption("PATTERN", "such as 2:4, 4x1, 1xchannel (required)"),
  layers: textOption("REGEX", "check only layers in whose name this is found (default: all)"),
  minSparsity: numberOption(
    { least: 0, most: 1 },
    "fail where less than this share of all blocks (of elements for N:M) is zero",
  ),
  exact: flagOption("N:M: exactly N zeros in each group; blocks: no zeros in a block that is kept"),
  tolerance: numberOption({ least: 0 }, "magnitudes up to this count as zero (default 0)"),
} as const;

type Values = OptionValues<typeof OPTIONS>;

function refuse(path: string, expected: string, got: string): never {
  throw new InputError([{ path, expected, got }]);
}

function readPattern(text: string | undefined): Pattern {
  if (text === undefined) return refuse("--pattern", PATTERN_SPELLINGS, "none");
  return parsePattern(text) ?? refuse("--pattern", PATTERN_SPELLINGS, text);
}

function readRegex(text: string | undefined): RegExp | undefined {
  try {
    return text === undefined ? undefined : new RegExp(text);
  } catch (error) {
    return refuse("--layers", "a regular expression", String(error));
  }
}

/** A layer's weight in a checkpoint. */
interface Found {
  readonly role: TensorRole;
  readonly entry: CheckpointEntry;
}

/** The layers to check, in the checkpoint's order of names. */
function layersOf(checkpoint: Checkpoint, only: RegExp | undefined): readonly Found[] {
  const found = checkpoint.entries
    .map((entry) => ({ entry, role: roleOfTensor(entry) }))
    .filter(({ role: { kind, module } }) => isPrunable(kind) && (only?.test(module) ?? true));
  if (found.length > 0) return found;
  const expected = only === undefined ? "a linear or convolution layer" : "to find such a layer";
  const got = only === undefined ? "none" : `${only.source}, found in none`;
  return refuse(only === undefined ? checkpoint.path : "--layers", expected, got);
}

/** A verdict on each layer, one in memory at a time; stops where the signal is aborted. */
async function judge(
  checkpoint: Checkpoint,
  layers: readonly Found[],
  options: VerifyOptions,
  signal: StopSignal,
): Promise<readonly LayerVerdict[]> {
  const verdicts: LayerVerdict[] = [];
  for (const { entry, role } of layers) {
    await turn(signal);
    const { module: name, shape } = role;
    const data = weightValues(checkpoint.read(entry));
    verdicts.push(verifyWeight({ name, shape, data }, options));
  }
  return verdicts;
}

/** What `--min-sparsity` is about: blocks, or elements for N:M; how many are zero of how many. */
function sparsityOf({ total }: Verdict, pattern: Pattern): readonly [zero: number, all: number] {
  if (pattern.kind === "group") return [total.zeros, total.elements];
  return [total.sparseBlocks, total.blocks];
}

/** What the pattern's words are for its blocks. */
function wordsOf(pattern: Pattern): { readonly blocks: string; readonly partial: string } {
  return pattern.kind === "group"
    ? { blocks: "groups that obey", partial: `with more than ${pattern.prune} zeros` }
    : { blocks: "blocks of zeros", partial: "partial blocks" };
}

function tableOf(verdict: Verdict, pattern: Pattern): string {
  const { blocks, partial } = wordsOf(pattern);
  const row = (name: string, shape: string, one: Verdict["total"]): readonly string[] => [
    name,
    shape,
    `${one.sparseBlocks}/${one.blocks}`,
    formatShare(one.sparseBlocks, one.blocks),
    String(one.partialBlocks),
    `${one.zeros}/${one.elements}`,
    formatShare(one.zeros, one.elements),
    String(one.remainder),
  ];
  return formatTable({
    header: ["layer", "shape", blocks, "share", partial, "zeros", "share", "not covered"],
    rows: [
      ...verdict.layers.map((layer) => row(layer.name, layer.shape.join("x"), layer)),
      row("all", "", verdict.total),
    ],
  });
}

/** Why the checkpoint fails; empty where it does not. */
function failures(
  verdict: Verdict,
  pattern: Pattern,
  least: number | undefined,
): readonly string[] {
  const { violation, total } = verdict;
  const found: string[] = [];
  if (violation !== null) {
    const { layer, row, column, expected, got } = violation;
    found.push(`${layer}, row ${row}, column ${column}: expected ${expected}, got ${got}`);
  }
  if (total.blocks === 0) found.push(`${verdict.pattern} has no whole block in any layer`);
  const [zero, all] = sparsityOf(verdict, pattern);
  // A share is a count, rounded down, as pruning makes one of its target.
  const needed = exactCount(all, least ?? 0);
  if (zero < needed) {
    const what = pattern.kind === "group" ? "elements" : "blocks";
    found.push(`expected at least ${needed} of ${all} ${what} to be zero (${least}), got ${zero}`);
  }
  return found;
}

function report(
  verdict: Verdict,
  pattern: Pattern,
  values: Values,
  { out }: Console,
  json: boolean,
): boolean {
  const faults = failures(verdict, pattern, values.minSparsity);
  if (json) {
    const [zero, all] = sparsityOf(verdict, pattern);
    const sparsity = all === 0 ? 0 : zero / all;
    out.write(`${JSON.stringify({ passed: faults.length === 0, faults, sparsity, ...verdict })}\n`);
    return faults.length === 0;
  }
  const { exact, tolerance, layers } = verdict;
  const zero = tolerance === 0 ? "zero is exact" : `up to ${tolerance} counts as zero`;
  const what = `${layers.length} layers against ${verdict.pattern}${exact ? ", exactly" : ""}; ${zero}`;
  out.write(`${what}\n\n${tableOf(verdict, pattern)}\n\n`);
  out.write(
    faults.length === 0
      ? `passed: every whole ${pattern.kind === "group" ? "group" : "block"} obeys\n`
      : faults.map((fault) => `FAILED: ${fault}\n`).join(""),
  );
  return faults.length === 0;
}

/** The command. */
export const verifyCommand: Command = defineCommand({
  name: "verify",
  summary: "prove or refute that a checkpoint obeys a sparsity pattern",
  description: [
    "Looks at every element of the weights of linear and convolution layers, tensor by tensor. N:M: at least N zeros in every group. Blocks: states the share of blocks that are all zero, and counts partial ones; a dense model has a share of 0, which --min-sparsity fails.",
    "IN is a file of safetensors, an index of several (*.index.json), a state dict that torch.save wrote, or a directory. Elements that the pattern does not cover are counted and not checked. Exit code 1 where the pattern is broken, with the first violation.",
  ],
  positionals: ["IN"],
  options: OPTIONS,
  run: async ({ values, positionals: [path = ""], json }, console) => {
    const pattern = readPattern(values.pattern);
    const only = readRegex(values.layers);
    const checkpoint = await openCheckpointOrThrow(path);
    try {
      const options = {
        pattern,
        exact: values.exact === true,
        tolerance: values.tolerance ?? 0,
      };
      const layers = layersOf(checkpoint, only);
      const verdicts = await judge(checkpoint, layers, options, console.signal);
      return report(joinVerdicts(verdicts, options), pattern, values, console, json) ? 0 : 1;
    } catch (error) {
      if (console.signal.aborted) return 130;
      throw error;
    } finally {
      checkpoint.close();
    }
  },
});
