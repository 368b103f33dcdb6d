/**
 * The model types of transformers for which the role of every tensor is known. For plain types, the names and shapes of
 * tensors determine the roles. The other types have rules for the tensors whose names and shapes suggest a wrong role.
 * All types were checked against the modules of the models in transformers 4.57.
 */

/** The role of a tensor in its model. */
export type TensorRole =
  | "linear"
  | "convolution"
  | "transposed-convolution"
  | "experts"
  | "embedding"
  | "norm"
  | "bias"
  | "vector"
  | "other";

/** The order of outputs and inputs: in the first two axes of a weight, or in the matrix of each expert. */
export type MatrixAxes = "out,in" | "in,out";

/** A rule for tensors whose names and shapes suggest a wrong role or wrong axes. */
export interface ModelRoleRule {
  readonly pattern: RegExp;
  /** If given, the rule applies only to tensors with this number of dimensions. */
  readonly rank?: number;
  readonly role: TensorRole;
  /** Default: outputs first; for transposed convolutions, inputs first. */
  readonly axes?: MatrixAxes;
}

function rule(pattern: RegExp, role: TensorRole, axes?: MatrixAxes, rank?: number): ModelRoleRule {
  return { pattern, role, ...(axes && { axes }), ...(rank && { rank }) };
}

/** transformers' Conv1D, a linear layer whose weight has inputs first. */
const CONV1D = [rule(/\.(c_attn|q_attn|c_proj|c_fc)\.weight$/, "linear", "in,out", 2)];
/** Tensors that hold all experts. Each expert's matrix W has inputs first, because the model computes x W. */
const EXPERTS_IN_OUT = [rule(/\.experts\.(gate_up_proj|down_proj)$/, "experts", "in,out", 3)];
const PARALLEL_EXPERTS = [rule(/\.(input|output)_linear\.weight$/, "experts", "out,in", 3)];
const GROUPED_EXPERTS = [rule(/\.experts\.fc[12]\.weight$/, "experts", "in,out", 3)];
const BARK_EMBEDDINGS = [rule(/(input|position)_embeds_layers?(\.\d+)?\.weight$/, "embedding")];
/** The first two resize layers upsample, so they are transposed convolutions. */
const REASSEMBLE = [
  rule(/\.reassemble_stage\.layers\.[01]\.resize\.weight$/, "transposed-convolution"),
];
const SAM_TOKENS = [
  rule(/mask_decoder\.(iou_token|mask_tokens|obj_score_token|hq_token)\.weight$/, "embedding"),
];
const SAM_HQ_CONVOLUTIONS = [
  rule(/mask_decoder\.(compress_vit_conv[12]|encoder_conv[12])\.weight$/, "transposed-convolution"),
];
const QUERIES = [rule(/transformer_module\.queries_(embedder|features)\.weight$/, "embedding")];
const PATCH_EMBEDDING_LINEAR = [
  rule(/vision_model\.embeddings\.patch_embedding\.weight$/, "linear", "out,in", 2),
];
const RELATIVE_LINEAR = [rule(/\.self_attn\.relative_pos_embeddings\.weight$/, "linear")];
const ROW_EMBEDDINGS = [rule(/embeddings\.(row|column)_embedder\.weight$/, "embedding")];
const CLASS_EMBED = [rule(/(^|\.)class_embed(\.\d+)?\.weight$/, "linear")];
/** Speaker verification models also store the weight of their loss function, which has inputs first. */
const SPEAKERS = [rule(/(^|\.)objective\.weight$/, "linear", "in,out", 2)];
/**
 * In its default configuration, Mimi upsamples by a transposed convolution, although the tensor's name does not show
 * it.
 */
const MIMI = [rule(/upsample\.conv\.weight$/, "transposed-convolution")];

/** Rules by `model_type`. The first rule that matches a tensor decides; without a match, its name and shape do. */
export const MODEL_ROLES: Readonly<Record<string, readonly ModelRoleRule[]>> = {
  aria: GROUPED_EXPERTS,
  aria_text: GROUPED_EXPERTS,
  bark: BARK_EMBEDDINGS,
  canine: [rule(/HashBucketCodepointEmbedder_\d+\.weight$/, "embedding")],
  clvp: [...CONV1D, ...BARK_EMBEDDINGS],
  csm: [rule(/codebooks_head\.weight$/, "experts", "in,out", 3), ...MIMI],
  ctrl: [rule(/(^|\.)w\.weight$/, "embedding")],
  d_fine: CLASS_EMBED,
  "dab-detr": CLASS_EMBED,
  "data2vec-audio": SPEAKERS,
  "data2vec-vision": [
    rule(/(^|\.)fpn1\.[03]\.weight$|(^|\.)fpn2\.0\.weight$/, "transposed-convolution", "in,out", 4),
  ],
  dbrx: [
    rule(/\.experts\.mlp\.(w1|v1)$/, "linear", "out,in", 2),
    rule(/\.experts\.mlp\.w2$/, "linear", "in,out", 2),
  ],
  decision_transformer: [...CONV1D, rule(/(^|\.)embed_(return|state|action)\.weight$/, "linear")],
  deformable_detr: CLASS_EMBED,
  depth_anything: REASSEMBLE,
  depth_pro: [
    rule(/feature_upsample\.image_block\.layers\.\d+\.weight$/, "transposed-convolution"),
    rule(/feature_upsample\.\w+\.\d+\.layers\.[1-9]\d*\.weight$/, "transposed-convolution"),
    rule(/(^|\.)head\.layers\.1\.weight$/, "transposed-convolution"),
  ],
  deta: CLASS_EMBED,
  dpt: REASSEMBLE,
  edgetam_video: SAM_TOKENS,
  eomt: [
    rule(/(^|\.)query\.weight$/, "embedding"),
    rule(/upscale_block\.block\.\d+\.conv1\.weight$/, "transposed-convolution"),
  ],
  funnel: [rule(/\.attention\.r_kernel$/, "other")],
  gemma3: [rule(/mm_input_projection_weight$/, "linear", "in,out")],
  "gpt-sw3": CONV1D,
  gpt2: CONV1D,
  gpt_oss: EXPERTS_IN_OUT,
  granitemoe: PARALLEL_EXPERTS,
  granitemoehybrid: PARALLEL_EXPERTS,
  granitemoeshared: PARALLEL_EXPERTS,
  graphormer: [rule(/\.(graph_node_feature|graph_attn_bias)\.\w+\.weight$/, "embedding")],
  imagegpt: CONV1D,
  jetmoe: PARALLEL_EXPERTS,
  jukebox: [
    rule(/\.(c_attn|c_enc_kv|c_fc|c_proj|proj_in)\.weight$/, "linear", "in,out", 2),
    rule(/\.upsample_block\.\d+\.weight$/, "transposed-convolution"),
  ],
  "kosmos-2.5": ROW_EMBEDDINGS,
  kyutai_speech_to_text: MIMI,
  "lfm2-vl": PATCH_EMBEDDING_LINEAR,
  llama4: EXPERTS_IN_OUT,
  llama4_text: EXPERTS_IN_OUT,
  markuplm: [rule(/\.xpath_unitseq2_embeddings\.weight$/, "linear")],
  mask2former: QUERIES,
  maskformer: QUERIES,
  mega: [rule(/\.qk_weight$/, "other")],
  mimi: MIMI,
  oneformer: [...QUERIES, rule(/decoder\.class_embed\.weight$/, "linear")],
  "openai-gpt": CONV1D,
  ovis2: [rule(/visual_embeddings_table\.weight$/, "embedding")],
  patchtst: [rule(/\.input_embedding\.weight$/, "linear")],
  pix2struct: ROW_EMBEDDINGS,
  prompt_depth_anything: REASSEMBLE,
  prophetnet: RELATIVE_LINEAR,
  qwen2_5_omni: [rule(/audio_bos_eos_token\.weight$/, "embedding")],
  qwen3_vl_moe: EXPERTS_IN_OUT,
  qwen3_vl_moe_text: EXPERTS_IN_OUT,
  recurrent_gemma: [rule(/\.(input|recurrent)_gate_weight$/, "experts", "in,out", 3)],
  reformer: [rule(/position_embeddings\.weights\.\d+$/, "embedding")],
  rt_detr: CLASS_EMBED,
  rt_detr_v2: CLASS_EMBED,
  sam: SAM_TOKENS,
  sam2: SAM_TOKENS,
  sam2_video: SAM_TOKENS,
  sam_hq: [...SAM_TOKENS, ...SAM_HQ_CONVOLUTIONS],
  shieldgemma2: [rule(/mm_input_projection_weight$/, "linear", "in,out")],
  siglip2: PATCH_EMBEDDING_LINEAR,
  siglip2_vision_model: PATCH_EMBEDDING_LINEAR,
  speecht5: [rule(/embed_positions\.pe_k\.weight$/, "embedding")],
  tapas: [rule(/token_type_embeddings_\d+\.weight$/, "embedding")],
  trajectory_transformer: [rule(/(^|\.)head\.weight$/, "experts", "out,in", 3)],
  "transfo-xl": [rule(/emb_layers\.\d+\.weight$/, "embedding")],
  "unispeech-sat": SPEAKERS,
  vit_mae: [rule(/decoder\.decoder_embed\.weight$/, "linear")],
  vjepa2: [rule(/predictor_embeddings\.weight$/, "linear", "out,in", 2)],
  wav2vec2: SPEAKERS,
  "wav2vec2-bert": SPEAKERS,
  "wav2vec2-conformer": SPEAKERS,
  wavlm: SPEAKERS,
  "xlm-prophetnet": RELATIVE_LINEAR,
  zamba: [rule(/\.(x|dt)_proj_weight$/, "experts", "out,in", 3)],
  zoedepth: REASSEMBLE,
};

/** Model types for which the names and shapes of tensors alone give the right roles. */
const PLAIN = `
  aimv2 aimv2_vision_model albert align altclip apertus arcee audio-spectrogram-transformer
  autoformer aya_vision bamba bart beit bert bert-generation big_bird bigbird_pegasus biogpt bit
  bitnet blenderbot blenderbot-small blip blip-2 blip_2_qformer bloom blt bridgetower bros
  camembert chameleon chinese_clip chinese_clip_vision_model clap clip clip_text_model
  clip_vision_model clipseg code_llama codegen cohere cohere2 cohere2_vision colpali colqwen2
  conditional_detr convbert convnext convnextv2 cpmant cvt dac data2vec-text deberta deberta-v2
  deepseek_v2 deepseek_v3 deepseek_vl deepseek_vl_hybrid deit detr dia diffllama dinov2
  dinov2_with_registers dinov3_convnext dinov3_vit distilbert doge donut-swin dots1 dpr
  efficientformer efficientloftr efficientnet electra emu3 emu3_text_model encodec ernie
  ernie4_5 ernie4_5_moe ernie_m esm EvollaModel exaone4 falcon falcon_h1 falcon_mamba
  fastspeech2_conformer fastspeech2_conformer_with_hifigan flaubert flava flex_olmo florence2
  fnet focalnet fsmt fuyu gemma gemma2 gemma3_text gemma3n_audio gemma3n_text git glm glm4
  glm4_moe glm4v glm4v_moe glm4v_moe_text glm4v_text Glm4vMoe_text glpn got_ocr2 gpt_bigcode
  gpt_neo gpt_neox gpt_neox_japanese gptj gptsan-japanese granite granite_speech grounding-dino
  groupvit helium hgnet_v2 hiera hubert hunyuan_v1_dense hunyuan_v1_moe ibert idefics idefics2
  idefics3 idefics3_vision ijepa informer instructblip instructblipvideo internvl
  internvl_vision jamba janus kosmos-2 layoutlm layoutlmv3 led levit lfm2 lightglue lilt llama
  llama4_vision_model llava llava_next llava_next_video llava_onevision longcat_flash longformer
  longt5 luke lxmert m2m_100 mamba mamba2 marian maskformer-swin mbart mctct megatron-bert
  metaclip_2 mgp-str minimax ministral mistral mistral3 mixtral mlcd_vision_model mllama
  mllama_text_model mllama_vision_model mm-grounding-dino mobilebert mobilenet_v1 mobilenet_v2
  mobilevit mobilevitv2 modernbert modernbert-decoder moonshine moshi mpnet mpt mra mt5 musicgen
  musicgen_melody mvp nemotron nezha nllb-moe nystromformer olmo olmo2 olmo3 olmoe omdet-turbo
  open-llama opt owlv2 owlvit paligemma parakeet_ctc parakeet_encoder patchtsmixer pegasus
  pegasus_x perceiver persimmon phi phi3 phimoe pixtral plbart poolformer pop2piano pvt pvt_v2
  qwen2 qwen2_5_vl qwen2_5_vl_text qwen2_audio qwen2_audio_encoder qwen2_moe qwen2_vl
  qwen2_vl_text qwen3 qwen3_moe qwen3_next qwen3_vl qwen3_vl_text regnet rembert resnet
  retribert roberta roberta-prelayernorm roc_bert roformer rt_detr_resnet rwkv
  sam2_hiera_det_model sam2_vision_model sam_hq_vision_model sam_vision_model seamless_m4t
  seamless_m4t_v2 seed_oss segformer seggpt sew sew-d siglip siglip_vision_model smollm3 smolvlm
  smolvlm_vision speech_to_text splinter squeezebert stablelm starcoder2 superpoint swiftformer
  swin swin2sr swinv2 switch_transformers t5 t5gemma table-transformer textnet
  time_series_transformer timesfm timesformer trocr tvlt tvp udop umt5 unispeech univnet upernet
  van vaultgemma video_llava videomae vilt vipllava visual_bert vit vit_msn vitdet
  vitpose_backbone vits vivit voxtral voxtral_encoder whisper xclip xcodec xglm xlm xlm-roberta
  xlm-roberta-xl xlnet xlstm xmod yolos yoso zamba2
`;

export const PLAIN_MODEL_TYPES: ReadonlySet<string> = new Set(PLAIN.trim().split(/\s+/));

/** Model types that combine two models. Each part's tensors keep their names, under a prefix. */
export const COMPOSITE_MODEL_TYPES: ReadonlySet<string> = new Set([
  "encoder-decoder",
  "speech-encoder-decoder",
  "vision-encoder-decoder",
  "vision-text-dual-encoder",
]);
