import { describe, expect, test } from "vitest";
import { formatProblem, getOrThrow, isLeft, isRight } from "../../src/core/either.ts";
import {
  type DirectoryFiles,
  readHuggingFaceModel,
  readHuggingFaceTokenizer,
  widenTensors,
} from "../../src/io/hugging-face.ts";
import { writeHuggingFaceDirectory } from "../../src/io/hugging-face-writer.ts";
import { compareNames } from "../../src/io/parameter-names.ts";
import {
  readSafetensorsOrThrow,
  type StoredTensor,
  tensorFromFloat32,
  writeSafetensors,
} from "../../src/io/safetensors.ts";
import { createTokenizer, encode } from "../../src/io/tokenizer.ts";
import { formatVocabulary, SPECIAL_TOKENS } from "../../src/io/vocabulary.ts";

const VOCABULARY = formatVocabulary([...Object.values(SPECIAL_TOKENS), "tree", "Tree", "é", "e"]);
const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
const textOf = (files: DirectoryFiles, name: string): string =>
  new TextDecoder().decode(files.get(name));

function directory(
  config: object,
  tensors: ReadonlyMap<string, StoredTensor>,
  others: Readonly<Record<string, string>> = {},
): DirectoryFiles {
  return new Map([
    ["config.json", utf8(JSON.stringify(config))],
    ["model.safetensors", writeSafetensors(tensors)],
    ...Object.entries(others).map(([name, text]) => [name, utf8(text)] as const),
  ]);
}

function named(...names: readonly string[]): ReadonlyMap<string, StoredTensor> {
  return new Map(
    names.map((name, index) => [name, tensorFromFloat32("F32", [1], Float32Array.of(index))]),
  );
}

function problemsOf(result: ReturnType<typeof readHuggingFaceModel>): readonly string[] {
  if (isRight(result)) throw new Error("expected the directory to be refused");
  return result.left.map(formatProblem);
}

describe("reading a model", () => {
  const value = (files: DirectoryFiles, name: string): number | undefined => {
    const tensor = getOrThrow(readHuggingFaceModel(files)).tensors.get(name);
    return tensor && widenTensors(new Map([[name, tensor]])).get(name)?.data[0];
  };

  test("a classifier's names stay", () => {
    const names = ["bert.embeddings.LayerNorm.weight", "classifier.bias"];
    const { tensors, config } = getOrThrow(
      readHuggingFaceModel(directory({ model_type: "bert", custom: [1] }, named(...names))),
    );
    expect(new Set(tensors.keys())).toEqual(new Set(names));
    expect(config).toEqual({ model_type: "bert", custom: [1] });
  });

  test("a bare encoder of old: names get their prefix, gamma and beta their names of today", () => {
    const files = directory(
      { hidden_size: 256 },
      named(
        "embeddings.LayerNorm.gamma",
        "embeddings.LayerNorm.beta",
        "encoder.layer.0.output.LayerNorm.gamma",
        "pooler.dense.weight",
        "cls.predictions.transform.LayerNorm.gamma",
        "embeddings.position_ids",
      ),
    );
    expect(value(files, "bert.embeddings.LayerNorm.weight")).toBe(0);
    expect(value(files, "bert.embeddings.LayerNorm.bias")).toBe(1);
    expect(value(files, "bert.encoder.layer.0.output.LayerNorm.weight")).toBe(2);
    const { tensors } = getOrThrow(readHuggingFaceModel(files));
    const model = [
      "bert.embeddings.LayerNorm.weight",
      "bert.pooler.dense.weight",
      "classifier.bias",
    ];
    expect(compareNames(model, tensors)).toEqual({
      missing: ["classifier.bias"],
      unexpected: expect.arrayContaining(["cls.predictions.transform.LayerNorm.weight"]),
    });
    expect(compareNames(model, tensors).unexpected).not.toContain("bert.embeddings.position_ids");
  });

  test("a pre-trained encoder with other heads: only the classifier is missing", () => {
    const { tensors } = getOrThrow(
      readHuggingFaceModel(
        directory(
          { model_type: "bert" },
          named("bert.pooler.dense.bias", "cls.seq_relationship.bias"),
        ),
      ),
    );
    expect(compareNames(["bert.pooler.dense.bias", "classifier.weight"], tensors)).toEqual({
      missing: ["classifier.weight"],
      unexpected: ["cls.seq_relationship.bias"],
    });
  });

  test("a bare DistilBERT", () => {
    const { tensors } = getOrThrow(
      readHuggingFaceModel(
        directory(
          { model_type: "distilbert" },
          named("transformer.layer.0.ffn.lin1.bias", "x.gamma"),
        ),
      ),
    );
    expect([...tensors.keys()]).toEqual([
      "distilbert.transformer.layer.0.ffn.lin1.bias",
      "x.weight",
    ]);
  });

  test("two names for one parameter are refused", () => {
    const files = directory({}, named("bert.x.LayerNorm.gamma", "bert.x.LayerNorm.weight"));
    expect(problemsOf(readHuggingFaceModel(files))).toEqual([
      "bert.x.LayerNorm.weight: expected one tensor for bert.x.LayerNorm.weight, got bert.x.LayerNorm.gamma too",
    ]);
  });

  test("absent and broken files are all reported, by name", () => {
    expect(problemsOf(readHuggingFaceModel(new Map()))).toEqual([
      "config.json: expected this file, got none",
      "model.safetensors: expected this file, got none",
    ]);
    const files = new Map([
      ["config.json", utf8('{"a":1,"a":2}')],
      ["pytorch_model.bin", utf8("")],
    ]);
    expect(problemsOf(readHuggingFaceModel(files))).toEqual([
      'config.json: expected every name once in its object, got "a" twice',
      "model.safetensors: expected this file, got none",
    ]);
    const cut = new Map(directory({}, named("a"))).set("model.safetensors", new Uint8Array(4));
    expect(() => getOrThrow(readHuggingFaceModel(cut))).toThrow(
      /^model\.safetensors: expected a file/,
    );
  });
});

describe("reading a tokenizer", () => {
  const tokenizerFiles = (config?: object): DirectoryFiles =>
    new Map([
      ["vocab.txt", utf8(VOCABULARY)],
      ...(config === undefined
        ? []
        : [["tokenizer_config.json", utf8(JSON.stringify(config))] as const]),
    ]);
  const firstId = (config: object | undefined, text: string): number | undefined =>
    encode(getOrThrow(readHuggingFaceTokenizer(tokenizerFiles(config))), text).inputIds[1];

  test("without a configuration text is lower-cased and stripped of accents", () => {
    expect(firstId(undefined, "TREE")).toBe(5);
    expect(firstId(undefined, "É")).toBe(8);
  });

  test("the configuration's switches count", () => {
    expect(firstId({ do_lower_case: false }, "Tree")).toBe(6);
    expect(firstId({ strip_accents: false }, "É")).toBe(7);
    expect(firstId({ strip_accents: null, tokenize_chinese_chars: true }, "É")).toBe(8);
    const described = {
      tokenizer_class: "DistilBertTokenizerFast",
      pad_token: { content: "[PAD]" },
    };
    expect(firstId(described, "tree")).toBe(5);
  });

  test("another kind of tokenizer is refused, with every reason", () => {
    const result = readHuggingFaceTokenizer(
      tokenizerFiles({
        tokenizer_class: "RobertaTokenizer",
        do_lower_case: "yes",
        do_basic_tokenize: false,
        unk_token: "<unk>",
      }),
    );
    expect(isLeft(result) && result.left.map(formatProblem)).toEqual([
      expect.stringMatching(
        /^tokenizer_config\.json: tokenizer_class: expected one of Bert.*Roberta/,
      ),
      "tokenizer_config.json: do_basic_tokenize: expected true, got false",
      'tokenizer_config.json: unk_token: expected [UNK], got "<unk>"',
      'tokenizer_config.json: do_lower_case: expected true, false or null, got "yes"',
    ]);
  });

  test("a tokenizer of words can be read again, whatever the model", () => {
    const slow = getOrThrow(readHuggingFaceTokenizer(tokenizerFiles({})));
    const classes = ["electra", "roberta"].map((model_type) => {
      const files = writeHuggingFaceDirectory({
        config: { model_type },
        tensors: new Map(),
        tokenizer: slow,
      });
      expect(getOrThrow(readHuggingFaceTokenizer(files)).vocabulary).toEqual(slow.vocabulary);
      return JSON.parse(textOf(files, "tokenizer_config.json")).tokenizer_class;
    });
    expect(classes).toEqual(["ElectraTokenizer", "BertTokenizer"]);
  });

  test("a vocabulary that is absent, no text, or broken", () => {
    const broken = new Map([["vocab.txt", Uint8Array.of(0xff)]]);
    expect(() => getOrThrow(readHuggingFaceTokenizer(broken))).toThrow(
      "vocab.txt: expected UTF-8 text",
    );
    expect(() => getOrThrow(readHuggingFaceTokenizer(new Map()))).toThrow(
      "tokenizer.json, vocab.txt: expected one of these files, got neither",
    );
    const short = new Map([["vocab.txt", utf8("a\n")]]);
    expect(() => getOrThrow(readHuggingFaceTokenizer(short))).toThrow(/vocab\.txt: .* \[CLS\]/);
  });
});

describe("writing", () => {
  const tensors = named("classifier.bias", "bert.pooler.dense.bias");
  const tokenizer = createTokenizer(VOCABULARY);

  test("the files are exactly those of transformers", () => {
    const config = { model_type: "bert", vocab_size: 9, hidden_size: 64, layer_norm_eps: 1e-12 };
    const files = writeHuggingFaceDirectory({ config, tensors, tokenizer });
    expect([...files.keys()].sort()).toEqual([
      "config.json",
      "model.safetensors",
      "special_tokens_map.json",
      "tokenizer_config.json",
      "vocab.txt",
    ]);
    expect(textOf(files, "vocab.txt")).toBe(VOCABULARY);
    expect(textOf(files, "config.json")).toBe(`{
  "architectures": [
    "BertForSequenceClassification"
  ],
  "attention_probs_dropout_prob": 0.1,
  "classifier_dropout": null,
  "hidden_act": "gelu",
  "hidden_dropout_prob": 0.1,
  "hidden_size": 64,
  "initializer_range": 0.02,
  "intermediate_size": 3072,
  "layer_norm_eps": 1e-12,
  "max_position_embeddings": 512,
  "model_type": "bert",
  "num_attention_heads": 12,
  "num_hidden_layers": 12,
  "pad_token_id": 0,
  "position_embedding_type": "absolute",
  "torch_dtype": "float32",
  "transformers_version": "4.32.0",
  "type_vocab_size": 2,
  "use_cache": true,
  "vocab_size": 9
}
`);
    expect(textOf(files, "special_tokens_map.json")).toBe(`{
  "cls_token": "[CLS]",
  "mask_token": "[MASK]",
  "pad_token": "[PAD]",
  "sep_token": "[SEP]",
  "unk_token": "[UNK]"
}
`);
    expect(textOf(files, "tokenizer_config.json")).toBe(`{
  "clean_up_tokenization_spaces": true,
  "cls_token": "[CLS]",
  "do_basic_tokenize": true,
  "do_lower_case": true,
  "mask_token": "[MASK]",
  "model_max_length": 512,
  "never_split": null,
  "pad_token": "[PAD]",
  "sep_token": "[SEP]",
  "strip_accents": null,
  "tokenize_chinese_chars": true,
  "tokenizer_class": "BertTokenizer",
  "unk_token": "[UNK]"
}
`);
    const { metadata, tensors: written } = readSafetensorsOrThrow(
      files.get("model.safetensors") ?? new Uint8Array(),
    );
    expect(metadata).toEqual({ format: "pt" });
    expect([...written.keys()]).toEqual(["bert.pooler.dense.bias", "classifier.bias"]);
  });

  test("unknown keys stay; labels are stored by name; the head's class and the dtype are stated", () => {
    const half = new Map([["a", tensorFromFloat32("F16", [1], Float32Array.of(1))]]);
    const write = (config: object, stored: ReadonlyMap<string, StoredTensor>): unknown =>
      JSON.parse(
        textOf(
          writeHuggingFaceDirectory({ config: { ...config }, tensors: stored }),
          "config.json",
        ),
      );
    const source = {
      model_type: "distilbert",
      architectures: ["DistilBertForMaskedLM"],
      torch_dtype: "float32",
      transformers_version: "4.10.0",
      num_labels: 3,
      mine: { deep: [1] },
    };
    expect(write(source, half)).toMatchObject({
      architectures: ["DistilBertForSequenceClassification"],
      torch_dtype: "float16",
      transformers_version: "4.10.0",
      id2label: { 0: "LABEL_0", 1: "LABEL_1", 2: "LABEL_2" },
      label2id: { LABEL_0: 0, LABEL_1: 1, LABEL_2: 2 },
      mine: { deep: [1] },
      dim: 768,
    });
    expect(write(source, half)).not.toHaveProperty("num_labels");
    expect(write({ num_labels: 2 }, tensors)).not.toHaveProperty("id2label");
    expect(source.num_labels).toBe(3);
  });

  test("what is written reads back equal, and writing that gives the same bytes", () => {
    const cased = createTokenizer(VOCABULARY, { lowercase: false, stripAccents: true });
    const files = writeHuggingFaceDirectory({ config: {}, tensors, tokenizer: cased });
    const model = getOrThrow(readHuggingFaceModel(files));
    const read = getOrThrow(readHuggingFaceTokenizer(files));
    if (read.kind !== "slow") throw new Error("expected the tokenizer of vocab.txt");
    expect(read.options).toEqual(cased.options);
    expect(read.vocabulary).toEqual(cased.vocabulary);
    expect(
      writeHuggingFaceDirectory({ config: model.config, tensors: model.tensors, tokenizer: read }),
    ).toEqual(files);
  });

  test("without a tokenizer no tokenizer files are written", () => {
    const files = writeHuggingFaceDirectory({ config: {}, tensors });
    expect([...files.keys()]).toEqual(["config.json", "model.safetensors"]);
  });
});

test("files without bytes are refused by name", () => {
  const files = new Map([["config.json", null]]) as unknown as DirectoryFiles;
  for (const read of [readHuggingFaceModel, readHuggingFaceTokenizer])
    expect(() => read(files)).toThrow('files "config.json": expected a Uint8Array, got null');
});
