/** `espalier inspect`: what is in a checkpoint, how sparse it is, and in how few bytes it would fit. */

import { gzipSync } from "node:zlib";
import type { Checkpoint, CheckpointEntry } from "../checkpoint/checkpoint.ts";
import { inspectWeight, type WeightFacts } from "../checkpoint/inspect.ts";
import { isPrunable, roleOfTensor, type TensorRole } from "../checkpoint/layers.ts";
import { matrixShape } from "../checkpoint/packed-manifest.ts";
import { packedSize } from "../checkpoint/packed-tensor.ts";
import type { WeightValues } from "../checkpoint/verify.ts";
import { weightValues } from "../checkpoint/weight-values.ts";
import type { StoredTensor } from "../io/safetensors.ts";
import { openCheckpointOrThrow } from "../node/checkpoint-reader.ts";
import { checkCopyTarget } from "../node/checkpoint-writer.ts";
import { writeFileAtomically } from "../node/files.ts";
import { turn } from "../node/turn.ts";
import { checkpointReport } from "../report/checkpoint-report.ts";
import type { MaskMatrix } from "../report/run-report.ts";
import { formatShare, formatTable, type TextTable } from "../report/table.ts";
import { formatLayout } from "../sparse/layout.ts";
import { type Command, defineCommand } from "./command.ts";
import type { Console } from "./console.ts";
import { flagOption, textOption } from "./options.ts";

const OPTIONS = {
  gzip: flagOption("also compress every tensor, and state what that would take"),
  html: textOption("FILE", "also write a report with plots there; nothing may be there yet"),
} as const;

/** The most elements of a layer whose mask is drawn: one pixel each. */
const MOST_PIXELS = 2 ** 22;

/** A tensor and what was found in it. */
interface Inspected {
  readonly entry: CheckpointEntry;
  readonly role: TensorRole;
  /** As dense as it is, or unpacks to. */
  readonly bytes: number;
  readonly gzipBytes: number | null;
  /** As it is stored in a packed file, else in the smallest of the usual layouts. */
  readonly packed: { readonly layout: string; readonly bytes: number };
  /** Null for what is no layer's weight. */
  readonly weight: WeightFacts | null;
}

/** What was found in a checkpoint, and one layer to look at. */
interface Inspection {
  readonly tensors: readonly Inspected[];
  readonly mask: MaskMatrix | undefined;
}

/** A tensor's layout and bytes: those that it has in a packed file, where one without layout is stored as it is. */
function packedFacts(
  checkpoint: Checkpoint,
  { packed }: CheckpointEntry,
  tensor: StoredTensor,
): Inspected["packed"] {
  if (packed !== undefined) return packed;
  if (checkpoint.layout === "packed") return { layout: "dense", bytes: tensor.bytes.length };
  const { spec, bytes } = packedSize(tensor);
  return { layout: spec === null ? "dense" : formatLayout(spec), bytes };
}

function inspectTensor(checkpoint: Checkpoint, entry: CheckpointEntry, gzip: boolean) {
  const role = roleOfTensor(entry);
  const tensor = checkpoint.read(entry);
  const { name, shape } = entry;
  const data = isPrunable(role.kind) ? weightValues(tensor) : null;
  const inspected: Inspected = {
    ...{ entry, role },
    bytes: tensor.bytes.length,
    gzipBytes: gzip ? gzipSync(tensor.bytes).length : null,
    packed: packedFacts(checkpoint, entry, tensor),
    weight: data === null ? null : inspectWeight({ name, shape, data }),
  };
  return { inspected, data };
}

function maskOf(data: WeightValues): Uint8Array {
  const mask = new Uint8Array(data.length);
  for (let i = 0; i < mask.length; i++) if (data[i] !== 0) mask[i] = 1;
  return mask;
}

async function inspect(
  checkpoint: Checkpoint,
  gzip: boolean,
  { signal }: Console,
): Promise<Inspection> {
  const tensors: Inspected[] = [];
  let mask: MaskMatrix | undefined;
  for (const entry of checkpoint.entries) {
    await turn(signal);
    const { inspected, data } = inspectTensor(checkpoint, entry, gzip);
    tensors.push(inspected);
    const zeros = inspected.weight?.zeros ?? 0;
    if (mask !== undefined || data === null || zeros === 0 || data.length > MOST_PIXELS) continue;
    const [rows, columns] = matrixShape(entry.shape);
    mask = {
      ...{ layer: inspected.role.module, rows, columns },
      mask: maskOf(data),
    };
  }
  return { tensors, mask };
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
    packedBytes: sum(all, ({ packed }) => packed.bytes),
    gzipBytes: gzip ? sum(all, ({ gzipBytes }) => gzipBytes ?? 0) : null,
    layerBytes: sum(layers, ({ bytes }) => bytes),
    packedLayerBytes: sum(layers, ({ packed }) => packed.bytes),
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

function rowOf({ entry, role, bytes, gzipBytes, packed, weight }: Inspected): readonly string[] {
  return [
    entry.name,
    role.kind,
    entry.dtype,
    entry.shape.join("x") || "scalar",
    String(bytes),
    String(packed.bytes),
    packed.layout,
    ...(gzipBytes === null ? [] : [String(gzipBytes)]),
    weight === null ? "" : formatShare(weight.zeros, weight.elements),
    weight === null ? "" : patternsText(weight),
  ];
}

function tableOf(all: readonly Inspected[]): TextTable {
  const gzip = totalsOf(all).gzipBytes === null ? [] : ["gzip"];
  const sizes = ["bytes", "packed", "layout", ...gzip];
  return {
    header: ["tensor", "kind", "dtype", "shape", ...sizes, "zeros", "patterns"],
    rows: all.map(rowOf),
  };
}

/** What holds for all of a checkpoint, as names and values. */
function factsOf(
  { files, layout, path }: Checkpoint,
  all: readonly Inspected[],
): readonly (readonly [string, string])[] {
  const totals = totalsOf(all);
  const onDisk = files.reduce((total, file) => total + file.bytes, 0);
  const many = layout === "sharded" ? `${files.length} files` : "one file";
  const share = (part: number, whole: number): string =>
    `${part} of ${whole} (${formatShare(part, whole)})`;
  const { gzipBytes, nonFinite } = totals;
  return [
    ["checkpoint", `${path}: ${many}${layout === "packed" ? ", packed" : ""}, ${onDisk} bytes`],
    ...files.flatMap(({ name, metadata }) =>
      Object.entries(metadata).map(([key, text]) => [name, `${key} = ${text}`] as const),
    ),
    ["tensors", `${totals.tensors} of ${totals.bytes} bytes, ${totals.layers} layers`],
    ["zeros in linear and convolution weights", share(totals.zeros, totals.elements)],
    [
      layout === "packed" ? "packed bytes" : "packed bytes in the smallest layouts",
      `${share(totals.packedBytes, totals.bytes)}, of layers ${share(totals.packedLayerBytes, totals.layerBytes)}`,
    ],
    ...(gzipBytes === null ? [] : [["gzip bytes", share(gzipBytes, totals.bytes)] as const]),
    ...(nonFinite === 0 ? [] : [["not finite", `${nonFinite} of them`] as const]),
  ];
}

function printText(checkpoint: Checkpoint, { tensors }: Inspection, { out }: Console): void {
  const [head, ...facts] = factsOf(checkpoint, tensors);
  out.write(`${head?.[1] ?? ""}\n\n${formatTable(tableOf(tensors))}\n\n`);
  for (const [name, value] of facts) out.write(`${name}: ${value}\n`);
}

function printJson(checkpoint: Checkpoint, { tensors }: Inspection, { out }: Console): void {
  for (const { entry, role, bytes, gzipBytes, packed, weight } of tensors) {
    const { name, dtype, shape, file } = entry;
    const { kind, reason } = role;
    const sizes = { bytes, packedBytes: packed.bytes, packedLayout: packed.layout, gzipBytes };
    const facts = { name, file, dtype, shape, ...sizes, kind, reason, ...weight };
    out.write(`${JSON.stringify({ event: "tensor", ...facts })}\n`);
  }
  const { layout, files } = checkpoint;
  out.write(`${JSON.stringify({ event: "end", layout, files, ...totalsOf(tensors) })}\n`);
}

/** The report's text. */
function reportOf(checkpoint: Checkpoint, { tensors, mask }: Inspection): string {
  const layers = tensors.flatMap(({ role, weight, bytes, packed }) =>
    weight === null ? [] : [{ name: role.module, weight, packedShare: packed.bytes / bytes }],
  );
  const isPacked = checkpoint.layout === "packed";
  return checkpointReport({
    title: `Checkpoint ${checkpoint.path}`,
    summary: isPacked
      ? "Tensors as they unpack, and the layouts and bytes in which they are stored."
      : "Tensors as they are, and the bytes that each would take in the smallest of the usual layouts.",
    facts: factsOf(checkpoint, tensors),
    tensors: tableOf(tensors),
    zeros: layers.map(({ name, weight }) => ({
      ...{ name, ratio: weight.elements === 0 ? 0 : weight.zeros / weight.elements },
      accented: weight.patterns.length > 0,
    })),
    packed: layers.map(({ name, packedShare }) => ({
      ...{ name, ratio: packedShare, accented: packedShare < 1 },
    })),
    ...(mask === undefined ? {} : { mask }),
  });
}

/** The command. */
export const inspectCommand: Command = defineCommand({
  name: "inspect",
  summary: "list a checkpoint's tensors, their sizes and sparsity",
  description: [
    "Reads a checkpoint tensor by tensor: a file of safetensors, packed or not, an index of several (*.index.json), a state dict that torch.save wrote, or a directory. Of weights of linear and convolution layers it states the share of zeros and every usual pattern that they satisfy: N:M with N zeros in every group, blocks with the share of them that is all zero where no zero lies elsewhere.",
    "Beside its bytes each tensor has those in a packed file: as it is stored in one, else in the smallest of the usual layouts.",
  ],
  positionals: ["IN"],
  options: OPTIONS,
  run: async ({ values, positionals: [path = ""], json }, console) => {
    const { html } = values;
    if (html !== undefined) checkCopyTarget({ from: path, to: html });
    const checkpoint = await openCheckpointOrThrow(path);
    try {
      const inspection = await inspect(checkpoint, values.gzip === true, console);
      if (html !== undefined) writeFileAtomically(html, reportOf(checkpoint, inspection));
      (json ? printJson : printText)(checkpoint, inspection, console);
      return 0;
    } catch (error) {
      if (console.signal.aborted) return 130;
      throw error;
    } finally {
      checkpoint.close();
    }
  },
});
