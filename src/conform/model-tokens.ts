/** What a model vector records of tokens alone, for passes that leave padding out. */
import type { TokenBatch } from "../model/batch.ts";
import type { Padding } from "../model/token-rows.ts";
import { tensorValues } from "./case-files.ts";
import type { ModelCase } from "./model-case.ts";

/** A recorded output as a pass with or without padding gives it: hidden states and attentions by position. */
export function recordedOutput(
  { files, batch }: ModelCase,
  padding: Padding,
  name: string,
): Float32Array {
  const values = tensorValues(files, name);
  if (padding === "included") return values;
  if (name.startsWith("out/hidden_states/")) return tokenRowsOf(batch, values);
  return name.startsWith("out/attentions/") ? tokenSquaresOf(batch, values) : values;
}

/** The rows of [batch, positions, width] that are tokens. */
function tokenRowsOf({ attentionMask }: TokenBatch, values: Float32Array): Float32Array {
  const width = values.length / attentionMask.length;
  return values.filter((_, i) => attentionMask[Math.floor(i / width)] === 1);
}

/** The shares of [batch, heads, positions, positions] that tokens give to tokens. */
function tokenSquaresOf(
  { batch, positions, attentionMask }: TokenBatch,
  values: Float32Array,
): Float32Array {
  const perExample = values.length / batch;
  return values.filter((_, i) => {
    const first = Math.floor(i / perExample) * positions;
    const query = first + (Math.floor(i / positions) % positions);
    const key = first + (i % positions);
    return attentionMask[query] === 1 && attentionMask[key] === 1;
  });
}
