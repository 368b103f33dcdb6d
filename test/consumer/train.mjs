// Trains a small BERT for a few steps on a kernel variant, and prunes it meanwhile.
import { digest } from "./digest.mjs";

const STEPS = [0, 1, 2, 3];

const CONFIG = {
  model_type: "bert",
  vocab_size: 30,
  hidden_size: 20,
  max_position_embeddings: 12,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  intermediate_size: 36,
};

/** The batch of a step: three sequences of seven positions, two of them padding. */
function createBatch(step) {
  const count = 3 * 7;
  return {
    batch: 3,
    positions: 7,
    inputIds: Int32Array.from({ length: count }, (_, i) => (i * 7 + step) % CONFIG.vocab_size),
    tokenTypeIds: Int32Array.from({ length: count }, (_, i) => (i % 7 < 3 ? 0 : 1)),
    attentionMask: Uint8Array.from({ length: count }, (_, i) => (i % 7 < 5 ? 1 : 0)),
    labels: Int32Array.of(step % 2, 1, 0),
  };
}

export async function train(nn, variant, backend = nn.createBackend({ variant })) {
  const config = nn.parseModelConfigOrThrow(CONFIG);
  const model = nn.sequenceClassifier(config, nn.initialiseParameters(backend, config, 7));
  const settings = nn.trainingSettings({
    seed: 5,
    profile: "strict",
    optimizer: { learningRate: 0.01, weightDecay: 0.01 },
    pruning: {
      pruning_type: "snip_momentum",
      pattern: "4x1",
      target_sparsity: 0.5,
      start_step: 1,
      end_step: 3,
      pruning_frequency: 1,
    },
  });
  const collate = ([step]) => createBatch(step);
  const options = { trainingRows: STEPS, collate, epochs: 1, batchSize: 1, settings };
  const losses = [];
  for await (const event of nn.fineTune({ backend, model, ...options }))
    if (event.type === "step") losses.push(event.loss);
  const values = [...model.parameters.values()].map(({ value }) => value.data);
  return { variant: backend.kernels.variant, losses, digest: digest(...values) };
}
