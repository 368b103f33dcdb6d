/** `espalier shrink`: writes a copy of a model without zero channels, and without tokens that texts do not use. */
import { GLUE_TASK_NAMES } from "../io/glue-tasks.ts";
import { TOKENIZER_KINDS } from "../io/hugging-face.ts";
import { shrinkPlace } from "../node/checkpoint-copies.ts";
import { HEADS, WIDTHS } from "../run/narrowed-layers.ts";
import { findCopied, withProgress } from "./checkpoint-run.ts";
import { type Command, defineCommand } from "./command.ts";
import { describeRows } from "./inference.ts";
import { choiceOption, integerOption, textOption, textsOption } from "./options.ts";
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
    WIDTHS,
    "uniform: remove zero channels of feed-forward layers, as many in each; per-layer: remove all of them, after which only Espalier reads the model (default keep)",
  ),
  align: integerOption(
    { least: 1 },
    "remove channels in aligned groups of N, so that blocks of N outputs keep their places; an incomplete last group stays (default 1)",
  ),
  multiple: integerOption(
    { least: 1 },
    "round widths up to a multiple of N, whichever channels are zero; not together with --align (default 1)",
  ),
  heads: choiceOption(
    HEADS,
    "remove: remove attention heads that are zero; each layer keeps at least one (default keep)",
  ),
  vocabularyFrom: textsOption(
    "FILE",
    "texts whose tokens stay, such as training rows: CSV, TSV, JSON or JSON Lines by name, also compressed; else a text on each line",
  ),
  ...TEXT_OPTIONS,
} as const;

export const shrinkCommand: Command = defineCommand({
  name: "shrink",
  summary: "write a copy of a model with fewer channels, heads and tokens",
  description: [
    "IN is a directory, or a model in the Hugging Face cache, of an encoder. With --widths uniform, channels of feed-forward layers that are zero are removed, as many in each layer; with per-layer, all of them, and config.json states the width of each layer in a key of Espalier's own. With --heads remove, config.json lists the removed heads as version 4 of transformers reads them. OUT is either complete or absent, and a model of the same kind.",
    "With --vocabulary-from, the tokens of the given texts stay, with special tokens and single characters; all others are removed from the embeddings and from the tokenizer's files, and ids are renumbered. The tokenizer is WordPiece or byte-level BPE. If only tokens are removed, a text whose tokens all stay has the same logits, bit for bit. With --keep, less frequent tokens of the texts are removed, too: they are divided into pieces that stay.",
  ],
  positionals: ["IN"],
  options: OPTIONS,
  run: async ({ values, positionals: [from = ""], json }, console) => {
    const { place, to } = await findCopied(from, values.out, "the result");
    const { textColumn, textPairColumn, labelColumn, labelSeparator, skipBadRows, ...own } = values;
    const rowOptions = {
      ...(textColumn !== undefined && { textColumn }),
      ...(textPairColumn !== undefined && { textPairColumn }),
      ...(labelColumn !== undefined && { labelColumn }),
      ...(labelSeparator !== undefined && { labelSeparator }),
      ...(skipBadRows !== undefined && { skipBadRows }),
    };
    const { out: _, ...settings } = own;
    const { signal } = console;
    const { result, seconds } = await withProgress(console, "shrink", (onProgress) =>
      shrinkPlace(place, to, {
        ...settings,
        ...{ rowOptions, signal, onProgress },
        onRows: (rows) => describeRows(console, rows),
      }),
    );
    (json ? printShrunkJson : printShrunk)({ from, to, ...result, seconds }, console);
    return 0;
  },
});
