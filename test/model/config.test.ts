import { describe, expect, it } from "vitest";
import { getOrThrow, InputError, isLeft } from "../../src/core/either.ts";
import { PROBLEM_TYPES } from "../../src/core/problem-type.ts";
import { parseModelConfig, parseModelConfigOrThrow } from "../../src/model/config.ts";
import { moduleList } from "../../src/model/modules.ts";
import { SMALL_BERT, SMALL_DISTILBERT, SMALL_ELECTRA, SMALL_ROBERTA } from "./small-models.ts";

/** The paths of everything wrong with a configuration. */
function problemPaths(json: unknown): readonly string[] {
  const result = parseModelConfig(json);
  return isLeft(result) ? result.left.map(({ path }) => path) : [];
}

describe("a model's config.json", () => {
  it("takes transformers' defaults for BERT and DistilBERT", () => {
    expect(parseModelConfigOrThrow({ model_type: "bert" })).toEqual({
      modelType: "bert",
      vocabularySize: 30522,
      tokenTypes: 2,
      maxPositions: 512,
      positionRows: 512,
      trainsPositions: true,
      layers: 12,
      heads: 12,
      embeddingSize: 768,
      hiddenSize: 768,
      intermediateSize: 3072,
      intermediateSizes: null,
      prunedHeads: null,
      activation: "gelu",
      hiddenDropout: 0.1,
      attentionDropout: 0.1,
      classifierDropout: 0.1,
      layerNormEpsilon: 1e-12,
      initializerRange: 0.02,
      padTokenId: 0,
      paddingRow: 0,
      labels: 2,
      problemType: null,
      source: { model_type: "bert" },
    });
    expect(parseModelConfigOrThrow({ model_type: "distilbert" })).toMatchObject({
      tokenTypes: 0,
      layers: 6,
      classifierDropout: 0.2,
    });
  });

  it("takes transformers' defaults for RoBERTa, XLM-R, CamemBERT and ELECTRA", () => {
    const base = { padTokenId: 1, positionRows: 512, maxPositions: 510, tokenTypes: 2 };
    const parse = (model_type: string) => parseModelConfigOrThrow({ model_type });
    expect(parse("roberta")).toMatchObject({ ...base, vocabularySize: 50265 });
    expect(parse("xlm-roberta")).toMatchObject({ ...base, vocabularySize: 30522 });
    expect(parse("camembert")).toMatchObject({ ...base, vocabularySize: 30522 });
    expect(parse("electra")).toMatchObject({
      embeddingSize: 128,
      hiddenSize: 256,
      heads: 4,
      intermediateSize: 1024,
      maxPositions: 512,
    });
  });

  it("takes the width of each feed-forward layer from a key of its own", () => {
    const parse = (espalier: unknown, layers: number = 2) =>
      parseModelConfig({ model_type: "bert", num_hidden_layers: layers, espalier });
    const widths = { intermediate_sizes: [3, 7] };
    const config = getOrThrow(parse(widths));
    expect(config).toMatchObject({ intermediateSize: 3072, intermediateSizes: [3, 7] });
    const shapes = moduleList(config).filter(({ name }) => /intermediate|output.dense/.test(name));
    expect(shapes.map(({ shape }) => shape.join())).toEqual([
      "768,768",
      "3,768",
      "768,3",
      "768,768",
      "7,768",
      "768,7",
    ]);
    for (const wrong of [3, "3", [], {}, { intermediate_sizes: [3] }, { ...widths, more: 1 }])
      expect(parse(wrong)).toMatchObject({
        left: [
          {
            path: "espalier",
            expected: "an object with intermediate_sizes, 2 positive integers, alone",
          },
        ],
      });
    for (const wrong of [0, -1, 1.5, "3", null, 2 ** 60])
      expect(isLeft(parse({ intermediate_sizes: [3, wrong] }))).toBe(true);
  });

  it("lacks the heads of pruned_heads", () => {
    const parse = (pruned_heads: unknown) =>
      parseModelConfigOrThrow({ model_type: "bert", num_hidden_layers: 2, pruned_heads });
    for (const none of [undefined, null, {}, { 1: [] }]) expect(parse(none).prunedHeads).toBeNull();
    const config = parse({ 1: [7, 3, 3] });
    expect(config.prunedHeads).toEqual([[], [3, 7]]);
    const shapes = moduleList(config).filter(({ name }) => /\.1\.attention/.test(name));
    expect(shapes.map(({ shape }) => shape.join())).toEqual([
      ...["640,768", "640,768", "640,768", "768,640", "768"],
    ]);
  });

  it("leaves fewer positions for tokens if RoBERTa's padding id is larger", () => {
    const parse = (pad_token_id: number) =>
      parseModelConfigOrThrow({
        model_type: "roberta",
        pad_token_id,
        max_position_embeddings: 20,
      }).maxPositions;
    expect([0, 1, 7, 18].map(parse)).toEqual([19, 18, 12, 1]);
  });

  it("has no padding row if the padding id is null", () => {
    const config = parseModelConfigOrThrow({ model_type: "bert", pad_token_id: null });
    expect(config).toMatchObject({ padTokenId: 0, paddingRow: null });
  });

  it.each([
    ["gelu_python", "gelu"],
    ["gelu_pytorch_tanh", "gelu_new"],
    ["gelu_fast", "gelu_new"],
    ["swish", "silu"],
    ["silu", "silu"],
    ["relu", "relu"],
  ])("reads the activation %s", (hidden_act, activation) => {
    expect(parseModelConfigOrThrow({ model_type: "electra", hidden_act })).toMatchObject({
      activation,
    });
  });

  it("reads files that do not state their type", () => {
    expect(parseModelConfigOrThrow({ hidden_size: 256, num_attention_heads: 4 }).modelType).toBe(
      "bert",
    );
    expect(parseModelConfigOrThrow({ dim: 64, n_heads: 2 }).modelType).toBe("distilbert");
  });

  it("counts labels by num_labels or id2label, one meaning regression", () => {
    const labels = (json: object): number =>
      parseModelConfigOrThrow({ model_type: "bert", ...json }).labels;
    expect(labels({ num_labels: 1, problem_type: "regression" })).toBe(1);
    expect(labels({ id2label: { 0: "a", 1: "b", 2: "c" } })).toBe(3);
    expect(labels({ problem_type: "single_label_classification" })).toBe(2);
  });

  it("states a problem type, or leaves it to the labels", () => {
    const type = (json: object) =>
      parseModelConfigOrThrow({ model_type: "distilbert", ...json }).problemType;
    expect(type({})).toBe(null);
    expect(type({ problem_type: null, num_labels: 1 })).toBe(null);
    for (const problem_type of PROBLEM_TYPES) expect(type({ problem_type })).toBe(problem_type);
    for (const problem_type of ["regression", "multi_label_classification"])
      expect(type({ problem_type, num_labels: 1 })).toBe(problem_type);
  });

  it("lets the classifier's dropout default to the hidden one's", () => {
    const parse = (json: object): number =>
      parseModelConfigOrThrow({ model_type: "bert", hidden_dropout_prob: 0.3, ...json })
        .classifierDropout;
    expect(parse({})).toBe(0.3);
    expect(parse({ classifier_dropout: null })).toBe(0.3);
    expect(parse({ classifier_dropout: 0 })).toBe(0);
  });

  it("keeps keys that it does not know", () => {
    const json = { model_type: "bert", _name_or_path: "x", custom: [1] };
    expect(parseModelConfigOrThrow(json).source).toEqual(json);
  });

  it("reports every problem at once", () => {
    expect(
      problemPaths({
        model_type: "bert",
        vocab_size: 0,
        hidden_size: 30,
        num_attention_heads: 4,
        num_hidden_layers: 1.5,
        hidden_act: "mish",
        hidden_dropout_prob: 1,
        attention_probs_dropout_prob: "0.1",
        layer_norm_eps: 0,
        position_embedding_type: "relative_key",
        num_labels: 3,
        id2label: { 0: "a" },
        problem_type: "ranking",
      }),
    ).toEqual(
      [
        "position_embedding_type",
        "vocab_size",
        "num_hidden_layers",
        "hidden_act",
        "attention_probs_dropout_prob",
        "layer_norm_eps",
        "num_labels",
        "problem_type",
        "hidden_size",
        "hidden_dropout_prob",
      ].sort((a, b) => ORDER.indexOf(a) - ORDER.indexOf(b)),
    );
  });

  it.each([
    [null, "config.json"],
    [[], "config.json"],
    ["bert", "config.json"],
    [{}, "model_type"],
    [{ model_type: "albert" }, "model_type"],
    [{ model_type: 5 }, "model_type"],
    [{ model_type: "distilbert", sinusoidal_pos_embds: 1 }, "sinusoidal_pos_embds"],
    [{ model_type: "bert", pruned_heads: { 0: [12] } }, "pruned_heads"],
    [{ model_type: "bert", pruned_heads: { 12: [1] } }, "pruned_heads"],
    [{ model_type: "bert", pruned_heads: { x: [1] } }, "pruned_heads"],
    [{ model_type: "bert", pruned_heads: [[1.5]] }, "pruned_heads"],
    [{ model_type: "bert", pruned_heads: 3 }, "pruned_heads"],
    [
      { model_type: "bert", pruned_heads: { 0: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11] } },
      "pruned_heads",
    ],
    [{ model_type: "roberta", position_embedding_type: "relative_key" }, "position_embedding_type"],
    [{ model_type: "roberta", max_position_embeddings: 2 }, "max_position_embeddings"],
    [{ model_type: "camembert", pad_token_id: null }, "pad_token_id"],
    [{ model_type: "electra", embedding_size: 0 }, "embedding_size"],
    [{ model_type: "electra", hidden_size: 30 }, "hidden_size"],
    [{ model_type: "distilbert", dim: 10, n_heads: 3 }, "dim"],
    [{ model_type: "bert", pad_token_id: 30522 }, "pad_token_id"],
    [
      { model_type: "bert", num_labels: 1, problem_type: "single_label_classification" },
      "problem_type",
    ],
  ])("refuses %j", (json, path) => {
    expect(problemPaths(json)).toEqual([path]);
    expect(() => parseModelConfigOrThrow(json)).toThrow(InputError);
  });
});

/** The order in which a configuration's keys are read. */
const ORDER = [
  "position_embedding_type",
  "hidden_dropout_prob",
  "vocab_size",
  "hidden_size",
  "num_hidden_layers",
  "hidden_act",
  "attention_probs_dropout_prob",
  "layer_norm_eps",
  "num_labels",
  "problem_type",
];

describe("a model's modules", () => {
  it("come in transformers' order with its names", () => {
    expect(
      moduleList(SMALL_BERT)
        .map(({ name }) => name)
        .slice(0, 12),
    ).toEqual([
      "bert.embeddings.word_embeddings",
      "bert.embeddings.position_embeddings",
      "bert.embeddings.token_type_embeddings",
      "bert.embeddings.LayerNorm",
      "bert.encoder.layer.0.attention.self.query",
      "bert.encoder.layer.0.attention.self.key",
      "bert.encoder.layer.0.attention.self.value",
      "bert.encoder.layer.0.attention.output.dense",
      "bert.encoder.layer.0.attention.output.LayerNorm",
      "bert.encoder.layer.0.intermediate.dense",
      "bert.encoder.layer.0.output.dense",
      "bert.encoder.layer.0.output.LayerNorm",
    ]);
    expect(moduleList(SMALL_DISTILBERT).slice(-3)).toEqual([
      {
        name: "distilbert.transformer.layer.1.output_layer_norm",
        kind: "layerNorm",
        shape: [8],
        bias: true,
      },
      { name: "pre_classifier", kind: "linear", shape: [8, 8], bias: true },
      { name: "classifier", kind: "linear", shape: [3, 8], bias: true },
    ]);
  });

  it("of ELECTRA project embeddings of another width", () => {
    const names = moduleList(SMALL_ELECTRA).map(({ name, shape }) => `${name} ${shape.join("x")}`);
    expect(names.slice(0, 6)).toEqual([
      "electra.embeddings.word_embeddings 30x6",
      "electra.embeddings.position_embeddings 24x6",
      "electra.embeddings.token_type_embeddings 2x6",
      "electra.embeddings.LayerNorm 6",
      "electra.embeddings_project 8x6",
      "electra.encoder.layer.0.attention.self.query 8x8",
    ]);
    const plain = parseModelConfigOrThrow({ ...SMALL_ELECTRA.source, embedding_size: 8 });
    expect(moduleList(plain).map(({ name }) => name)).not.toContain("electra.embeddings_project");
  });

  it("of RoBERTa, XLM-R and CamemBERT have one prefix, and a head of two layers", () => {
    for (const model_type of ["roberta", "xlm-roberta", "camembert"]) {
      const names = moduleList(
        parseModelConfigOrThrow({ ...SMALL_ROBERTA.source, model_type }),
      ).map(({ name }) => name);
      expect(names[0]).toBe("roberta.embeddings.word_embeddings");
      expect(names.slice(-2)).toEqual(["classifier.dense", "classifier.out_proj"]);
    }
  });
});
