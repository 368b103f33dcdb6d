/** Models with a tensor of 1 GiB that takes no room on disk, and a storage that counts what is read of tensors. */
import { closeSync, ftruncateSync, mkdirSync, openSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { Checkpoint } from "../../src/checkpoint/checkpoint.ts";
import { map } from "../../src/core/either.ts";
import { type ModelConfig, parseModelConfigOrThrow } from "../../src/model/config.ts";
import { parameterList } from "../../src/model/parameters.ts";
import { openCheckpoint } from "../../src/node/checkpoint-reader.ts";
import { nodeStorage } from "../../src/node/storage.ts";
import type { RunStorage } from "../../src/run/storage.ts";
import { CONFIG, VOCABULARY } from "../cli/fixtures.ts";

/** A tensor of a header. */
interface Declared {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: "F32" | "I32";
}

/** The configuration of a model with 2^24 positions of width 16, which are 1 GiB. */
export const LARGE: Readonly<Record<string, unknown>> = {
  ...CONFIG,
  max_position_embeddings: 2 ** 24,
};

/** The header of a file of safetensors whose tensors have four bytes an element, and the size of the file. */
function headerOf(tensors: readonly Declared[]): {
  readonly header: Uint8Array;
  readonly size: number;
} {
  let end = 0;
  const entries = tensors.map(({ name, shape, dtype }) => {
    const begin = end;
    end += 4 * shape.reduce((product, extent) => product * extent, 1);
    return [name, { dtype, shape, data_offsets: [begin, end] }] as const;
  });
  const json = new TextEncoder().encode(JSON.stringify(Object.fromEntries(entries)));
  const header = new Uint8Array(8 + json.length);
  new DataView(header.buffer).setBigUint64(0, BigInt(json.length), true);
  header.set(json, 8);
  return { header, size: header.length + end };
}

/** Saves a model whose weights are a hole in a file. `declare` changes the tensors of its configuration. */
export function saveLargeModel(
  directory: string,
  declare: (tensor: Declared) => readonly Declared[] = (tensor) => [tensor],
  {
    config = LARGE,
    vocabulary = VOCABULARY,
  }: { readonly config?: typeof LARGE; readonly vocabulary?: string } = {},
): string {
  mkdirSync(directory);
  writeFileSync(join(directory, "config.json"), JSON.stringify(config));
  writeFileSync(join(directory, "vocab.txt"), vocabulary);
  const parameters = parameterList(parsed(config));
  const { header, size } = headerOf(
    parameters.flatMap(({ name, shape }) => declare({ name, shape, dtype: "F32" })),
  );
  const file = openSync(join(directory, "model.safetensors"), "w");
  writeSync(file, header);
  ftruncateSync(file, size);
  closeSync(file);
  return directory;
}

/** The configuration, or the one of the large model if the architecture is not known. */
function parsed(config: Readonly<Record<string, unknown>>): ModelConfig {
  return parseModelConfigOrThrow(config.model_type === "bert" ? config : LARGE);
}

/** The file system, with a count of the tensors that were read. */
export function countingStorage(): { readonly storage: RunStorage; readonly reads: () => number } {
  let count = 0;
  const storage: RunStorage = {
    ...nodeStorage,
    openCheckpoint: async (path) =>
      map((checkpoint: Checkpoint) => ({
        ...checkpoint,
        read: (...given: Parameters<Checkpoint["read"]>) => {
          count++;
          return checkpoint.read(...given);
        },
      }))(await openCheckpoint(path)),
  };
  return { storage, reads: () => count };
}

/** Models that do not fit, and what is said about each after the path of its directory. */
export const MISFITS: Readonly<
  Record<string, { readonly save: (directory: string) => string; readonly problem: string }>
> = {
  "of an unknown architecture": {
    save: (directory) =>
      saveLargeModel(directory, undefined, { config: { ...LARGE, model_type: "gpt2" } }),
    problem: "config.json: model_type: expected one of bert, ",
  },
  "without a tensor": {
    save: (directory) =>
      saveLargeModel(directory, (tensor) => (/key\.bias$/.test(tensor.name) ? [] : [tensor])),
    problem:
      "model.safetensors: expected all 25 tensors of a bert classifier, got 24; missing: bert.encoder.layer.0.attention.self.key.bias",
  },
  "with a tensor of another shape": {
    save: (directory) =>
      saveLargeModel(directory, (tensor) =>
        /position/.test(tensor.name) ? [{ ...tensor, shape: [2 ** 25, 8] }] : [tensor],
      ),
    problem:
      "model.safetensors: bert.embeddings.position_embeddings.weight: expected a tensor of shape [16777216, 16], got [33554432, 8]",
  },
  "with integers": {
    save: (directory) =>
      saveLargeModel(directory, (tensor) =>
        /position/.test(tensor.name) ? [{ ...tensor, dtype: "I32" }] : [tensor],
      ),
    problem:
      "model.safetensors: bert.embeddings.position_embeddings.weight: expected floating-point numbers, got I32",
  },
  "with a tokenizer of another vocabulary": {
    save: (directory) =>
      saveLargeModel(directory, undefined, { vocabulary: `${VOCABULARY}more\n` }),
    problem: "vocab.txt: expected at most the 21 tokens of the model, got 22",
  },
};
