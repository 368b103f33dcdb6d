/** `espalier verify`: checks whether the layers of a checkpoint obey a sparsity pattern. */

import { chooseLayers, readNameExpression, requireLayers } from "../checkpoint/choice.ts";
import { surveyCheckpoint } from "../checkpoint/survey.ts";
import { type CheckpointVerdict, verifyCheckpoint } from "../checkpoint/verify-checkpoint.ts";
import { counted } from "../core/counted.ts";
import { refuseInput } from "../core/either.ts";
import { turn } from "../node/turn.ts";
import { PATTERN_SPELLINGS, type Pattern, parsePattern } from "../prune/pattern.ts";
import { formatShare, formatTable } from "../report/table.ts";
import { findCheckpoint, withCheckpoint } from "./checkpoint-run.ts";
import { type Command, defineCommand } from "./command.ts";
import type { Console } from "./console.ts";
import { flagOption, numberOption, textOption } from "./options.ts";
import {
  LAYER_OPTIONS,
  printAccount,
  ROLE_OPTIONS,
  readLayerChoice,
  readModelStatements,
} from "./tensor-roles.ts";

const OPTIONS = {
  pattern: textOption("PATTERN", "such as 2:4, 4x1 or 1xchannel (required)"),
  minSparsity: numberOption(
    { least: 0, most: 1 },
    "fail if less than this share of all blocks (of elements for N:M) is zero",
  ),
  exact: flagOption("N:M: exactly N zeros in each group; blocks: no zeros in kept blocks"),
  tolerance: numberOption({ least: 0 }, "magnitudes up to this count as zero (default 0)"),
  ...LAYER_OPTIONS,
  ...ROLE_OPTIONS,
  allowUncovered: textOption(
    "REGEX",
    "pass although tensors whose name matches are neither judged nor known",
  ),
} as const;

function requirePattern(text: string | undefined): Pattern {
  if (text === undefined) return refuseInput("--pattern", PATTERN_SPELLINGS, "none");
  return parsePattern(text) ?? refuseInput("--pattern", PATTERN_SPELLINGS, text);
}

/** Returns the column headings for the blocks of a pattern. */
function wordsOf(pattern: Pattern): { readonly blocks: string; readonly partial: string } {
  return pattern.kind === "group"
    ? { blocks: "groups that obey", partial: `with more than ${pattern.prune} zeros` }
    : { blocks: "blocks of zeros", partial: "partial blocks" };
}

function tableOf(verdict: CheckpointVerdict, pattern: Pattern): string {
  const { blocks, partial } = wordsOf(pattern);
  const all = { ...verdict.total, name: "all", shape: [] };
  return formatTable({
    header: ["layer", "shape", blocks, "share", partial, "zeros", "share"],
    rows: [...verdict.layers, all].map((one) => [
      one.name,
      one.shape.join("x"),
      `${one.sparseBlocks}/${one.blocks}`,
      formatShare(one.sparseBlocks, one.blocks),
      String(one.partialBlocks),
      `${one.zeros}/${one.elements}`,
      formatShare(one.zeros, one.elements),
    ]),
  });
}

function printText(verdict: CheckpointVerdict, pattern: Pattern, { out }: Console): void {
  const { passed, faults, exact, tolerance, layers } = verdict;
  const zero = tolerance === 0 ? "zero is exact" : `up to ${tolerance} counts as zero`;
  const what = `${counted(layers.length, "layer")} against ${verdict.pattern}${exact ? ", exactly" : ""}; ${zero}`;
  out.write(`${what}\n\n${tableOf(verdict, pattern)}\n\n`);
  printAccount("judged", verdict, out);
  out.write(
    passed
      ? `passed: every ${pattern.kind === "group" ? "group" : "block"} of the judged layers obeys\n`
      : faults.map((fault) => `FAILED: ${fault}\n`).join(""),
  );
}

export const verifyCommand: Command = defineCommand({
  name: "verify",
  summary: "prove or refute that a checkpoint obeys a sparsity pattern",
  description: [
    "Looks at every element of the weights of linear layers, convolutions, transposed convolutions and experts. N:M: every group needs at least N zeros. Blocks: reports the share of zero blocks and counts partial ones. A dense model has a share of 0, which fails --min-sparsity.",
    "IN is a safetensors file, an index of several (*.index.json), a state dict of torch.save, a directory, or a model in the Hugging Face cache. Every tensor is accounted for. Embeddings, norms, biases, vectors, heads, layers that the pattern does not divide and those that options leave out are listed with the reason. A tensor of two or more dimensions that is neither a layer nor an embedding fails the proof, unless --allow-uncovered matches it.",
    "Roles of tensors, and which axis holds the inputs, come from the options --role and --axes, then from config.json, then from names and shapes; the last is stated as an assumption. Exit code 1 if the pattern is broken; the first violation is printed.",
  ],
  positionals: ["IN"],
  options: OPTIONS,
  run: async ({ values, positionals: [path = ""], json }, console) => {
    const pattern = requirePattern(values.pattern);
    const { exact = false, tolerance = 0, minSparsity } = values;
    const uncovered = values.allowUncovered;
    const allowUncovered =
      uncovered === undefined ? undefined : readNameExpression("allowUncovered", uncovered);
    const choice = readLayerChoice(values);
    const place = await findCheckpoint("IN", path);
    const { evidence } = await readModelStatements(place, values);
    return withCheckpoint(place, async (checkpoint) => {
      const tensors = surveyCheckpoint(checkpoint, evidence);
      const chosen = chooseLayers(tensors, choice);
      requireLayers(checkpoint.path, chosen, "judge");
      const requirement = { pattern, exact, tolerance, minSparsity, allowUncovered };
      const verdict = await verifyCheckpoint(checkpoint, tensors, chosen, requirement, () =>
        turn(console.signal),
      );
      if (json) console.out.write(`${JSON.stringify(verdict)}\n`);
      else printText(verdict, pattern, console);
      return verdict.passed ? 0 : 1;
    });
  },
});
