/** `espalier prune`: prunes a checkpoint in one shot into a copy. */

import { statSync } from "node:fs";
import { join } from "node:path";
import { CALIBRATED_CRITERIA } from "../calibrate/options.ts";
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import { planOneShot } from "../checkpoint/one-shot.ts";
import type { PrunedCheckpoint } from "../checkpoint/prune.ts";
import { getOrThrow, refuseInput } from "../core/either.ts";
import { sumOf } from "../core/sum.ts";
import { HUGGING_FACE_FILES } from "../io/hugging-face.ts";
import { createBackend } from "../kernels/backend.ts";
import { pruneCheckpoint } from "../node/checkpoint-copies.ts";
import { openCheckpointOrThrow } from "../node/checkpoint-reader.ts";
import { ELEMENT_CRITERION_NAMES } from "../prune/criteria.ts";
import { formatSeconds, formatShare, formatTable } from "../report/table.ts";
import type { CalibratedCheckpoint } from "../run/calibrated-pruning.ts";
import type { StatedModel } from "../run/model-evidence.ts";
import { pruningMemory } from "../run/pruning-memory.ts";
import {
  blockWord,
  findCopied,
  readConfig,
  withCheckpoint,
  withProgress,
} from "./checkpoint-run.ts";
import { type Command, defineCommand } from "./command.ts";
import type { Console } from "./console.ts";
import { choiceOption, flagOption, integerOption, numberOption, textOption } from "./options.ts";
import { isCalibrated, pruneCalibratedCommand, refuseStatistics } from "./prune-calibrated.ts";
import { pruneHeadsCommand } from "./prune-heads.ts";
import {
  LAYER_OPTIONS,
  printAccount,
  ROLE_OPTIONS,
  readLayerChoice,
  readModelStatements,
} from "./tensor-roles.ts";

const OPTIONS = {
  out: textOption("OUT", "path of the pruned copy; nothing may exist there (required)"),
  pattern: textOption(
    "PATTERN",
    "such as 2:4, 4x1, 1xchannel, or mha for whole attention heads (required without --config)",
    ["pruning-pattern"],
  ),
  sparsity: numberOption(
    { least: 0, below: 1 },
    "share of blocks to prune, or of elements for N:M (required without --config)",
    ["target-sparsity"],
  ),
  scope: choiceOption(
    ["global", "local"],
    "all layers share one budget (default), or each layer has its own",
    ["pruning-scope"],
  ),
  criterion: choiceOption(
    [...ELEMENT_CRITERION_NAMES, ...CALIBRATED_CRITERIA],
    "how importance is measured (default magnitude)",
    ["pruning-type"],
  ),
  scoreReduction: choiceOption(
    ["mean", "sum", "max"],
    "how the scores of a block are combined (default mean)",
    ["criterion-reduce-type"],
  ),
  ...LAYER_OPTIONS,
  ...ROLE_OPTIONS,
  minSparsityPerLayer: numberOption({ least: 0, most: 1 }, "smallest share in any layer", [
    "min-sparsity-ratio-per-op",
  ]),
  maxSparsityPerLayer: numberOption({ least: 0, most: 1 }, "largest share in any layer", [
    "max-sparsity-ratio-per-op",
  ]),
  minHeads: integerOption(
    { least: 0, most: 1024 },
    "with the pattern mha: number of heads that each attention layer keeps at least (default 1)",
  ),
  config: textOption(
    "FILE",
    "pruners in the keys of Intel Neural Compressor, JSON or YAML, instead of the options above; schedules are ignored",
    ["pruning-config"],
  ),
  gradients: textOption(
    "FILE",
    "a checkpoint with the gradients of the tensors in IN, for criteria other than magnitude",
  ),
  statistics: textOption(
    "FILE",
    "statistics of the inputs of layers, for sparsegpt, wanda and dsnot",
  ),
  damping: numberOption(
    { least: 0 },
    "with sparsegpt: share of the mean diagonal of the Hessian that is added to it (default 0.01)",
  ),
  maxCycles: integerOption(
    { least: 1, most: 2 ** 20 },
    "with dsnot: maximum number of swaps in a row (default 100)",
  ),
  threads: integerOption(
    { least: 1, most: 1024 },
    "number of threads under strict, each with one tensor in memory (default 1)",
  ),
  gzip: flagOption("also compress every tensor and report its compressed size (slow)"),
  profile: choiceOption(
    ["strict", "inc"],
    "strict (default): exact counts, one layer in memory at a time; inc: counts of Intel Neural Compressor, all layers in memory",
  ),
} as const;

/** The result of pruning, and other values to print. */
interface Outcome {
  readonly result: PrunedCheckpoint & Partial<Pick<CalibratedCheckpoint, "errors">>;
  readonly from: string;
  readonly to: string;
  readonly order: StatedModel["order"];
  readonly bytes: number;
  readonly seconds: number;
}

type Row = Omit<PrunedCheckpoint["layers"][number], "dtype">;

function totalOf({ layers, bytes }: PrunedCheckpoint): Row {
  return {
    name: "all",
    shape: [],
    elements: sumOf(layers, ({ elements }) => elements),
    zeros: sumOf(layers, ({ zeros }) => zeros),
    bytes: {
      dense: sumOf(layers, (layer) => layer.bytes.dense),
      packed: sumOf(layers, (layer) => layer.bytes.packed),
      gzip: bytes.gzip === null ? null : sumOf(layers, (layer) => layer.bytes.gzip ?? 0),
    },
  };
}

function printJson({ result, ...where }: Outcome, { out }: Console): void {
  const { zeros, elements } = totalOf(result);
  out.write(`${JSON.stringify({ ...where, ...result, zeros, elements })}\n`);
}

function printText(outcome: Outcome, { out }: Console): void {
  const { result, from, to, order, seconds, bytes } = outcome;
  const compressed = result.bytes.gzip;
  const table = formatTable({
    header: [
      "layer",
      "shape",
      "zeros",
      "share",
      "bytes",
      "packed",
      ...(compressed === null ? [] : ["gzip"]),
    ],
    rows: [...result.layers, totalOf(result)].map(({ name, shape, zeros, elements, bytes }) => [
      name,
      shape.join("x"),
      `${zeros}/${elements}`,
      formatShare(zeros, elements),
      String(bytes.dense),
      String(bytes.packed),
      ...(bytes.gzip === null ? [] : [String(bytes.gzip)]),
    ]),
  });
  out.write(
    `${from} pruned at once, profile ${result.profile}; layers in the order of ${order}\n\n${table}\n\n`,
  );
  for (const { pattern, prunedBlocks, blocks } of result.pruners)
    out.write(
      `${pattern}: ${prunedBlocks} of ${blocks} ${blockWord(pattern)} (${formatShare(prunedBlocks, blocks)})\n`,
    );
  const errors = Object.values(result.errors ?? {});
  if (errors.length > 0)
    out.write(`sparsegpt: error ${sumOf(errors, (error) => error)} on the calibration data\n`);
  printAccount("pruned", result, out);
  for (const [alias, name] of Object.entries(result.tied))
    out.write(`written once: ${alias} is ${name}\n`);
  for (const name of result.leftOut)
    out.write(`not copied: ${name}, which holds weights that are not pruned\n`);
  const { dense, packed } = result.bytes;
  out.write(
    `all tensors: ${dense} bytes, packed ${packed} (${formatShare(packed, dense)})` +
      `${compressed === null ? "" : `, gzip ${compressed} (${formatShare(compressed, dense)})`}\n`,
  );
  out.write(`${to}: ${bytes} bytes in ${formatSeconds(seconds)} s\n`);
}

/**
 * Returns the size in bytes of the written weight files. It differs from the original size only if the format changes.
 */
function writtenBytes({ layout, files }: Checkpoint, to: string): number {
  if (layout === "file" || layout === "sharded")
    return files.reduce((total, { bytes }) => total + bytes, 0);
  const isDirectory = statSync(to).isDirectory();
  return statSync(isDirectory ? join(to, HUGGING_FACE_FILES.weights) : to).size;
}

export const pruneCommand: Command = defineCommand({
  name: "prune",
  summary: "prune a checkpoint in one shot, into a copy of it",
  description: [
    "IN is a safetensors file, an index of several (*.index.json), a state dict of torch.save, a directory, or a model in the Hugging Face cache. All files of a directory are copied; a state dict becomes a safetensors file. Weights of linear layers, convolutions, transposed convolutions and experts are pruned, with patterns along their inputs. All other tensors keep their bits and are listed with the reason; headers and other files keep their bytes. OUT is either complete or absent.",
    "The profile strict reads one layer at a time, so files may be larger than memory in either scope. The order of layers decides between equal scores: it is that of the model if the directory has a config.json of BERT or DistilBERT, else that of the files.",
  ],
  positionals: ["IN"],
  options: OPTIONS,
  run: async ({ values, positionals: [from = ""], json }, console) => {
    if (values.pattern === "mha") return pruneHeadsCommand(values, from, json, console);
    const { criterion, ...others } = values;
    const print = (checkpoint: Checkpoint, outcome: Omit<Outcome, "bytes">): void =>
      (json ? printJson : printText)(
        { ...outcome, bytes: writtenBytes(checkpoint, outcome.to) },
        console,
      );
    if (isCalibrated(criterion))
      return pruneCalibratedCommand(criterion, values, from, console, print);
    refuseStatistics(values);
    const { profile = "strict", gzip = false, threads = 1, config: path, minHeads } = values;
    if (minHeads !== undefined)
      refuseInput("`minHeads`", "the pattern mha with it", values.pattern ?? "none");
    const config = path === undefined ? null : { path, read: await readConfig(path, profile) };
    const hasGradients = values.gradients !== undefined;
    const pruners = getOrThrow(
      planOneShot(
        { ...others, ...(criterion !== undefined && { criterion }) },
        config,
        hasGradients,
      ),
    );
    const choice = readLayerChoice(values);
    const { place, to } = await findCopied(from, values.out, "the copy");
    const { evidence, modules, order } = await readModelStatements(place, values);
    return withCheckpoint(place, async (checkpoint) => {
      const { gradients: path } = values;
      const gradients = path === undefined ? null : await openCheckpointOrThrow(path);
      try {
        const { signal, workerScript } = console;
        // Threads have their own kernels.
        const kernels = threads > 1 && workerScript ? {} : pruningMemory(createBackend());
        const { result, seconds } = await withProgress(console, "prune", (onProgress) =>
          pruneCheckpoint({
            checkpoint,
            from: place.path,
            to,
            pruners,
            profile,
            ...choice,
            evidence,
            modules,
            gradients,
            gzip,
            ...kernels,
            threads,
            workerScript: workerScript ?? undefined,
            signal,
            onProgress,
          }),
        );
        print(checkpoint, { result, from, to, order, seconds });
        return 0;
      } finally {
        gradients?.close();
      }
    });
  },
});
