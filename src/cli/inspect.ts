/** `espalier inspect`: what is in a checkpoint, and how sparse it is. */

import { gzipSync } from "node:zlib";
import { inspectWeight, type WeightFacts } from "../checkpoint/inspect.ts";
import { isPrunable, roleOfTensor, type TensorRole } from "../checkpoint/layers.ts";
import { toFloat32 } from "../io/safetensors.ts";
import {
  type Checkpoint,
  type CheckpointEntry,
  openCheckpointOrThrow,
} from "../node/checkpoint-reader.ts";
import { turn } from "../node/turn.ts";
import { formatShare, formatTable } from "../report/table.ts";
import { type Command, defineCommand } from "./command.ts";
import type { Console } from "./console.ts";
import { flagOption } from "./options.ts";

const OPTIONS = {
  gzip: flagOption("also compress every tensor, and state what that would take"),
} as const;

/** A tensor and what was found in it. */
interface Inspected {
  readonly entry: CheckpointEntry;
  readonly role: TensorRole;
  readonly bytes: number;
  readonly gzipBytes: number | null;
  /** Null for what is no layer's weight. */
  readonly weight: WeightFacts | null;
}

function inspectTensor(checkpoint: Checkpoint, entry: CheckpointEntry, gzip: boolean): Inspected {
  const role = roleOfTensor(entry);
  const tensor = checkpoint.read(entry);
  const { name, shape } = entry;
  return {
    entry,
    role,
    bytes: tensor.bytes.length,
    gzipBytes: gzip ? gzipSync(tensor.bytes).length : null,
    weight: isPrunable(role.kind) ? inspectWeight({ name, shape, data: toFloat32(tensor) }) : null,
  };
}

function sum(inspected: readonly Inspected[], of: (one: Inspected) => number): number {
  return inspected.reduce((total, one) => total + of(one), 0);
}

/** Figures over all tensors, each with its denominator. */
function totalsOf(all: readonly Inspected[]) {
  const layers = all.filter(({ weight }) => weight !== null);
  const gzip = all.every(({ gzipBytes }) => gzipBytes !== null);
  return {
    tensors: all.length,
    layers: layers.length,
    bytes: sum(all, ({ bytes }) => bytes),
    gzipBytes: gzip ? sum(all, ({ gzipBytes }) => gzipBytes ?? 0) : null,
    zeros: sum(layers, ({ weight }) => weight?.zeros ?? 0),
    elements: sum(layers, ({ weight }) => weight?.elements ?? 0),
    nonFinite: sum(layers, ({ weight }) => weight?.nonFinite ?? 0),
  };
}

function patternsText({ patterns }: WeightFacts): string {
  const shown = patterns.map(({ pattern, sparseBlocks, blocks }) =>
    pattern.includes(":") ? pattern : `${pattern} ${formatShare(sparseBlocks, blocks)}`,
  );
  return shown.join(", ");
}

function rowOf({ entry, role, bytes, gzipBytes, weight }: Inspected): readonly string[] {
  return [
    entry.name,
    role.kind,
    entry.dtype,
    entry.shape.join("x") || "scalar",
    String(bytes),
    ...(gzipBytes === null ? [] : [String(gzipBytes)]),
    weight === null ? "" : formatShare(weight.zeros, weight.elements),
    weight === null ? "" : patternsText(weight),
  ];
}

function printText(checkpoint: Checkpoint, all: readonly Inspected[], { out }: Console): void {
  const { files, layout, path } = checkpoint;
  const totals = totalsOf(all);
  const bytes = files.reduce((total, file) => total + file.bytes, 0);
  out.write(
    `${path}: ${layout === "file" ? "one file" : `${files.length} files`}, ${bytes} bytes\n`,
  );
  for (const { name, metadata } of files)
    for (const [key, text] of Object.entries(metadata)) out.write(`${name}: ${key} = ${text}\n`);
  const gzip = totals.gzipBytes === null ? [] : ["gzip"];
  const table = formatTable({
    header: ["tensor", "kind", "dtype", "shape", "bytes", ...gzip, "zeros", "patterns"],
    rows: all.map(rowOf),
  });
  const compressed = totals.gzipBytes === null ? "" : ` (gzip ${totals.gzipBytes})`;
  out.write(
    `\n${table}\n\n` +
      `${totals.tensors} tensors of ${totals.bytes} bytes${compressed}, ${totals.layers} layers\n` +
      `zeros in linear and convolution weights: ${totals.zeros} of ${totals.elements} (${formatShare(totals.zeros, totals.elements)})\n`,
  );
  if (totals.nonFinite > 0) out.write(`not finite: ${totals.nonFinite} of them\n`);
}

function printJson(checkpoint: Checkpoint, all: readonly Inspected[], { out }: Console): void {
  for (const { entry, role, bytes, gzipBytes, weight } of all) {
    const { name, dtype, shape, file } = entry;
    const { kind, reason } = role;
    const facts = { name, file, dtype, shape, bytes, gzipBytes, kind, reason, ...weight };
    out.write(`${JSON.stringify({ event: "tensor", ...facts })}\n`);
  }
  const { layout, files } = checkpoint;
  out.write(`${JSON.stringify({ event: "end", layout, files, ...totalsOf(all) })}\n`);
}

/** The command. */
export const inspectCommand: Command = defineCommand({
  name: "inspect",
  summary: "list a checkpoint's tensors, their sizes and sparsity",
  description: [
    "Reads a checkpoint tensor by tensor: a file of safetensors, an index of several (*.index.json), a state dict that torch.save wrote, or a directory. Of weights of linear and convolution layers it states the share of zeros and every usual pattern that they satisfy: N:M with N zeros in every group, blocks with the share of them that is all zero where no zero lies elsewhere.",
  ],
  positionals: ["IN"],
  options: OPTIONS,
  run: async ({ values, positionals: [path = ""], json }, console) => {
    const checkpoint = await openCheckpointOrThrow(path);
    try {
      const all: Inspected[] = [];
      for (const entry of checkpoint.entries) {
        await turn(console.signal);
        all.push(inspectTensor(checkpoint, entry, values.gzip === true));
      }
      (json ? printJson : printText)(checkpoint, all, console);
      return 0;
    } catch (error) {
      if (console.signal.aborted) return 130;
      throw error;
    } finally {
      checkpoint.close();
    }
  },
});
