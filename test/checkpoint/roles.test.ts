import { describe, expect, it } from "vitest";
import { tensorFacts } from "../../src/checkpoint/roles.ts";

function factsOf(name: string, shape: readonly number[], modelTypes: readonly string[] = []) {
  const [facts] = tensorFacts([{ name, shape }], { modelTypes });
  return [facts?.role, facts?.axes, facts?.source];
}

const UPSAMPLING = ["transposed-convolution", "in,out"] as const;
const CONVOLUTION = ["convolution", "out,in"] as const;

describe("roles by names and shapes", () => {
  it.each([
    ["bert.encoder.layer.0.output.dense.weight", [8, 8], "linear", "out,in", "rank"],
    ["bert.embeddings.word_embeddings.weight", [99, 8], "embedding", null, "names"],
    ["transformer.wte.weight", [99, 8], "embedding", null, "names"],
    ["emb.weight", [99, 8], "embedding", null, "names"],
    ["visual.patch_embed.proj.weight", [8, 3, 4, 4], "convolution", "out,in", "names"],
    ["conv1.weight", [8, 3, 3], "convolution", "out,in", "names"],
    ["features.0.weight", [8, 3, 3, 3], "convolution", "out,in", "rank"],
    ["up.deconv.weight", [8, 3, 3, 3], "transposed-convolution", "in,out", "names"],
    ["moe.input_linear.weight", [4, 32, 16], "experts", "out,in", "names"],
    ["mlp.experts.gate_up_proj", [4, 32, 16], "experts", "out,in", "names"],
    ["attn.in_proj_weight", [48, 16], "linear", "out,in", "rank"],
    ["lstm.weight_ih_l0_reverse", [32, 8], "linear", "out,in", "names"],
    ["cell.weight_ih", [32, 8], "linear", "out,in", "names"],
    ["cell.bias_hh", [32], "bias", null, "names"],
    ["attn.bias_k", [1, 1, 16], "bias", null, "names"],
    ["mlp.gate_up_proj", [32, 8], "linear", "out,in", "rank"],
    ["bert.embeddings.LayerNorm.weight", [8], "norm", null, "names"],
    ["classifier.bias", [2], "bias", null, "names"],
    ["attn.sinks", [4], "vector", null, "names"],
    ["attn.q_norm.weight", [4, 8], "norm", null, "names"],
    ["layernorm_qkv.weight", [24, 8], "linear", "out,in", "rank"],
    ["position_ids", [1, 512], "other", null, "names"],
    ["mixer.A_log", [64, 4], "other", null, "names"],
    ["attn.relative_position_bias_table", [49, 4], "other", null, "names"],
  ])("%s %j is %s", (name, shape, role, axes, source) => {
    expect(factsOf(name, shape)).toEqual([role, axes, source]);
  });

  it("the length of a bias, which is the number of outputs, decides about axes", () => {
    const tensors = [
      { name: "a.weight", shape: [8, 24] },
      { name: "a.bias", shape: [24] },
      { name: "up.weight", shape: [8, 4, 2, 2] },
      { name: "up.bias", shape: [4] },
    ];
    expect(tensorFacts(tensors)).toMatchObject([
      { role: "linear", axes: "in,out", source: "names" },
      { role: "bias" },
      { role: "transposed-convolution", axes: "in,out", source: "names" },
      { role: "bias" },
    ]);
  });

  it("in GPT-2 the layers that grow decide about square ones", () => {
    const tensors = [
      { name: "h.0.mlp.c_fc.weight", shape: [16, 64] },
      { name: "h.0.attn.c_proj.weight", shape: [16, 16] },
    ];
    expect(tensorFacts(tensors).map(({ axes }) => axes)).toEqual(["in,out", "in,out"]);
    const linear = [{ name: "h.0.mlp.c_fc.weight", shape: [64, 16] }, ...tensors.slice(1)];
    expect(tensorFacts(linear).map(({ axes }) => axes)).toEqual(["out,in", "out,in"]);
  });
});

describe("roles by model types", () => {
  it.each([
    ["gpt2", "h.0.attn.c_proj.weight", [16, 16], "linear", "in,out"],
    ["gpt_oss", "layers.0.mlp.experts.down_proj", [4, 48, 32], "experts", "in,out"],
    ["bert", "bert.pooler.dense.weight", [16, 16], "linear", "out,in"],
    ["mamba", "mixer.A_log", [64, 4], "other", null],
    ["sam", "mask_decoder.iou_token.weight", [1, 16], "embedding", null],
    ["chameleon", "self_attn.q_norm.weight", [4, 8], "norm", null],
    ["decision_transformer", "module.embed_state.weight", [16, 3], "linear", "out,in"],
    ["deformable_detr", "class_embed.0.weight", [2, 16], "linear", "out,in"],
    [
      "depth_pro",
      "neck.feature_upsample.intermediate.0.layers.1.weight",
      [8, 8, 2, 2],
      ...UPSAMPLING,
    ],
    [
      "depth_pro",
      "neck.feature_upsample.intermediate.0.layers.0.weight",
      [8, 8, 1, 1],
      ...CONVOLUTION,
    ],
    ["eomt", "query.weight", [20, 16], "embedding", null],
    ["eomt", "upscale_block.block.0.conv1.weight", [8, 8, 2, 2], ...UPSAMPLING],
    ["eomt", "upscale_block.block.0.conv2.weight", [8, 1, 3, 3], ...CONVOLUTION],
    [
      "jukebox",
      "priors.0.prior.transformer._attn_mods.0.mlp.c_fc.weight",
      [8, 8],
      "linear",
      "in,out",
    ],
    ["lfm2-vl", "vision_model.embeddings.patch_embedding.weight", [8, 12], "linear", "out,in"],
    ["qwen3_vl_moe", "mlp.experts.gate_up_proj", [4, 16, 32], "experts", "in,out"],
    ["reformer", "embeddings.position_embeddings.weights.0", [64, 1, 64], "embedding", null],
    ["wav2vec2", "objective.weight", [16, 4], "linear", "in,out"],
    ["zamba2", "model.layers.0.mamba.in_proj.weight", [32, 16], "linear", "out,in"],
  ])("%s: %s is %s", (type, name, shape, role, axes) => {
    expect(factsOf(name, shape, [type])).toEqual([role, axes, "config"]);
  });

  it("the type of a composite is known if the types of its parts are", () => {
    const of = (...types: readonly string[]) =>
      factsOf("decoder.transformer.h.0.attn.c_proj.weight", [16, 16], types);
    expect(of("vision-encoder-decoder", "gpt2", "vit")).toEqual(["linear", "in,out", "config"]);
    expect(of("vision-encoder-decoder", "mine", "vit")).toEqual(["linear", "out,in", "rank"]);
  });

  it("an unknown type decides nothing, and no name of Object counts as one", () => {
    expect(factsOf("a.weight", [4, 4], ["mine"])).toEqual(["linear", "out,in", "rank"]);
    expect(factsOf("a.weight", [4, 4], ["constructor"])).toEqual(["linear", "out,in", "rank"]);
  });
});

describe("options", () => {
  const tensors = [
    { name: "up.weight", shape: [8, 4, 2, 2] },
    { name: "up.bias", shape: [4] },
    { name: "emb.weight", shape: [9, 4] },
  ];
  it("come before all other sources; the last one that matches wins", () => {
    const overrides = [
      { pattern: /./, axes: "in,out" },
      { pattern: /^up/, role: "transposed-convolution" },
      { pattern: /weight/, role: "other" },
      { pattern: /^up/, role: "convolution" },
    ] as const;
    expect(tensorFacts(tensors, { modelTypes: ["bert"], overrides })).toMatchObject([
      { role: "convolution", axes: "out,in", source: "option" },
      { role: "bias", axes: null, source: "config" },
      { role: "other", axes: null, source: "option" },
    ]);
  });

  it("axes change only tensors that have some", () => {
    const overrides = [{ pattern: /./, axes: "in,out" }] as const;
    expect(tensorFacts(tensors, { overrides })).toMatchObject([
      { axes: "in,out", source: "option" },
      { axes: null, source: "names" },
      { role: "embedding", axes: null, source: "names" },
    ]);
  });

  it("a role needs its dimensions", () => {
    const overrides = [{ pattern: /^up/, role: "linear" }] as const;
    expect(() => tensorFacts(tensors, { overrides })).toThrow(
      "`role`: expected 2 dimensions for linear, got up.weight [8, 4, 2, 2]",
    );
  });
});
