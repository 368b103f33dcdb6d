/**
 * Every reader of files, on files that are nearly right: each is read or refused, soon and within a bound of memory,
 * and nothing is thrown. `ESPALIER_FUZZ` says how many each reader gets.
 */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import type { Either } from "../../src/core/either.ts";
import { parseGlueTsv } from "../../src/io/glue.ts";
import { parseJsonObject } from "../../src/io/json.ts";
import {
  readSafetensors,
  type StoredTensor,
  tensorFromFloat32,
  writeSafetensors,
} from "../../src/io/safetensors.ts";
import { parseShardIndex } from "../../src/io/shard-index.ts";
import { parseTokenizerConfig } from "../../src/io/tokenizer-config.ts";
import { readTorchFile, torchTensorBytes } from "../../src/io/torch-checkpoint.ts";
import { decodeUtf8 } from "../../src/io/utf8.ts";
import { parseVocabulary } from "../../src/io/vocabulary.ts";
import { parseYaml } from "../../src/io/yaml.ts";
import { parseModelConfig } from "../../src/model/config.ts";
import { parsePruningConfig } from "../../src/prune/parse.ts";
import { mrpcText, VOCABULARY } from "../cli/fixtures.ts";
import { createChooser, mutate } from "./mutations.ts";

const INPUTS = Number(process.env.ESPALIER_FUZZ || 400);
/** Bytes beyond those before: no input has more than some thousand. */
const MOST_MEMORY = 512 * 2 ** 20;
/** Milliseconds for one input, however busy the machine. */
const LONGEST = 5_000;

type Result = Either<readonly unknown[], unknown>;

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
const torch = (name: string): Uint8Array =>
  new Uint8Array(readFileSync(new URL(`../checkpoint/torch/${name}`, import.meta.url)));

/** Reads text with the next reader, where it is text. */
function readText(bytes: Uint8Array, read: (text: string) => Result): Result {
  const text = decodeUtf8("file", bytes);
  return text._tag === "Left" ? text : read(text.right);
}

function readTorch(bytes: Uint8Array): Result {
  const source = {
    name: "file",
    size: bytes.length,
    read: (begin: number, end: number): Uint8Array => {
      if (!(begin >= 0 && begin <= end && end <= bytes.length)) throw new Error("outside");
      return bytes.slice(begin, end);
    },
  };
  const found = readTorchFile(source);
  if (found._tag === "Right") for (const tensor of found.right) torchTensorBytes(source, tensor);
  return found;
}

const tensors = new Map<string, StoredTensor>([
  ["a.weight", tensorFromFloat32("F32", [2, 3], new Float32Array(6).fill(1))],
  ["b.bias", tensorFromFloat32("BF16", [4], new Float32Array(4))],
  ["c", { dtype: "I64", shape: [], bytes: new Uint8Array(8) }],
]);
const CONFIG = { model_type: "bert", hidden_size: 16, num_attention_heads: 2, vocab_size: 21 };
const PRUNING = `
target_sparsity: 0.8
pruning_configs:
  - {op_names: ['.*query'], pattern: "4x1", pruning_scope: global, end_step: 10}
  - {op_names: ['.*output'], pattern: "2:4", target_sparsity: 0.5, parameters: {reg_coeff: 0.1}}
`;

/** Each reader with files that are right. */
const READERS: readonly (readonly [
  string,
  readonly Uint8Array[],
  (bytes: Uint8Array) => Result,
])[] = [
  [
    "safetensors",
    [
      writeSafetensors(tensors, { format: "pt" }),
      writeSafetensors(new Map()),
      torch("twin.safetensors"),
    ],
    (bytes) => readSafetensors(bytes),
  ],
  [
    "model.safetensors.index.json",
    [
      bytesOf(
        '{"metadata": {"total_size": 8}, "weight_map": {"a": "a-1.safetensors", "b": "b.safetensors"}}',
      ),
    ],
    (bytes) => parseShardIndex("file", bytes),
  ],
  ["pytorch_model.bin", [torch("zip.bin"), torch("legacy.bin"), torch("nested.bin")], readTorch],
  [
    "config.json",
    [
      bytesOf(JSON.stringify(CONFIG)),
      bytesOf('{"model_type": "distilbert", "dim": 8, "n_heads": 2}'),
    ],
    (bytes) => {
      const json = parseJsonObject("file", bytes);
      return json._tag === "Left" ? json : parseModelConfig(json.right);
    },
  ],
  [
    "pruning configuration",
    [
      bytesOf(PRUNING),
      bytesOf(JSON.stringify([{ pattern: "1xchannel", start_step: 1, end_step: 9 }])),
    ],
    (bytes) =>
      readText(bytes, (text) => {
        const keys = parseYaml("file", text);
        return keys._tag === "Left" ? keys : parsePruningConfig(keys.right);
      }),
  ],
  [
    "MRPC",
    [bytesOf(mrpcText(6))],
    (bytes) => readText(bytes, (text) => parseGlueTsv("mrpc", "file", text)),
  ],
  [
    "SST-2",
    [bytesOf('sentence\tlabel\nthe tree "grows \t1\na wall stands\t0\n')],
    (bytes) => readText(bytes, (text) => parseGlueTsv("sst2", "file", text)),
  ],
  [
    "vocab.txt",
    [bytesOf(VOCABULARY)],
    (bytes) => readText(bytes, (text) => parseVocabulary("file", text)),
  ],
  [
    "tokenizer_config.json",
    [bytesOf('{"do_lower_case": true, "tokenizer_class": "BertTokenizer", "strip_accents": null}')],
    (bytes) => parseTokenizerConfig("file", bytes),
  ],
];

describe(`${INPUTS} inputs for each reader`, () => {
  test.each(READERS)(
    "%s",
    (name, corpus, read) => {
      for (const bytes of corpus) expect([name, read(bytes)._tag]).toEqual([name, "Right"]);
      const before = process.memoryUsage().rss;
      const choose = createChooser(name.length);
      let [refused, slowest, most] = [0, 0, 0];
      for (let i = 0; i < INPUTS; i++) {
        const bytes = mutate(corpus, choose);
        const began = performance.now();
        try {
          if (read(bytes)._tag === "Left") refused++;
        } catch (error) {
          throw new Error(`input ${i}: ${JSON.stringify([...bytes])}`, { cause: error });
        }
        slowest = Math.max(slowest, performance.now() - began);
        if (i % 256 === 0) most = Math.max(most, process.memoryUsage().rss - before);
      }
      expect(slowest).toBeLessThan(LONGEST);
      expect(most).toBeLessThan(MOST_MEMORY);
      // The mutations reach what is read and what is refused.
      expect(refused).toBeGreaterThan(INPUTS / 10);
      expect(refused).toBeLessThan(INPUTS);
    },
    60_000 + INPUTS * 10,
  );
});

describe("what a reader must not fall for", () => {
  const header = (json: string, stated = BigInt(json.length)): Uint8Array => {
    const bytes = new Uint8Array(8 + json.length);
    new DataView(bytes.buffer).setBigUint64(0, stated, true);
    bytes.set(bytesOf(json), 8);
    return bytes;
  };
  test.each<[string, Result]>([
    ["a header of 2^60 bytes", readSafetensors(header("{}", 2n ** 60n))],
    ["deep JSON", readSafetensors(header(`{"a":${"[".repeat(100_000)}`))],
    [
      "deep JSON that ends",
      parseJsonObject("file", bytesOf(`{"a":${"[".repeat(1e5)}${"]".repeat(1e5)}}`)),
    ],
    [
      "a tensor of 2^53 elements",
      readSafetensors(
        header('{"a":{"dtype":"F32","shape":[9007199254740991],"data_offsets":[0,4]}}'),
      ),
    ],
    [
      "a way out of the directory",
      parseShardIndex("file", bytesOf('{"weight_map":{"a":"../b.safetensors"}}')),
    ],
    ["deep YAML", parseYaml("file", "[".repeat(100_000))],
    ["deep YAML that ends", parseYaml("file", `${"[".repeat(1e5)}${"]".repeat(1e5)}`)],
    ["YAML with a list as key", parseYaml("file", "? [a, b]\n: c\n")],
    [
      "aliases that grow",
      parseYaml(
        "file",
        `a: &a [x,x,x,x,x,x,x,x,x]\n${[..."bcdefghij"].map((name, i) => `${name}: &${name} [${Array(9).fill(`*${"abcdefghi"[i]}`)}]`).join("\n")}`,
      ),
    ],
  ])("%s", (_, result) => {
    expect(result._tag).toBe("Left");
  });
});
