/** `espalier prune`: one-shot pruning of a checkpoint into a copy of it. */

import { statSync } from "node:fs";
import { join } from "node:path";
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import type { PrunedCheckpoint, TensorBytes } from "../checkpoint/prune.ts";
import { InputError } from "../core/either.ts";
import { HUGGING_FACE_FILES } from "../io/hugging-face.ts";
import { createBackend } from "../kernels/backend.ts";
import { type PruningOptions, pruneCheckpoint } from "../node/checkpoint-copies.ts";
import { openCheckpointOrThrow } from "../node/checkpoint-reader.ts";
import { checkCopyTarget } from "../node/checkpoint-writer.ts";
import { ELEMENT_CRITERION_NAMES } from "../prune/criteria.ts";
import { formatSeconds, formatShare, formatTable } from "../report/table.ts";
import { createPruningKernels } from "../train/pruning-kernels.ts";
import { modulesOf, orderName } from "./checkpoint-modules.ts";
import { type Command, defineCommand, type ExitCode } from "./command.ts";
import type { Console } from "./console.ts";
import { choiceOption, flagOption, numberOption, textOption } from "./options.ts";
import { createProgress } from "./progress.ts";
import { type PruneValues, readPruners } from "./prune-options.ts";

const OPTIONS = {
  out: textOption("OUT", "where the pruned copy goes; nothing may be there (required)"),
  pattern: textOption("PATTERN", "such as 2:4, 4x1, 1xchannel (required without --config)", [
    "pruning-pattern",
  ]),
  sparsity: numberOption(
    { least: 0, below: 1 },
    "share of blocks to prune, of elements for N:M (required without --config)",
    ["target-sparsity"],
  ),
  scope: choiceOption(
    ["global", "local"],
    "all layers share one budget (default), or each has its own",
    ["pruning-scope"],
  ),
  criterion: choiceOption(
    ELEMENT_CRITERION_NAMES,
    "how importance is measured (default magnitude)",
    ["pruning-type"],
  ),
  scoreReduction: choiceOption(
    ["mean", "sum", "max"],
    "how a block's scores become one (default mean)",
    ["criterion-reduce-type"],
  ),
  layers: textOption("REGEX", "prune only layers in whose name this is found", ["op-names"]),
  exclude: textOption("REGEX", "leave layers alone in whose name this is found", [
    "excluded-op-names",
  ]),
  excludeHead: flagOption("leave classifier heads alone, known by their names (default true)"),
  minSparsityPerLayer: numberOption({ least: 0, most: 1 }, "least share of any one layer", [
    "min-sparsity-ratio-per-op",
  ]),
  maxSparsityPerLayer: numberOption({ least: 0, most: 1 }, "greatest share of any one layer", [
    "max-sparsity-ratio-per-op",
  ]),
  config: textOption(
    "FILE",
    "pruners in Intel Neural Compressor's keys, JSON or YAML, instead of the options above; their schedules are not used",
    ["pruning-config"],
  ),
  gradients: textOption(
    "FILE",
    "a checkpoint whose tensors are the gradients of those in IN, for criteria other than magnitude",
  ),
  gzip: flagOption("also compress every tensor, and state what that would take: slow"),
  profile: choiceOption(
    ["strict", "inc"],
    "strict (default): exact counts, one layer in memory at a time; inc: as Intel Neural Compressor counts, all layers in memory",
  ),
} as const;

const MEBIBYTE = 2 ** 20;

/** What was done, beside what says where and how. */
interface Outcome {
  readonly result: PrunedCheckpoint;
  readonly from: string;
  readonly to: string;
  readonly order: "config.json" | "the files";
  readonly bytes: number;
  readonly seconds: number;
}

function sum(outcome: Outcome, of: "zeros" | "elements"): number {
  return outcome.result.layers.reduce((total, layer) => total + layer[of], 0);
}

function printJson(outcome: Outcome, { out }: Console): void {
  const { result, ...where } = outcome;
  const zeros = sum(outcome, "zeros");
  const elements = sum(outcome, "elements");
  out.write(`${JSON.stringify({ ...where, ...result, zeros, elements })}\n`);
}

function printText(outcome: Outcome, { out }: Console): void {
  const { result, from, to, order, seconds, bytes } = outcome;
  const [zeros, elements] = [sum(outcome, "zeros"), sum(outcome, "elements")];
  const row = (name: string, shape: string, zero: number, all: number, size: TensorBytes) => [
    ...[name, shape, `${zero}/${all}`, formatShare(zero, all)],
    ...[`${size.dense}`, `${size.packed}`, ...(size.gzip === null ? [] : [`${size.gzip}`])],
  ];
  const sizes = (of: "dense" | "packed" | "gzip"): number =>
    result.layers.reduce((total, { bytes: size }) => total + (size[of] ?? 0), 0);
  const gzip = result.bytes.gzip === null ? null : sizes("gzip");
  const all: TensorBytes = { dense: sizes("dense"), packed: sizes("packed"), gzip };
  const table = formatTable({
    header: [
      ...["layer", "shape", "zeros", "share", "bytes", "packed"],
      ...(gzip === null ? [] : ["gzip"]),
    ],
    rows: [
      ...result.layers.map((layer) =>
        row(layer.name, layer.shape.join("x"), layer.zeros, layer.elements, layer.bytes),
      ),
      row("all", "", zeros, elements, all),
    ],
  });
  out.write(
    `${from} pruned at once, profile ${result.profile}; layers in the order of ${order}\n\n${table}\n\n`,
  );
  for (const { pattern, prunedBlocks, blocks } of result.pruners)
    out.write(
      `${pattern}: ${prunedBlocks} of ${blocks} ${pattern.includes(":") ? "groups" : "blocks"} (${formatShare(prunedBlocks, blocks)})\n`,
    );
  for (const { name, reason } of result.skipped) out.write(`left alone: ${name}: ${reason}\n`);
  for (const [alias, name] of Object.entries(result.tied))
    out.write(`written once: ${alias} is ${name}\n`);
  for (const name of result.leftOut)
    out.write(`not copied: ${name}, which holds weights that are not pruned\n`);
  const { dense, packed, gzip: compressed } = result.bytes;
  out.write(
    `all tensors: ${dense} bytes, packed ${packed} (${formatShare(packed, dense)})` +
      `${compressed === null ? "" : `, gzip ${compressed} (${formatShare(compressed, dense)})`}\n`,
  );
  out.write(`${to}: ${bytes} bytes in ${formatSeconds(seconds)} s\n`);
}

/** Bytes of weights at a path: as many as the original has, but where they were written in another form. */
function writtenBytes({ layout, files }: Checkpoint, to: string): number {
  if (layout === "file" || layout === "sharded")
    return files.reduce((total, { bytes }) => total + bytes, 0);
  const isDirectory = statSync(to).isDirectory();
  return statSync(isDirectory ? join(to, HUGGING_FACE_FILES.weights) : to).size;
}

async function prune(
  pruning: Omit<PruningOptions, "signal" | "onProgress">,
  json: boolean,
  console: Console,
): Promise<ExitCode> {
  const began = performance.now();
  const progress = createProgress(console.err, undefined, "MiB");
  try {
    const result = await pruneCheckpoint({
      ...pruning,
      signal: console.signal,
      onProgress: (done, total) => {
        progress.update("prune", Math.floor(done / MEBIBYTE), Math.ceil(total / MEBIBYTE), null);
      },
    });
    progress.finish();
    const { checkpoint, from, to, modules } = pruning;
    const outcome: Outcome = {
      ...{ result, from, to, order: orderName(modules) },
      bytes: writtenBytes(checkpoint, to),
      seconds: (performance.now() - began) / 1000,
    };
    (json ? printJson : printText)(outcome, console);
    return 0;
  } catch (error) {
    progress.finish();
    if (console.signal.aborted) return 130;
    throw error;
  }
}

/** The gradients' checkpoint; null where none is given. */
function openGradients({ gradients }: PruneValues): Promise<Checkpoint> | null {
  return gradients === undefined ? null : openCheckpointOrThrow(gradients);
}

/** The command. */
export const pruneCommand: Command = defineCommand({
  name: "prune",
  summary: "prune a checkpoint at once into a copy of it",
  description: [
    "IN is a file of safetensors, an index of several (*.index.json), a state dict that torch.save wrote, or a directory, all of whose files are copied; a state dict becomes a file of safetensors. Weights of linear and convolution layers are pruned; everything else keeps its bits, headers and other files their bytes. OUT is complete or not there at all.",
    "Under the profile strict layers are read one at a time, so that files may be larger than memory in either scope. Of a directory with a config.json of BERT or DistilBERT, layers are taken in the model's order, else in that of the files, which decides between equal scores.",
  ],
  positionals: ["IN"],
  options: OPTIONS,
  run: async ({ values, positionals: [from = ""], json }, console) => {
    const { profile = "strict", out: to } = values;
    const pruners = await readPruners(values, profile);
    if (to === undefined)
      throw new InputError([{ path: "--out", expected: "a path for the copy", got: "none" }]);
    checkCopyTarget({ from, to });
    const checkpoint = await openCheckpointOrThrow(from);
    let gradients: Checkpoint | null = null;
    try {
      gradients = await openGradients(values);
      const kernels = createPruningKernels(createBackend());
      const modules = await modulesOf(from);
      const excludeHead = values.excludeHead !== false;
      const gzip = values.gzip === true;
      const what = {
        checkpoint,
        from,
        to,
        pruners,
        profile,
        excludeHead,
        modules,
        gradients,
        gzip,
      };
      return await prune({ ...what, kernels }, json, console);
    } finally {
      checkpoint.close();
      gradients?.close();
    }
  },
});
