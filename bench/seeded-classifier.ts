/** A seeded classifier of MiniLM's shape, dense and pruned, as model directories with a tokenizer. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { createTokenizer } from "../src/io/tokenizer.ts";
import { SPECIAL_TOKENS } from "../src/io/vocabulary.ts";
import { parseModelConfigOrThrow } from "../src/model/config.ts";
import { parameterList } from "../src/model/parameters.ts";
import { saveModelDirectory } from "../src/node/storage.ts";
import { prunedReader } from "./inference.ts";

const CONFIG = {
  model_type: "bert",
  vocab_size: 30522,
  hidden_size: 384,
  num_hidden_layers: 6,
  num_attention_heads: 12,
  intermediate_size: 1536,
  max_position_embeddings: 512,
};
const LETTERS = 26;

/** Different words of four letters. */
function wordAt(index: number): string {
  const codes = [3, 2, 1, 0].map((place) => 97 + (Math.floor(index / LETTERS ** place) % LETTERS));
  return String.fromCharCode(...codes);
}

/** The tokenizer.json of a BERT tokenizer. */
export function fastTokenizer(tokens: readonly string[]): object {
  const special = (content: string) => ({ id: tokens.indexOf(content), content });
  const { classification: cls, separator: sep, unknown } = SPECIAL_TOKENS;
  const piece = (id: string, type: number) => ({ SpecialToken: { id, type_id: type } });
  const text = (id: string, type: number) => ({ Sequence: { id, type_id: type } });
  const named = (id: string) => ({ id, ids: [tokens.indexOf(id)], tokens: [id] });
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: Object.values(SPECIAL_TOKENS).map((token) => ({
      ...special(token),
      ...{ single_word: false, lstrip: false, rstrip: false, normalized: false, special: true },
    })),
    normalizer: {
      type: "BertNormalizer",
      ...{ clean_text: true, handle_chinese_chars: true, strip_accents: null, lowercase: true },
    },
    pre_tokenizer: { type: "BertPreTokenizer" },
    post_processor: {
      type: "TemplateProcessing",
      single: [piece(cls, 0), text("A", 0), piece(sep, 0)],
      pair: [piece(cls, 0), text("A", 0), piece(sep, 0), text("B", 1), piece(sep, 1)],
      special_tokens: { [cls]: named(cls), [sep]: named(sep) },
    },
    decoder: { type: "WordPiece", prefix: "##", cleanup: true },
    model: {
      type: "WordPiece",
      unk_token: unknown,
      continuing_subword_prefix: "##",
      max_input_chars_per_word: 100,
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
    },
  };
}

/** Writes the classifier dense, and pruned to 4x1 at 90 % in every layer of the encoder. */
export async function writeSeededClassifiers(
  folder: string,
): Promise<{ readonly pruned: string; readonly dense: string }> {
  const special = Object.values(SPECIAL_TOKENS);
  const words = Array.from({ length: CONFIG.vocab_size - special.length }, (_, i) => wordAt(i));
  const tokens = [...special, ...words];
  const config = parseModelConfigOrThrow(CONFIG);
  const paths = { dense: join(folder, "dense"), pruned: join(folder, "pruned") };
  for (const [kind, path] of Object.entries(paths)) {
    const pattern = kind === "dense" ? "dense" : "4x1";
    const read = prunedReader(config, { pattern, sparsity: 0.9 });
    await saveModelDirectory(path, {
      config: CONFIG,
      tensors: new Map(parameterList(config).map(({ name }) => [name, read(name)])),
      tokenizer: createTokenizer(`${tokens.join("\n")}\n`),
    });
    writeFileSync(join(path, "tokenizer.json"), JSON.stringify(fastTokenizer(tokens)));
  }
  return paths;
}
