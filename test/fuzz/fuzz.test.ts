/**
 * Every reader of files, on files that are nearly right: each is read or refused, soon and within a bound of memory,
 * and nothing is thrown. `ESPALIER_FUZZ` says how many each reader gets.
 */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import {
  formatManifest,
  PACKED_METADATA,
  type PackedEntry,
  parseManifest,
} from "../../src/checkpoint/packed-manifest.ts";
import { type PackOptions, packTensor } from "../../src/checkpoint/packed-tensor.ts";
import { unpackTensor } from "../../src/checkpoint/unpack-tensor.ts";
import { CaseFileError, type CaseFiles } from "../../src/conform/case-files.ts";
import { replayJoint } from "../../src/conform/joint.ts";
import { replayModel } from "../../src/conform/model.ts";
import { replaySchedules } from "../../src/conform/model-schedule.ts";
import { replayPruning } from "../../src/conform/pruning.ts";
import { replayPruningTable } from "../../src/conform/pruning-tables.ts";
import { replayStrict } from "../../src/conform/strict.ts";
import { replayTokenizer } from "../../src/conform/tokenizer.ts";
import type { Verdict } from "../../src/conform/verdict.ts";
import { type Either, InputError, isLeft, isRight, left, right } from "../../src/core/either.ts";
import { CONTENT_BYTES, looksLike } from "../../src/io/content.ts";
import {
  DTYPES,
  elementBytes,
  hasCountableZeros,
  hasNumbers,
  rawElements,
  widenForZeros,
} from "../../src/io/dtypes.ts";
import { parseGlueTsv } from "../../src/io/glue.ts";
import { readHuggingFaceModel, readHuggingFaceTokenizer } from "../../src/io/hugging-face.ts";
import { parseJsonObject } from "../../src/io/json.ts";
import { rowProblems } from "../../src/io/rows/problems.ts";
import { createRowReader } from "../../src/io/rows/row-reader.ts";
import { endTraining } from "../../src/io/rows/row-sets.ts";
import {
  readSafetensors,
  type StoredTensor,
  tensorFromFloat32,
  toFloat32,
  writeSafetensors,
} from "../../src/io/safetensors.ts";
import { parseShardIndex } from "../../src/io/shard-index.ts";
import { decodeUtf8 } from "../../src/io/text.ts";
import { createTokenizer, encode } from "../../src/io/tokenizer.ts";
import { readTorchFile, torchTensorBytes } from "../../src/io/torch-checkpoint.ts";
import { parseVocabulary } from "../../src/io/vocabulary.ts";
import { parseYaml } from "../../src/io/yaml.ts";
import { type Backend, createBackend } from "../../src/kernels/backend.ts";
import { parseModelConfig } from "../../src/model/config.ts";
import { parsePruningConfig } from "../../src/prune/parse.ts";
import { parseLayout } from "../../src/sparse/layout.ts";
import { mrpcText, VOCABULARY } from "../cli/fixtures.ts";
import { readTorchFixture } from "../io/torch-fixtures.ts";
import { createChooser, mutate } from "./mutations.ts";

const INPUTS = Number(process.env.ESPALIER_FUZZ || 400);
/** Bytes beyond those before: no input has more than some thousand. */
const MOST_MEMORY = 512 * 2 ** 20;
/** Milliseconds for one input, however busy the machine. */
const LONGEST = 5_000;

type Result = Either<readonly unknown[], unknown>;

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
const torch = readTorchFixture;

/** Reads text with the next reader, where it is text. */
function readText(bytes: Uint8Array, read: (text: string) => Result): Result {
  const text = decodeUtf8("file", bytes);
  return isLeft(text) ? text : read(text.right);
}

/** Reads a row file in two pieces. */
function readRows(name: string): (bytes: Uint8Array) => Result {
  return (bytes) => {
    const reader = createRowReader({ name, options: { textColumn: "text" }, needsLabels: true });
    const middle = bytes.length >> 1;
    for (const piece of [bytes.subarray(0, middle), bytes.subarray(middle)]) reader.push(piece);
    reader.end();
    const rows = endTraining(reader.file(), {});
    return isLeft(rows) ? left(rowProblems(rows.left)) : rows;
  };
}

/** Reads a file and decodes every tensor: types without numbers are opaque. */
function readTensors(bytes: Uint8Array): Result {
  const file = readSafetensors(bytes);
  if (isLeft(file)) return file;
  for (const tensor of file.right.tensors.values()) {
    const { dtype, bytes: data } = tensor;
    rawElements(dtype, data);
    if (hasNumbers(dtype)) toFloat32(tensor);
    if (hasCountableZeros(dtype)) widenForZeros(dtype, data);
  }
  const copy = writeSafetensors(file.right.tensors, file.right.metadata);
  const again = readSafetensors(copy);
  if (isLeft(again)) throw new Error("expected a written file to be read");
  expect(again.right.aliases).toEqual(file.right.aliases);
  return file;
}

/** Other placements of the same bytes, which must give the same result. */
const PLACEMENTS: readonly ((bytes: Uint8Array) => Uint8Array)[] = [
  (bytes) => Buffer.concat([Uint8Array.of(0, 0, 0), bytes]).subarray(3),
  (bytes) => {
    const shared = new Uint8Array(new SharedArrayBuffer(bytes.length));
    shared.set(bytes);
    return shared;
  },
];

/** Reads bytes twice: as they are, and as a Buffer or shared memory. */
function readTwice(read: (bytes: Uint8Array) => Result): (bytes: Uint8Array) => Result {
  let count = 0;
  return (bytes) => {
    const result = read(bytes);
    const place = PLACEMENTS[count++ % PLACEMENTS.length];
    if (place !== undefined) expect(read(place(bytes))._tag).toBe(result._tag);
    return result;
  };
}

function readTorch(bytes: Uint8Array): Result {
  const source = {
    name: "file",
    size: bytes.length,
    read: (begin: number, end: number): Uint8Array => {
      if (!(begin >= 0 && begin <= end && end <= bytes.length)) throw new Error("outside");
      return bytes.subarray(begin, end);
    },
  };
  const found = readTorchFile(source);
  if (isRight(found)) for (const tensor of found.right) torchTensorBytes(source, tensor);
  return found;
}

const tensors = new Map<string, StoredTensor>([
  ["a.weight", tensorFromFloat32("F32", [2, 3], new Float32Array(6).fill(1))],
  ["b.bias", tensorFromFloat32("BF16", [4], new Float32Array(4))],
  ["c", { dtype: "I64", shape: [], bytes: new Uint8Array(8) }],
]);
/** A tensor of every element type, and an alias. */
const everyDtype = writeSafetensors(
  new Map(
    DTYPES.map((dtype, i): [string, StoredTensor] => {
      const bytes = Uint8Array.from({ length: 8 * elementBytes(dtype) }, (_, at) => 31 * at + i);
      return [`${dtype}.weight`, { dtype, shape: [2, 4], bytes }];
    }),
  ),
  { format: "pt", "tied.weight": "F32.weight" },
);
/** The beginnings of other files. */
const OTHER_FILES: readonly Uint8Array[] = [
  bytesOf(
    "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22e\nsize 12345\n",
  ),
  bytesOf("<!DOCTYPE html>\n<html><head><title>Not found</title></head></html>"),
  bytesOf('{"error": "Repository not found"}'),
  Uint8Array.of(8, 7, 0x12, 7, ...bytesOf("pytorch"), 0x1a, 5, ...bytesOf("2.3.1")),
  Uint8Array.of(...bytesOf("GGUF"), 3, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0),
  Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0xab, 0x56),
];

/** The description of content never depends on bytes after its limit. */
function readContent(bytes: Uint8Array): Result {
  const content = looksLike(bytes);
  expect(looksLike(bytes.subarray(0, CONTENT_BYTES))).toBe(content);
  return content === undefined ? left([]) : right(content);
}

/** A model directory with one file altered. */
function readModelFile(name: string): (bytes: Uint8Array) => Result {
  const weights = writeSafetensors(
    new Map([["module.classifier.bias", tensorFromFloat32("F32", [2], new Float32Array(2))]]),
  );
  const files = new Map([
    ["config.json", bytesOf(JSON.stringify(CONFIG))],
    ["model.safetensors", weights],
    ["vocab.txt", bytesOf(VOCABULARY)],
  ]);
  return (bytes) => {
    const altered = new Map(files).set(name, bytes);
    return name === "vocab.txt" ? readHuggingFaceTokenizer(altered) : readHuggingFaceModel(altered);
  };
}

const CONFIG = { model_type: "bert", hidden_size: 16, num_attention_heads: 2, vocab_size: 21 };
const PRUNING = `
target_sparsity: 0.8
pruning_configs:
  - {op_names: ['.*query'], pattern: "4x1", pruning_scope: global, end_step: 10}
  - {op_names: ['.*output'], pattern: "2:4", target_sparsity: 0.5, parameters: {reg_coeff: 0.1}}
`;

/** A file whose tensors are packed in every layout. */
function packedFile(): Uint8Array {
  const values = Float32Array.from({ length: 64 }, (_, i) => (i % 4 < 2 && i < 32 ? i + 1 : 0));
  const weight = tensorFromFloat32("F32", [8, 8], values);
  const manifest = new Map<string, PackedEntry>();
  const parts = new Map<string, StoredTensor>([["plain.bias", weight]]);
  const wide = tensorFromFloat32(
    "F32",
    [16, 256],
    Float32Array.from({ length: 4096 }, (_, i) => (i % 512 < 20 ? i + 1 : 0)),
  );
  const layouts: readonly (readonly [string, PackOptions, StoredTensor?])[] = [
    ...["4x1", "csr", "2:4", "bitmask", "channels"].map((text): [string, PackOptions] => [
      text,
      { layouts: [parseLayout(text)].filter((spec) => spec !== undefined) },
    ]),
    ["dense", { layouts: [], dtype: "F16" }],
    ["quantized", { layouts: [{ layout: "blocks", block: [4, 1] }], quantize: true }],
    ["int8", { layouts: [{ layout: "blocks", block: [3, 5] }], int8: true }, wide],
  ];
  for (const [name, options, tensor = weight] of layouts) {
    const packed = packTensor(`${name}.weight`, tensor, options);
    if (packed.entry !== null) manifest.set(`${name}.weight`, packed.entry);
    for (const [part, tensor] of packed.parts) parts.set(part, tensor);
  }
  expect(manifest.size).toBe(layouts.length);
  return writeSafetensors(parts, { [PACKED_METADATA]: formatManifest(manifest) });
}

/** Unpacks every tensor of a packed file; those that say they are large are left alone. */
function readPacked(bytes: Uint8Array): Result {
  const file = readSafetensors(bytes);
  if (isLeft(file)) return file;
  const manifest = parseManifest("file", file.right.metadata[PACKED_METADATA] ?? "");
  if (isLeft(manifest)) return manifest;
  const problems: unknown[] = [];
  for (const [name, entry] of manifest.right) {
    if (entry.shape.reduce((product, extent) => product * extent, 1) > 1e6) continue;
    const read = unpackTensor(name, entry, file.right.tensors);
    if (isLeft(read)) problems.push(...read.left);
  }
  return problems.length > 0 ? left(problems) : manifest;
}

/** Whether vectors pass, as what is read; that they fail as what is refused. */
function judged(replay: () => readonly Verdict[]): Result {
  try {
    const failed = replay().filter(({ passed }) => !passed);
    return failed.length > 0 ? left(failed) : right(null);
  } catch (error) {
    // A file of rows that cannot be read at all: the command makes it one failed vector.
    if (error instanceof CaseFileError) return left([error.problem]);
    throw error;
  }
}

/** A golden case whose one file is given and whose other one is right. */
function goldenCase(path: string, replay: (files: CaseFiles) => Verdict): readonly Reader[] {
  const read = (name: string): Uint8Array =>
    new Uint8Array(readFileSync(new URL(`../golden/${path}/${name}`, import.meta.url)));
  const [json, stored] = [read("case.json"), read("tensors.safetensors")];
  const text = new TextDecoder().decode(json);
  return [
    [
      `case.json of ${path}`,
      [json],
      (bytes) =>
        readText(bytes, (altered) =>
          judged(() => [replay({ name: path, json: altered, tensors: stored })]),
        ),
    ],
    [
      `tensors.safetensors of ${path}`,
      [stored],
      (bytes) => judged(() => [replay({ name: path, json: text, tensors: bytes })]),
    ],
  ];
}

/** A table of golden rows. */
function goldenRows(path: string, replay: (text: string) => readonly Verdict[]): Reader {
  const bytes = new Uint8Array(readFileSync(new URL(path, import.meta.url)));
  return [
    path.slice(3),
    [bytes],
    (altered) => readText(altered, (text) => judged(() => replay(text))),
  ];
}

/** What broken runs leave in a backend's memory goes with it. */
let [backend, uses] = [createBackend(), 0];
function freshBackend(): Backend {
  if (uses++ % 256 === 0) backend = createBackend();
  return backend;
}

const tokenizer = createTokenizer(
  readFileSync(new URL("../vectors/tokenizer/vocab.txt", import.meta.url), "utf8"),
);

type Reader = readonly [string, readonly Uint8Array[], (bytes: Uint8Array) => Result];

/** Golden vectors: a run takes milliseconds, so that each gets a tenth of the inputs. */
const VECTORS: readonly Reader[] = [
  ...goldenCase("pruning/invalid-4x1-snipmom", replayPruning),
  ...goldenCase("pruning/2of4-all-invalid", replayPruning),
  ...goldenCase("strict/1x1-local", replayStrict),
  ...goldenCase("model/bert-regression", (files) => replayModel(files, freshBackend())),
  ...goldenCase("joint/2of4-distil", (files) => replayJoint(files, freshBackend())),
  ...["config_sequences", "layer_selection", "valid_pruning_types"].map((name) =>
    goldenRows(`../golden/pruning_tables/${name}.json`, (json) => replayPruningTable(name, json)),
  ),
  goldenRows("../golden/model/lr_schedule.json", (json) => replaySchedules("lr", json)),
  goldenRows("../vectors/tokenizer/cases.jsonl", (cases) =>
    replayTokenizer("cases", cases, tokenizer),
  ),
];

/** Each reader with files that are right. */
/** A tokenizer.json for each kind of model, from the vectors of the parts. */
function smallTokenizers(): readonly Uint8Array[] {
  const path = new URL("../io/tokenizer/vectors.json", import.meta.url);
  const { tokenizers } = JSON.parse(readFileSync(path, "utf8")) as {
    readonly tokenizers: readonly (readonly [object, unknown])[];
  };
  return tokenizers.map(([json]) => bytesOf(JSON.stringify(json)));
}

/** Reads a tokenizer.json and encodes texts with it. A part without a token is refused, too. */
function readAndUseTokenizer(bytes: Uint8Array): ReturnType<typeof readHuggingFaceTokenizer> {
  const read = readHuggingFaceTokenizer(new Map([["tokenizer.json", bytes]]));
  if (isLeft(read)) return read;
  try {
    encode(read.right, "Ab  [E]<m> é½\n가X12", "a b\ud800 --", 7);
    return read;
  } catch (error) {
    if (error instanceof InputError) return left(error.problems);
    throw error;
  }
}

const READERS: readonly Reader[] = [
  [
    "safetensors",
    [
      writeSafetensors(tensors, { format: "pt" }),
      writeSafetensors(new Map()),
      torch("twin.safetensors"),
      everyDtype,
    ],
    readTwice(readTensors),
  ],
  ["the content of a file", [...OTHER_FILES, everyDtype, torch("zip.bin")], readContent],
  [
    "model.safetensors in a directory",
    [everyDtype, writeSafetensors(tensors)],
    readModelFile("model.safetensors"),
  ],
  ["vocab.txt in a directory", [bytesOf(VOCABULARY)], readModelFile("vocab.txt")],
  [
    "model.safetensors.index.json",
    [
      bytesOf(
        '{"metadata": {"total_size": 8}, "weight_map": {"a": "a-1.safetensors", "b": "b.safetensors"}}',
      ),
    ],
    (bytes) => parseShardIndex("file", bytes),
  ],
  [
    "pytorch_model.bin",
    [
      ...["zip.bin", "legacy.bin", "nested.bin", "new-dtypes.bin", "new-dtypes-legacy.bin"],
      ...["training.bin", "training-legacy.bin"],
    ].map(torch),
    readTwice(readTorch),
  ],
  [
    "pytorch_model.bin.index.json",
    [bytesOf('{"metadata": {}, "weight_map": {"a": "a-1.bin", "b": "b.bin"}}')],
    (bytes) => parseShardIndex("file", bytes, "bin"),
  ],
  [
    "config.json",
    [
      bytesOf(JSON.stringify(CONFIG)),
      bytesOf('{"model_type": "distilbert", "dim": 8, "n_heads": 2}'),
    ],
    (bytes) => {
      const json = parseJsonObject("file", bytes);
      return isLeft(json) ? json : parseModelConfig(json.right);
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
        return isLeft(keys) ? keys : parsePruningConfig(keys.right);
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
    "rows in CSV",
    [bytesOf('text,label\n"a ""b""\nc",1\nd,0\n e,1\r\n\nf,0\n')],
    readRows("rows.csv"),
  ],
  ["rows in TSV", [bytesOf('label\ttext\n1\t"a\tb"\nx\tc,d\n1\té\n')], readRows("rows.tsv")],
  [
    "rows in JSON",
    [
      bytesOf('[{"text": "a", "label": 0.5},\n {"text": "\\u00e9\\n", "label": 2}]'),
      bytesOf(
        '{"v": [1, {}], "data": [\n{"text": "a", "label": ["x", "y"]},\n{"text": "", "label": []}]}\n',
      ),
    ],
    readRows("rows.json"),
  ],
  [
    "rows in JSON Lines",
    [
      bytesOf(
        '{"text": "a", "label": 1.50}\n\n{"label": "x", "text": "b"}\r\n{"text": "c", "label": true}',
      ),
    ],
    readRows("rows.jsonl"),
  ],
  [
    "vocab.txt",
    [bytesOf(VOCABULARY)],
    (bytes) => readText(bytes, (text) => parseVocabulary("file", text)),
  ],
  ["tokenizer.json", smallTokenizers(), readAndUseTokenizer],
  ["model.packed.safetensors", [packedFile()], readPacked],
  [
    "tokenizer_config.json",
    [bytesOf('{"do_lower_case": true, "tokenizer_class": "BertTokenizer", "strip_accents": null}')],
    (bytes) =>
      readHuggingFaceTokenizer(
        new Map([
          ["vocab.txt", bytesOf(VOCABULARY)],
          ["tokenizer_config.json", bytes],
        ]),
      ),
  ],
];

describe.each([
  ["readers", INPUTS, READERS, INPUTS - 1],
  ["golden vectors", Math.ceil(INPUTS / 10), VECTORS, Math.ceil(INPUTS / 10)],
] as const)("%s, %i inputs each", (_, inputs, readers, mostRefused) => {
  test.each(readers)(
    "%s",
    (name, corpus, read) => {
      for (const bytes of corpus) expect([name, read(bytes)._tag]).toEqual([name, "Right"]);
      const before = process.memoryUsage().rss;
      const choose = createChooser(name.length);
      let [refused, slowest, most] = [0, 0, 0];
      for (let i = 0; i < inputs; i++) {
        const bytes = mutate(corpus, choose);
        const began = performance.now();
        try {
          if (isLeft(read(bytes))) refused++;
        } catch (error) {
          throw new Error(`input ${i}: ${JSON.stringify([...bytes])}`, { cause: error });
        }
        slowest = Math.max(slowest, performance.now() - began);
        if (i % 256 === 0) most = Math.max(most, process.memoryUsage().rss - before);
      }
      expect(slowest).toBeLessThan(LONGEST);
      expect(most).toBeLessThan(MOST_MEMORY);
      // The mutations reach what is refused, and what is read; hardly any change leaves a vector as it was.
      expect(refused).toBeGreaterThan(inputs / 10);
      expect(refused).toBeLessThanOrEqual(mostRefused);
    },
    60_000 + inputs * 100,
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
    ["a model of 2^53 layers", parseModelConfig({ ...CONFIG, num_hidden_layers: 2 ** 53 - 1 })],
    ...(
      [
        [
          "a case of 2^40 elements",
          /"model":\[\["[^"]*","linear",\[/,
          (text) => `${text}1099511627776,`,
        ],
        ["a step that never ends", /"on_step_begin_calls_per_step":\d/, (text) => `${text}e308`],
      ] as const satisfies readonly [string, RegExp, (text: string) => string][]
    ).map(([name, where, alter]): [string, Result] => {
      const path = new URL("../golden/pruning/invalid-4x1-snipmom/", import.meta.url);
      const json = readFileSync(new URL("case.json", path), "utf8").replace(/\s/g, "");
      expect(json).toMatch(where);
      const stored = new Uint8Array(readFileSync(new URL("tensors.safetensors", path)));
      const files = { name, json: json.replace(where, alter), tensors: stored };
      return [name, judged(() => [replayPruning(files)])];
    }),
    [
      "a few bytes that stand for 2^33 zeros",
      parseManifest(
        "file",
        '{"version":1,"tensors":{"a":{"layout":"channels","shape":[8589934592],"dtype":"F32","unpacked":"F32"}}}',
      ),
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
    expect(isLeft(result)).toBe(true);
  });
});
