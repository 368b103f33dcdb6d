// Classifies, evaluates and fine-tunes with espalier/classifier, over files in memory.
import { digest } from "./digest.mjs";

const WORDS = { oak: "tree", brick: "wall", grape: "vine", apple: "fruit" };
const FILLERS = ["the old", "a tall", "not flat", "slowly green", "well the"];
const VOCABULARY = [
  ..."[PAD] [UNK] [CLS] [SEP] [MASK]".split(" "),
  ...Object.values(WORDS),
  ...new Set(FILLERS.join(" ").split(" ")),
];
const CONFIG = {
  model_type: "bert",
  vocab_size: VOCABULARY.length,
  hidden_size: 16,
  num_hidden_layers: 1,
  num_attention_heads: 2,
  intermediate_size: 32,
  max_position_embeddings: 16,
};

/** Rows whose texts end with the word of their label. */
function rowsOf(count) {
  const labels = Object.keys(WORDS);
  return Array.from({ length: count }, (_, i) => {
    const label = labels[i % 4];
    return { text: `${FILLERS[i % 5]} ${WORDS[label]}`, label };
  });
}

/** The files of a small encoder without a head. One of them is a Blob. */
function modelFiles({ io, nn }) {
  const backend = nn.createBackend({ variant: "scalar" });
  const parameters = nn.initialiseParameters(backend, nn.parseModelConfigOrThrow(CONFIG), 7);
  const tensors = new Map(
    [...parameters]
      .filter(([name]) => name.startsWith("bert."))
      .map(([name, { value }]) => [name, io.tensorFromFloat32("F32", value.shape, value.data)]),
  );
  const tokenizer = io.createTokenizer(`${VOCABULARY.join("\n")}\n`);
  const files = io.writeHuggingFaceDirectory({ config: CONFIG, tensors, tokenizer });
  return [...files].map(([name, bytes]) => {
    return { name, bytes: name === "config.json" ? new Blob([bytes]) : bytes };
  });
}

/** Fine-tunes on 200 rows, then loads, runs and evaluates the sparse model. */
export async function classify({ classifier, io, nn }, variant) {
  const rows = rowsOf(200);
  const run = classifier.fineTuneClassifier({
    rows,
    model: modelFiles({ io, nn }),
    variant,
    denseMaxTrainSteps: 60,
    maxTrainSteps: 40,
    denseLearningRate: 0.02,
    targetSparsity: 0.5,
    perDeviceTrainBatchSize: 8,
    cooldownEpochs: 0.5,
    sparsityWarmEpochs: 0,
  });
  let models = {};
  let steps = 0;
  for await (const event of run) {
    if (event.type === "step") steps++;
    if (event.type === "end") models = event.models;
  }
  const loaded = await classifier.loadClassifier(models.sparse, { variant });
  const answers = await loaded.classify(rows.slice(0, 20).map(({ text }) => text));
  const { metrics, confusion } = await classifier.evaluateClassifier(loaded, rows);
  loaded.dispose();
  return {
    variant: loaded.variant,
    steps,
    metrics,
    confusion,
    logits: answers.map(({ logits }) => logits),
    dense: digest(...models.dense.map(({ bytes }) => bytes)),
    sparse: digest(...models.sparse.map(({ bytes }) => bytes)),
  };
}
