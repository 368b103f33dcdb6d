/** `espalier verify`: checks whether the layers of a checkpoint obey a sparsity pattern. */

import { type CheckpointVerdict, layerWeights, verifyCheckpoint } from "../checkpoint/verify.ts";
import { refuseInput } from "../core/either.ts";
import { turn } from "../node/turn.ts";
import { PATTERN_SPELLINGS, type Pattern, parsePattern } from "../prune/pattern.ts";
import { formatShare, formatTable } from "../report/table.ts";
import { withCheckpoint } from "./checkpoint-run.ts";
import { type Command, defineCommand } from "./command.ts";
import type { Console } from "./console.ts";
import { flagOption, numberOption, textOption } from "./options.ts";

const OPTIONS = {
  pattern: textOption("PATTERN", "such as 2:4, 4x1 or 1xchannel (required)"),
  layers: textOption("REGEX", "check only layers whose name matches (default: all)"),
  minSparsity: numberOption(
    { least: 0, most: 1 },
    "fail if less than this share of all blocks (of elements for N:M) is zero",
  ),
  exact: flagOption("N:M: exactly N zeros in each group; blocks: no zeros in kept blocks"),
  tolerance: numberOption({ least: 0 }, "magnitudes up to this count as zero (default 0)"),
} as const;

function requirePattern(text: string | undefined): Pattern {
  if (text === undefined) return refuseInput("--pattern", PATTERN_SPELLINGS, "none");
  return parsePattern(text) ?? refuseInput("--pattern", PATTERN_SPELLINGS, text);
}

function readRegex(text: string | undefined): RegExp | undefined {
  try {
    return text === undefined ? undefined : new RegExp(text);
  } catch (error) {
    return refuseInput("--layers", "a regular expression", String(error));
  }
}

/** Column headings for a pattern's blocks. */
function wordsOf(pattern: Pattern): { readonly blocks: string; readonly partial: string } {
  return pattern.kind === "group"
    ? { blocks: "groups that obey", partial: `with more than ${pattern.prune} zeros` }
    : { blocks: "blocks of zeros", partial: "partial blocks" };
}

function tableOf(verdict: CheckpointVerdict, pattern: Pattern): string {
  const { blocks, partial } = wordsOf(pattern);
  const all = { ...verdict.total, name: "all", shape: [] };
  return formatTable({
    header: ["layer", "shape", blocks, "share", partial, "zeros", "share", "not covered"],
    rows: [...verdict.layers, all].map((one) => [
      one.name,
      one.shape.join("x"),
      `${one.sparseBlocks}/${one.blocks}`,
      formatShare(one.sparseBlocks, one.blocks),
      String(one.partialBlocks),
      `${one.zeros}/${one.elements}`,
      formatShare(one.zeros, one.elements),
      String(one.remainder),
    ]),
  });
}

function printText(verdict: CheckpointVerdict, pattern: Pattern, { out }: Console): void {
  const { passed, faults, exact, tolerance, layers } = verdict;
  const zero = tolerance === 0 ? "zero is exact" : `up to ${tolerance} counts as zero`;
  const what = `${layers.length} layers against ${verdict.pattern}${exact ? ", exactly" : ""}; ${zero}`;
  out.write(`${what}\n\n${tableOf(verdict, pattern)}\n\n`);
  out.write(
    passed
      ? `passed: every whole ${pattern.kind === "group" ? "group" : "block"} obeys\n`
      : faults.map((fault) => `FAILED: ${fault}\n`).join(""),
  );
}

export const verifyCommand: Command = defineCommand({
  name: "verify",
  summary: "prove or refute that a checkpoint obeys a sparsity pattern",
  description: [
    "Looks at every element of the weights of linear and convolution layers. N:M: every group needs at least N zeros. Blocks: reports the share of zero blocks and counts partial ones. A dense model has a share of 0, which fails --min-sparsity.",
    "IN is a safetensors file, an index of several (*.index.json), a state dict of torch.save, or a directory. Elements that the pattern does not cover are counted but not checked. Exit code 1 if the pattern is broken; the first violation is printed.",
  ],
  positionals: ["IN"],
  options: OPTIONS,
  run: ({ values, positionals: [path = ""], json }, console) => {
    const pattern = requirePattern(values.pattern);
    const only = readRegex(values.layers);
    const { exact = false, tolerance = 0, minSparsity } = values;
    return withCheckpoint(path, async (checkpoint) => {
      const weights = layerWeights(checkpoint, only);
      if (weights.length === 0) {
        if (only === undefined)
          return refuseInput(checkpoint.path, "a linear or convolution layer", "none");
        return refuseInput("--layers", "to find such a layer", `${only.source}, found in none`);
      }
      const requirement = { pattern, exact, tolerance, minSparsity };
      const verdict = await verifyCheckpoint(checkpoint, weights, requirement, () =>
        turn(console.signal),
      );
      if (json) console.out.write(`${JSON.stringify(verdict)}\n`);
      else printText(verdict, pattern, console);
      return verdict.passed ? 0 : 1;
    });
  },
});
