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

/** Rows as a CSV file in two members of gzip data, and the same file cut off. */
async function compressedRows(rows) {
  const lines = rows.map(({ text, label }) => `${text},${label}\n`);
  const gzip = async (text) =>
    new Response(new Blob([text]).stream().pipeThrough(new CompressionStream("gzip"))).blob();
  const members = [await gzip(`text,label\n${lines[0]}`), await gzip(lines.slice(1).join(""))];
  const whole = new Blob(members);
  const name = "rows.csv.gz";
  return [
    { name, bytes: whole },
    { name, bytes: whole.slice(0, whole.size - 1) },
  ];
}

/** The files of the GLUE task SST-2: whether the word is a tree. */
function taskFiles(rows) {
  const lines = rows.map(({ text, label }) => `${text}\t${label === "oak" ? 1 : 0}\n`);
  const bytes = new TextEncoder().encode(`sentence\tlabel\n${lines.join("")}`);
  return ["train.tsv", "dev.tsv"].map((name) => ({ name, bytes }));
}

/** Trains one step on a task. Returns the digest of the model, and its metrics on a file of the task. */
async function classifyTask({ classifier, io, nn }, variant, rows) {
  const data = taskFiles(rows);
  const model = modelFiles({ io, nn });
  const run = { task: "sst2", recipe: "generic", data, model, doPrune: false, maxTrainSteps: 1 };
  let files = [];
  for await (const event of classifier.fineTuneClassifier({ ...run, variant }))
    if (event.type === "model") files = event.files;
  const loaded = await classifier.loadClassifier(files, { variant });
  const { metrics } = await classifier.evaluateClassifier(loaded, data[1], { task: "sst2" });
  loaded.dispose();
  return { digest: digest(...files.map(({ bytes }) => bytes)), metrics };
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
  const [whole, cut] = await compressedRows(rows);
  const compressed = (await classifier.evaluateClassifier(loaded, whole)).metrics;
  const refused = await classifier.evaluateClassifier(loaded, cut).catch(String);
  loaded.dispose();
  return {
    variant: loaded.variant,
    steps,
    metrics,
    confusion,
    compressed,
    refused: String(refused).split(", got")[0],
    task: await classifyTask({ classifier, io, nn }, variant, rows),
    logits: answers.map(({ logits }) => logits),
    dense: digest(...models.dense.map(({ bytes }) => bytes)),
    sparse: digest(...models.sparse.map(({ bytes }) => bytes)),
  };
}
