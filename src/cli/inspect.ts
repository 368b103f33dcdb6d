/** `espalier inspect`: shows the tensors of a checkpoint, their sparsity, and their packed and compressed sizes. */

import { gzipSync } from "node:zlib";
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import { accountFor } from "../checkpoint/coverage.ts";
import {
  type InspectedTensor,
  type Inspection,
  inspectCheckpoint,
  inspectionTotals,
  type WeightFacts,
} from "../checkpoint/inspect.ts";
import { moduleName } from "../checkpoint/layers.ts";
import { surveyCheckpoint } from "../checkpoint/survey.ts";
import { counted } from "../core/counted.ts";
import { sumOf } from "../core/sum.ts";
import { checkCopyTarget } from "../node/checkpoint-writer.ts";
import { writeFileAtomically } from "../node/files.ts";
import { turn } from "../node/turn.ts";
import { accountLines } from "../report/account.ts";
import { checkpointReport } from "../report/checkpoint-report.ts";
import { formatBytes, formatShare, formatTable, type TextTable } from "../report/table.ts";
import { findCheckpoint, withCheckpoint } from "./checkpoint-run.ts";
import { type Command, defineCommand } from "./command.ts";
import type { Console } from "./console.ts";
import { flagOption, textOption } from "./options.ts";
import { printAccount, ROLE_OPTIONS, readModelStatements } from "./tensor-roles.ts";

const OPTIONS = {
  gzip: flagOption("also compress every tensor and report its compressed size"),
  html: textOption("FILE", "also write a report with plots to this path; nothing may exist there"),
  ...ROLE_OPTIONS,
} as const;

function patternsText({ patterns }: WeightFacts): string {
  const shown = patterns.map(({ pattern, sparseBlocks, blocks }) =>
    pattern.includes(":") ? pattern : `${pattern} ${formatShare(sparseBlocks, blocks)}`,
  );
  return shown.join(", ");
}

function rowOf({ tensor, bytes, gzipBytes, packed, weight }: InspectedTensor): readonly string[] {
  return [
    tensor.name,
    tensor.role,
    tensor.axes ?? "",
    tensor.entry.dtype,
    tensor.shape.join("x") || "scalar",
    String(bytes),
    String(packed.bytes),
    packed.layout,
    ...(gzipBytes === null ? [] : [String(gzipBytes)]),
    weight === null ? "" : formatShare(weight.zeros, weight.elements),
    weight === null ? "" : patternsText(weight),
  ];
}

function tableOf(all: readonly InspectedTensor[]): TextTable {
  const gzip = inspectionTotals(all).gzipBytes === null ? [] : ["gzip"];
  const sizes = ["bytes", "packed", "layout", ...gzip];
  return {
    header: ["tensor", "role", "axes", "dtype", "shape", ...sizes, "zeros", "patterns"],
    rows: all.map(rowOf),
  };
}

/** How sizes and shares are written. */
interface Notation {
  readonly size: (bytes: number) => string;
  readonly share: (part: number, whole: number) => string;
  readonly shareOfBytes: (part: number, whole: number) => string;
}

function exactShare(part: number, whole: number): string {
  return `${part} of ${whole} (${formatShare(part, whole)})`;
}

function percent(part: number, whole: number): string {
  return whole === 0 ? "-" : `${((100 * part) / whole).toFixed(1)} %`;
}

const EXACT: Notation = {
  size: (bytes) => counted(bytes, "byte"),
  share: exactShare,
  shareOfBytes: exactShare,
};

const ROUNDED: Notation = {
  size: formatBytes,
  share: (part, whole) => `${percent(part, whole)} (${part} of ${whole})`,
  shareOfBytes: (part, whole) =>
    `${formatBytes(part)} of ${formatBytes(whole)} (${percent(part, whole)})`,
};

function factsOf(
  { files, layout, path }: Checkpoint,
  all: readonly InspectedTensor[],
  { size, share, shareOfBytes }: Notation,
): readonly (readonly [string, string])[] {
  const totals = inspectionTotals(all);
  const onDisk = files.reduce((total, file) => total + file.bytes, 0);
  const many = layout === "sharded" ? `${files.length} files` : "one file";
  const { gzipBytes, nonFinite } = totals;
  return [
    ["checkpoint", `${path}: ${many}${layout === "packed" ? ", packed" : ""}, ${size(onDisk)}`],
    ...files.flatMap(({ name, metadata }) =>
      Object.entries(metadata).map(([key, text]) => [name, `${key} = ${text}`] as const),
    ),
    ["tensors", `${totals.tensors} of ${size(totals.bytes)}, ${counted(totals.layers, "layer")}`],
    ["zeros in the weights of layers", share(totals.zeros, totals.elements)],
    [
      layout === "packed" ? "packed bytes" : "packed bytes in the smallest layouts",
      `${shareOfBytes(totals.packedBytes, totals.bytes)}, of layers ${shareOfBytes(totals.packedLayerBytes, totals.layerBytes)}`,
    ],
    ...(gzipBytes === null ? [] : [["gzip bytes", shareOfBytes(gzipBytes, totals.bytes)] as const]),
    ...(nonFinite === 0 ? [] : [["not finite", `${nonFinite} of them`] as const]),
  ];
}

function printText(checkpoint: Checkpoint, { tensors }: Inspection, { out }: Console): void {
  const [head, ...facts] = factsOf(checkpoint, tensors, EXACT);
  out.write(`${head?.[1] ?? ""}\n\n${formatTable(tableOf(tensors))}\n\n`);
  for (const [name, value] of facts) out.write(`${name}: ${value}\n`);
  const survey = tensors.map(({ tensor }) => tensor);
  printAccount("layers", accountFor(survey), out);
}

function printJson(checkpoint: Checkpoint, { tensors }: Inspection, { out }: Console): void {
  for (const { tensor, bytes, gzipBytes, packed, weight } of tensors) {
    const { name, shape, role, axes, source, aliases, entry } = tensor;
    const { dtype, file } = entry;
    const sizes = { bytes, packedBytes: packed.bytes, packedLayout: packed.layout, gzipBytes };
    const facts = { name, file, dtype, shape, role, axes, source, aliases, ...sizes, ...weight };
    out.write(`${JSON.stringify({ event: "tensor", ...facts })}\n`);
  }
  const { layout, files } = checkpoint;
  const survey = tensors.map(({ tensor }) => tensor);
  const end = {
    event: "end",
    layout,
    files,
    ...inspectionTotals(tensors),
    ...accountFor(survey),
  };
  out.write(`${JSON.stringify(end)}\n`);
}

/** Sums up the tensors of each role. */
function rolesTable(all: readonly InspectedTensor[]): TextTable {
  const total = sumOf(all, ({ bytes }) => bytes);
  const roles = [...new Set(all.map(({ tensor }) => tensor.role))];
  return {
    header: ["role", "tensors", "bytes", "share", "packed"],
    rows: roles.map((role) => {
      const own = all.filter(({ tensor }) => tensor.role === role);
      const bytes = sumOf(own, (one) => one.bytes);
      const packed = sumOf(own, (one) => one.packed.bytes);
      return [
        role,
        String(own.length),
        formatBytes(bytes),
        percent(bytes, total),
        formatBytes(packed),
      ];
    }),
  };
}

/** Compares names with numbers as people order them: layer 2 before layer 10. */
const NATURAL = new Intl.Collator("en", { numeric: true });

function reportOf(checkpoint: Checkpoint, { tensors, mask }: Inspection): string {
  const sorted = tensors.toSorted((a, b) => NATURAL.compare(a.tensor.name, b.tensor.name));
  const layers = sorted.flatMap(({ tensor, weight, bytes, packed }) => {
    const name = moduleName(tensor.name);
    return weight === null ? [] : [{ name, weight, packedShare: packed.bytes / bytes }];
  });
  const isPacked = checkpoint.layout === "packed";
  return checkpointReport({
    title: `Checkpoint ${checkpoint.path}`,
    summary: isPacked
      ? "Tensors as they unpack, and the layouts and bytes in which they are stored."
      : "Tensors as they are, and the bytes that each would take in the smallest of the usual layouts.",
    facts: factsOf(checkpoint, sorted, ROUNDED),
    roles: rolesTable(sorted),
    account: accountLines("layers", accountFor(tensors.map(({ tensor }) => tensor))),
    tensors: tableOf(sorted),
    zeros: layers.map(({ name, weight }) => ({
      name,
      ratio: weight.elements === 0 ? 0 : weight.zeros / weight.elements,
      accented: weight.patterns.length > 0,
    })),
    packed: layers.map(({ name, packedShare }) => ({
      name,
      ratio: packedShare,
      accented: packedShare < 1,
    })),
    ...(mask === undefined ? {} : { mask }),
  });
}

export const inspectCommand: Command = defineCommand({
  name: "inspect",
  summary: "list a checkpoint's tensors, their sizes and sparsity",
  description: [
    "Reads a checkpoint tensor by tensor: a safetensors file, packed or not, an index of several (*.index.json), a state dict of torch.save, a directory, or a model in the Hugging Face cache. Each tensor has a role and, if it is the weight of layers, the order of outputs and inputs, with the source of both. For weights of layers it reports the share of zeros and every usual pattern that they satisfy: N:M if every group has at least N zeros, and blocks, with the share of zero blocks, if no zero is outside of such a block.",
    "The packed bytes of a tensor are those in the packed file, or else in the smallest of the usual layouts.",
  ],
  positionals: ["IN"],
  options: OPTIONS,
  run: async ({ values, positionals: [path = ""], json }, console) => {
    const { html, gzip = false } = values;
    const place = await findCheckpoint("IN", path);
    if (html !== undefined) checkCopyTarget({ from: place.path, to: html });
    const { evidence } = await readModelStatements(place, values);
    return withCheckpoint(place, async (checkpoint) => {
      const compressedBytes = gzip ? (bytes: Uint8Array) => gzipSync(bytes).length : null;
      const survey = surveyCheckpoint(checkpoint, evidence);
      const inspection = await inspectCheckpoint(checkpoint, survey, compressedBytes, () =>
        turn(console.signal),
      );
      if (html !== undefined) writeFileAtomically(html, reportOf(checkpoint, inspection));
      (json ? printJson : printText)(checkpoint, inspection, console);
      return 0;
    });
  },
});
