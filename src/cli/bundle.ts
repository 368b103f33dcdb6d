/** `espalier bundle`: writes the files of a site that classifies text with a model. */

import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { refuseInput } from "../core/either.ts";
import { readBytes } from "../node/files.ts";
import { findModelOrThrow } from "../node/model-name.ts";
import { writeNewDirectory } from "../node/new-directory.ts";
import { storageOf } from "../node/storage.ts";
import { checkNewFile } from "../node/text-file.ts";
import { formatTable } from "../report/table.ts";
import { type BundleParts, bundleFiles } from "../run/bundle.ts";
import { type Command, defineCommand } from "./command.ts";
import { textOption } from "./options.ts";

const OPTIONS = {
  out: textOption("DIR", "directory of the result; nothing may exist there (required)"),
} as const;

/** The folder of the built package. This file is in it, or, as a source, in src/cli. */
function packageFolder(): string {
  const own = dirname(fileURLToPath(import.meta.url));
  return existsSync(join(own, "runtime.js")) ? own : join(own, "..", "..", "dist");
}

/** The kernel variants between which the page chooses. */
const VARIANTS = ["fma", "simd"] as const;

async function readParts(): Promise<BundleParts> {
  const folder = packageFolder();
  const names = VARIANTS.map((variant) => `${variant}.wasm`);
  const kernels = await Promise.all(
    names.map(async (name) => [name, await readBytes(join(folder, "kernels", name))] as const),
  );
  const [runtime, tokenizers] = await Promise.all([
    readBytes(join(folder, "runtime.js")),
    readBytes(join(folder, "runtime-tokenizers.js")),
  ]);
  return { runtime, tokenizers, kernels: new Map(kernels) };
}

/** The bytes of a file as it is, and compressed. */
interface FileSizes {
  readonly name: string;
  readonly bytes: number;
  readonly gzip: number;
  readonly brotli: number;
}

/** Servers compress files of this size with such a quality; the highest one takes minutes for large models. */
const BROTLI = {
  params: { [constants.BROTLI_PARAM_QUALITY]: 9, [constants.BROTLI_PARAM_LGWIN]: 24 },
};

function sizesOf(name: string, content: Uint8Array | string): FileSizes {
  const bytes = Buffer.from(content);
  const gzip = gzipSync(bytes, { level: 9 }).length;
  return { name, bytes: bytes.length, gzip, brotli: brotliCompressSync(bytes, BROTLI).length };
}

function formatSizes(files: readonly FileSizes[]): string {
  const row = ({ name, bytes, gzip, brotli }: FileSizes): readonly string[] => [
    name,
    ...[bytes, gzip, brotli].map(String),
  ];
  return formatTable({ header: ["file", "bytes", "gzip", "brotli"], rows: files.map(row) });
}

export const bundleCommand: Command = defineCommand({
  name: "bundle",
  summary: "write a site that classifies text with a model",
  description: [
    "MODEL is a directory with a dense, pruned or packed classifier and a tokenizer.json, or a model in the Hugging Face cache. DIR gets the model in one file, packed without loss unless it is packed already, the runtime as an ES module, the kernels, and a page that classifies typed text. It is either complete or absent. The sizes of all files are printed.",
  ],
  positionals: ["MODEL"],
  options: OPTIONS,
  run: async ({ values, positionals: [directory = ""], json }, { out }) => {
    const to = values.out ?? refuseInput("--out", "a path for the result", "none");
    checkNewFile("--out", to);
    const place = await findModelOrThrow("MODEL", directory);
    const files = await bundleFiles(storageOf(place), place.path, await readParts());
    writeNewDirectory("--out", to, files);
    const sizes = [...files].map(([name, content]) => sizesOf(name, content));
    if (json) out.write(`${JSON.stringify({ from: directory, to, files: sizes })}\n`);
    else out.write(`${formatSizes(sizes)}\n${to}: ${sizes.length} files\n`);
    return 0;
  },
});
