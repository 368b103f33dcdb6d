import { attentionContext, attentionProbabilities, HIDDEN_KEY } from "../autograd/attention.ts";
import { checkTape } from "../autograd/check.ts";
import { dropout } from "../autograd/dropout.ts";
import { type EmbeddingLookup, embeddingSum, selectRows } from "../autograd/embedding.ts";
import { type LayerNormOptions, layerNorm } from "../autograd/layer-norm.ts";
import { linear } from "../autograd/linear.ts";
import type { AttentionQueries, Variable } from "../autograd/records.ts";
import { type Sequences, uniformSequences } from "../autograd/sequences.ts";
import { discard, input, scope, type Tape } from "../autograd/tape.ts";
import { checkObject, checkOneOf, checkOptions } from "../core/checks.ts";
import {
  checkParameters,
  type Parameter,
  type Parameters,
  parameterNamed,
} from "../tensor/parameter.ts";
import { columnsOf } from "../tensor/shape.ts";
import { activate } from "./activations.ts";
import type { EmbeddingNames, Head, LayerNames } from "./architecture.ts";
import { ARCHITECTURES } from "./architectures.ts";
import { checkTokenBatch, readsTokenTypes, type TokenBatch } from "./batch.ts";
import { checkConfig } from "./check.ts";
import type { ModelConfig } from "./config.ts";
import { headWidth } from "./modules.ts";
import { modelNames, namesOfModule } from "./names.ts";
import { positionIds, positionPaddingRow } from "./positions.ts";
import { type Padding, type TokenRows, tokenRows } from "./token-rows.ts";

/** Options for {@link forward}. Output options have the names that transformers uses. */
interface ForwardOptions {
  /**
   * `excluded` skips padded positions if each example's attention mask consists of one or more ones followed by zeros.
   * Otherwise padded positions are computed, and {@link ModelOutput.padding} is `included`. The logits have the same
   * bytes in both cases. Default `included`.
   */
  readonly padding?: Padding;
  /**
   * If false, the last layer is computed only for the first token of each example, which determines the logits. The
   * output then has no hidden states, and the logits have the same bytes. Ignored with `outputHiddenStates` or
   * `outputAttentions`. Default true.
   */
  readonly outputLastHiddenState?: boolean;
  /** Whether to return all hidden states instead of the last one. Default false. */
  readonly outputHiddenStates?: boolean;
  /** Whether to return the attention probabilities of every layer. Default false. */
  readonly outputAttentions?: boolean;
}

const FORWARD_OPTIONS: readonly (keyof ForwardOptions)[] = [
  "padding",
  "outputLastHiddenState",
  "outputHiddenStates",
  "outputAttentions",
];

/** Results of {@link forward} for B examples, S positions, T tokens without padding, hidden width H and A heads. */
export interface ModelOutput {
  /** Whether padded positions were computed. */
  readonly padding: Padding;
  /** Which rows of a hidden state belong to which example. A hidden state is a matrix with H columns. */
  readonly sequences: Sequences;
  /** The logits: [B, labels]. */
  readonly logits: Variable;
  /** The output of the head's first layer after its activation and before dropout, such as BERT's pooler: [B, H]. */
  readonly pooled: Variable;
  /**
   * The last hidden state; with `outputHiddenStates`, the embeddings and the output of every layer. Shape [B, S, H], or
   * [T, H] if padding is excluded.
   */
  readonly hiddenStates: readonly Variable[];
  /**
   * Attention probabilities of each layer after dropout, if requested: [B, A, S, S], or if padding is excluded, a
   * vector with one square matrix for each example and head (see {@link Sequences}).
   */
  readonly attentions: readonly Variable[];
}

interface Pass {
  readonly tape: Tape;
  readonly config: ModelConfig;
  readonly parameters: Parameters;
  readonly rows: TokenRows;
}

/**
 * Runs the forward pass of a sequence classifier, such as `BertForSequenceClassification` of transformers. Dropout is
 * active if the tape is for training.
 *
 * @throws TypeError or RangeError if an array of the batch has the wrong type, length or values
 *
 * @example
 * ```ts
 * import { createBackend, createTape, forward, initialiseParameters } from "espalier/nn";
 * import { parseModelConfigOrThrow, releaseTape } from "espalier/nn";
 *
 * const backend = createBackend({ variant: "scalar" });
 * const config = parseModelConfigOrThrow({ model_type: "bert", vocab_size: 20, hidden_size: 8,
 *   num_hidden_layers: 1, num_attention_heads: 2, intermediate_size: 16 });
 * const parameters = initialiseParameters(backend, config, 1);
 * const tape = createTape(backend, { training: false });
 * const { logits } = forward(tape, config, parameters, { batch: 1, positions: 3,
 *   inputIds: Int32Array.of(2, 5, 3), tokenTypeIds: new Int32Array(3),
 *   attentionMask: Uint8Array.of(1, 1, 1) });
 * if (logits.value.data.length !== 2) throw new Error("expected two logits");
 *
 * // Two sentences, the second one padded: five tokens without the padding.
 * const padded = { batch: 2, positions: 3, inputIds: Int32Array.of(2, 5, 3, 2, 3, 0),
 *   tokenTypeIds: new Int32Array(6), attentionMask: Uint8Array.of(1, 1, 1, 1, 1, 0) };
 * const output = forward(tape, config, parameters, padded, { padding: "excluded" });
 * if (output.hiddenStates[0]?.shape.join() !== "5,8") throw new Error("expected no padding");
 * if (output.sequences.offsets.join() !== "0,3,5") throw new Error("expected two sequences");
 * releaseTape(tape);
 * ```
 */
export function forward(
  tape: Tape,
  config: ModelConfig,
  parameters: Parameters,
  batch: TokenBatch,
  options: ForwardOptions = {},
): ModelOutput {
  checkTape(tape);
  checkConfig(config);
  checkParameters(parameters);
  checkObject("batch", batch, "batch", "positions", "inputIds", "tokenTypeIds", "attentionMask");
  checkOptions("options", options, FORWARD_OPTIONS);
  checkTokenBatch(config, batch);
  const { outputHiddenStates = false, outputAttentions = false, padding = "included" } = options;
  const { outputLastHiddenState = true } = options;
  checkOneOf("padding", padding, ["included", "excluded"]);
  const isWhole = outputLastHiddenState || outputHiddenStates || outputAttentions;
  const rows = tokenRows(batch, positionIds(config, batch), padding);
  const pass: Pass = { tape, config, parameters, rows };
  const names = modelNames(config);
  const keyBias = createKeyBias(pass);
  let hidden = scope(tape, () => embed(pass, names.embeddings));
  const earlier: Variable[] = [];
  const attentions: Variable[] = [];
  names.layers.forEach((layer, i) => {
    const queries = i + 1 === names.layers.length && !isWhole ? "first" : "all";
    const made = scope(tape, () => encoderLayer(pass, layer, queries, hidden, keyBias));
    if (outputHiddenStates) earlier.push(hidden);
    else discard(hidden);
    if (outputAttentions) attentions.push(made[1]);
    else discard(made[1]);
    hidden = made[0];
  });
  discard(keyBias);
  const first = isWhole ? firstTokens(pass, hidden) : hidden;
  const [logits, pooled] = scope(tape, () => runHead(pass, names.head, first));
  const hiddenStates = isWhole ? [...earlier, hidden] : [];
  const layout = { padding: rows.padding, sequences: rows.sequences };
  return { ...layout, logits, pooled, hiddenStates, attentions };
}

/** Computes dropout(layer norm(word + position [+ token type] embeddings)), projected to the hidden size if needed. */
function embed(pass: Pass, names: EmbeddingNames): Variable {
  const { tape, config, parameters, rows } = pass;
  const words: EmbeddingLookup = {
    table: weightOf(parameters, names.words),
    ids: rows.inputIds,
    paddingRow: config.paddingRow ?? undefined,
  };
  const positions: EmbeddingLookup = {
    table: weightOf(parameters, names.positions),
    ids: rows.positionIds,
    paddingRow: positionPaddingRow(config),
    isFixed: !config.trainsPositions,
  };
  const types = names.tokenTypes === null ? [] : [tokenTypes(pass, names.tokenTypes)];
  const sum = embeddingSum(tape, rows.shape, [words, ...types, positions]);
  const normalised = addAndNorm(pass, names.norm, sum, {});
  const embedded = dropout(tape, normalised, config.hiddenDropout, rows.sequences);
  return names.projection === null ? embedded : project(pass, names.projection, embedded);
}

function tokenTypes({ config, parameters, rows }: Pass, name: string): EmbeddingLookup {
  const given = rows.tokenTypeIds;
  const ids = readsTokenTypes(config) ? given : new Int32Array(given.length);
  return { table: weightOf(parameters, name), ids };
}

/**
 * Runs one encoder layer. Returns its output for all tokens, or only for the first token of each example, and its
 * attention probabilities.
 */
function encoderLayer(
  pass: Pass,
  names: LayerNames,
  queries: AttentionQueries,
  hidden: Variable,
  keyBias: Variable,
): readonly [Variable, Variable] {
  const { tape, config, rows } = pass;
  const sequences =
    queries === "all" ? rows.sequences : uniformSequences(rows.sequences.offsets.length - 1, 1);
  const [attended, probabilities] = scope(tape, () =>
    attend(pass, names, queries, sequences, hidden, keyBias),
  );
  const output = scope(tape, () => {
    const expanded = activate(tape, config.activation, project(pass, names.intermediate, attended));
    const contracted = project(pass, names.output, expanded);
    const options = { residual: attended, dropout: config.hiddenDropout, sequences };
    return addAndNorm(pass, names.outputNorm, contracted, options);
  });
  return [output, probabilities];
}

/** Runs the attention sub-layer. `outputs` describes the rows of its output. */
function attend(
  pass: Pass,
  names: LayerNames,
  queries: AttentionQueries,
  outputs: Sequences,
  hidden: Variable,
  keyBias: Variable,
): readonly [Variable, Variable] {
  const { tape, config, rows } = pass;
  // Without sequences, attention reads batch and positions from the shape and returns [B, A, S, S].
  const sequences = rows.padding === "excluded" ? rows.sequences : undefined;
  const residual = queries === "all" ? hidden : firstTokens(pass, hidden);
  const query = project(pass, names.query, residual);
  const key = project(pass, names.key, hidden);
  const values = project(pass, names.value, hidden);
  const probabilities = attentionProbabilities(tape, query, key, {
    // A layer may lack heads.
    heads: columnsOf(query.shape) / headWidth(config),
    keyBias,
    dropout: config.attentionDropout,
    maxPositions: config.maxPositions,
    sequences,
    queries,
  });
  const context = attentionContext(tape, probabilities, values, { sequences, queries });
  const output = project(pass, names.attentionOutput, context);
  const dropout = ARCHITECTURES[config.modelType].dropsAttention ? config.hiddenDropout : 0;
  const options = { residual, dropout, sequences: outputs };
  return [addAndNorm(pass, names.attentionNorm, output, options), probabilities];
}

function firstTokens({ tape, rows }: Pass, hidden: Variable): Variable {
  const { offsets } = rows.sequences;
  const first = new Int32Array(offsets.length - 1);
  for (let i = 0; i < first.length; i++) first[i] = offsets[i] ?? 0;
  return selectRows(tape, hidden, first);
}

/** Computes classifier(dropout(activation(dense(first token)))). In some heads, the token has dropout, too. */
function runHead(pass: Pass, head: Head, firstTokens: Variable): readonly [Variable, Variable] {
  const { tape, config } = pass;
  const rate = config.classifierDropout;
  const token = head.dropsToken ? dropout(tape, firstTokens, rate) : firstTokens;
  const pooled = activate(tape, head.activation, project(pass, head.dense, token));
  return [project(pass, head.classifier, dropout(tape, pooled, rate)), pooled];
}

function project({ tape, parameters }: Pass, name: string, x: Variable): Variable {
  return linear(tape, x, weightOf(parameters, name), biasOf(parameters, name));
}

function addAndNorm(
  { tape, config, parameters }: Pass,
  name: string,
  x: Variable,
  options: LayerNormOptions,
): Variable {
  const [gamma, beta] = [weightOf(parameters, name), biasOf(parameters, name)];
  return layerNorm(tape, x, gamma, beta, { ...options, epsilon: config.layerNormEpsilon });
}

/** Creates the attention bias of each key: 0 if it is visible, {@link HIDDEN_KEY} if it is hidden. */
function createKeyBias({ tape, rows }: Pass): Variable {
  const mask = rows.attentionMask;
  const bias = new Float32Array(mask.length);
  for (let i = 0; i < bias.length; i++) bias[i] = mask[i] === 1 ? 0 : HIDDEN_KEY;
  return input(tape, rows.shape, bias);
}

function weightOf(parameters: Parameters, name: string): Parameter {
  return parameterNamed(parameters, namesOfModule(name).weight);
}

function biasOf(parameters: Parameters, name: string): Parameter {
  return parameterNamed(parameters, namesOfModule(name).bias);
}
