/**
 * Fine-tunes a small classifier on a CSV file, prunes it to 4x1 blocks, and writes both models.
 *
 *     node train.mjs rows.csv models
 */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fineTuneClassifier } from "espalier/classifier";

const [rows = "rows.csv", out = "models"] = process.argv.slice(2);
const bytes = await readFile(rows);

/** A vocabulary of the words in the file. A model of your own needs none: pass its files as `model`. */
function vocabularyOf(text) {
  const words = new Set(text.toLowerCase().match(/\p{L}+/gu) ?? []);
  return `${["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ...words].join("\n")}\n`;
}

const run = fineTuneClassifier({
  rows: { name: rows, bytes },
  vocab: vocabularyOf(bytes.toString("utf8")),
  recipe: "demo-4x1",
  profile: "strict",
  pruningFrequency: -1,
  seed: 42,
});
for await (const event of run) {
  if (event.type === "epoch") {
    const { phase, epoch, accuracy, sparsity_pruned_layers: sparsity } = event.metrics;
    console.log(phase, epoch, "accuracy", accuracy, "sparsity", sparsity ?? 0);
  }
  if (event.type !== "model") continue;
  for (const file of event.files) {
    const path = join(out, event.name, file.name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, file.bytes);
  }
}
