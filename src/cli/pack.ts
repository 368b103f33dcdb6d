/** `espalier pack` and `espalier unpack`: store a checkpoint in compressed layouts, and convert it back. */

import { accountFor } from "../checkpoint/coverage.ts";
import { type PackedCheckpoint, packedParts } from "../checkpoint/pack.ts";
import { type SurveyedTensor, surveyCheckpoint } from "../checkpoint/survey.ts";
import { counted } from "../core/counted.ts";
import { refuseInput } from "../core/either.ts";
import { packCheckpoint, unpackCheckpoint } from "../node/checkpoint-copies.ts";
import { formatSeconds, formatShare, formatTable } from "../report/table.ts";
import { LAYOUT_SPELLINGS, type LayoutSpec, parseLayout } from "../sparse/layout.ts";
import { findCopied, withCheckpoint, withProgress } from "./checkpoint-run.ts";
import { type Command, defineCommand } from "./command.ts";
import type { Console, TextOutput } from "./console.ts";
import { choiceOption, flagOption, integerOption, type Option, textOption } from "./options.ts";
import { printAccount, ROLE_OPTIONS, readModelStatements } from "./tensor-roles.ts";

function layoutsOption(description: string): Option<readonly LayoutSpec[]> {
  const expected = `${LAYOUT_SPELLINGS}, or several separated by commas`;
  const read = (text: string): readonly LayoutSpec[] | undefined => {
    const specs = text.split(",").map((part) => parseLayout(part.trim()));
    const known = specs.filter((spec) => spec !== undefined);
    return known.length === specs.length ? known : undefined;
  };
  const aliases = ["layout"];
  return { placeholder: "LAYOUT,...", description, aliases, isFlag: false, expected, read };
}

const OUT = textOption("OUT", "path of the result; nothing may exist there (required)");
const PACK_OPTIONS = {
  out: OUT,
  layouts: layoutsOption(
    "layouts to choose from for each tensor, besides dense: 4x1, 2:4, bitmask, csr, channels and so on (default: all usual ones)",
  ),
  dtype: choiceOption(
    ["float16", "bfloat16"],
    "round float32 tensors of two or more dimensions to this type and report the error (default: keep every bit)",
  ),
  quantize: flagOption(
    "store blocks with eight bits for each element and a scale for each block, and report the error; only for tensors that a layout makes smaller anyway, also with --dtype",
  ),
  int8: flagOption(
    "store matrices as 8-bit integers with a scale for each row, as blocks or dense, and report the error: all of at least 4096 elements; with --dtype, vectors are rounded, too",
  ),
  embeddingBits: integerOption(
    { least: 2, most: 8 },
    "with --int8, the bits that integers of embeddings use: fewer take as many bytes, but compress better (default 8)",
  ),
  ...ROLE_OPTIONS,
} as const;
const UNPACK_OPTIONS = { out: OUT } as const;

const DTYPES = { float16: "F16", bfloat16: "BF16" } as const;

function printLeftOut(names: readonly string[], out: TextOutput): void {
  for (const name of names) out.write(`not copied: ${name}, which holds other weights\n`);
}

function printPacked(
  { tensors, tied, leftOut, lostMetadata }: PackedCheckpoint,
  survey: readonly SurveyedTensor[],
  where: { readonly from: string; readonly to: string; readonly seconds: number },
  { out }: Console,
): void {
  const withError = tensors.some(({ error }) => error !== null);
  const table = formatTable({
    header: [
      "tensor",
      "shape",
      "layout",
      "bytes",
      "packed",
      "share",
      ...(withError ? ["largest error", "relative error"] : []),
    ],
    rows: tensors.map(({ name, shape, layout, bytes, packedBytes, error }) => [
      name,
      shape.join("x") || "scalar",
      layout,
      String(bytes),
      String(packedBytes),
      formatShare(packedBytes, bytes),
      ...(withError
        ? [error?.maximum.toExponential(2) ?? "0", error?.relative.toExponential(2) ?? "0"]
        : []),
    ]),
  });
  out.write(`${where.from} packed\n\n${table}\n\n`);
  for (const { name, bytes, packedBytes } of packedParts(tensors, survey))
    out.write(`${name}: ${packedBytes} of ${bytes} bytes (${formatShare(packedBytes, bytes)})\n`);
  for (const [alias, name] of Object.entries(tied))
    out.write(`written once: ${alias} is ${name}\n`);
  printLeftOut(leftOut, out);
  for (const { file, key, value, kept } of lostMetadata)
    out.write(
      `not kept: the metadata ${key} = ${JSON.stringify(value)} of ${file}, which an earlier file has as ${JSON.stringify(kept)}\n`,
    );
  printAccount("layers", accountFor(survey), out);
  out.write(`${where.to}: in ${formatSeconds(where.seconds)} s\n`);
}

export const packCommand: Command = defineCommand({
  name: "pack",
  summary: "store a checkpoint in compressed layouts",
  description: [
    "IN is a safetensors file, an index of several (*.index.json), a state dict of torch.save, a directory, or a model in the Hugging Face cache. All files of a directory are copied, with the weights as model.packed.safetensors. Each tensor takes the smallest of the layouts. Without --dtype, --quantize and --int8 every bit is kept. OUT is either complete or absent.",
    "The result is a safetensors file with a manifest. verify, inspect, prune and unpack read it as the checkpoint that it contains.",
  ],
  positionals: ["IN"],
  options: PACK_OPTIONS,
  run: async ({ values, positionals: [from = ""], json }, console) => {
    const { layouts, dtype, quantize, int8, embeddingBits, out } = values;
    if (int8 === true && quantize === true)
      refuseInput("`quantize`", "`int8` or `quantize`", "both");
    if (embeddingBits !== undefined && int8 !== true)
      refuseInput("`embeddingBits`", "`int8` beside it", "none");
    const { place, to } = await findCopied(from, out, "the result");
    const { evidence } = await readModelStatements(place, values);
    return withCheckpoint(place, async (checkpoint) => {
      const survey = surveyCheckpoint(checkpoint, evidence);
      const { signal } = console;
      const { result, seconds } = await withProgress(console, "pack", (onProgress) =>
        packCheckpoint({
          checkpoint,
          from: place.path,
          to,
          signal,
          onProgress,
          ...(layouts && { layouts }),
          ...(dtype && { dtype: DTYPES[dtype] }),
          ...(quantize !== undefined && { quantize }),
          ...(int8 !== undefined && { int8 }),
          ...(embeddingBits !== undefined && { embeddingBits, evidence }),
        }),
      );
      const where = { from, to, seconds };
      if (json) {
        const document = {
          ...where,
          ...result,
          parts: packedParts(result.tensors, survey),
          ...accountFor(survey),
        };
        console.out.write(`${JSON.stringify(document)}\n`);
      } else printPacked(result, survey, where, console);
      return 0;
    });
  },
});

export const unpackCommand: Command = defineCommand({
  name: "unpack",
  summary: "turn a packed checkpoint into a plain one",
  description: [
    "IN is a packed file, a directory with model.packed.safetensors, or a model in the Hugging Face cache. All files of a directory are copied, with the weights as model.safetensors. Rounded tensors stay rounded; all others get their bits back. OUT is either complete or absent.",
  ],
  positionals: ["IN"],
  options: UNPACK_OPTIONS,
  run: async ({ values, positionals: [from = ""], json }, console) => {
    const { place, to } = await findCopied(from, values.out, "the result");
    return withCheckpoint(place, async (checkpoint) => {
      if (checkpoint.layout !== "packed")
        return refuseInput(from, "a packed checkpoint", "a plain one");
      const { out, signal } = console;
      const { result: leftOut, seconds } = await withProgress(console, "unpack", (onProgress) =>
        unpackCheckpoint({ checkpoint, from: place.path, to, signal, onProgress }),
      );
      const tensors = checkpoint.entries.length;
      const bytes = checkpoint.entries.reduce((sum, { begin, end }) => sum + end - begin, 0);
      if (json) out.write(`${JSON.stringify({ from, to, tensors, bytes, leftOut, seconds })}\n`);
      else {
        printLeftOut(leftOut, out);
        out.write(
          `${to}: ${counted(tensors, "tensor")} of ${counted(bytes, "byte")} in ${formatSeconds(seconds)} s\n`,
        );
      }
      return 0;
    });
  },
});
