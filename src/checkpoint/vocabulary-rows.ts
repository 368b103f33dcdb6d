/** Finds the tensors of a checkpoint that have a row for each token. */
import { type Either, type Problem, unlessProblems } from "../core/either.ts";
import { withoutWrappers } from "../io/parameter-names.ts";
import type { Checkpoint } from "./checkpoint.ts";

/** Matches the names of tensors with a row, or an element, for each token: embeddings and heads of masked language models. */
const BY_TOKEN =
  /(^|\.)(word_embeddings\.weight|(cls\.predictions|lm_head)\.(bias|decoder\.(weight|bias))|(vocab_projector|generator_lm_head)\.(weight|bias))(_orig|_mask)?$/;

/** Matches constants in old checkpoints, which have a row for each position. */
const BY_POSITION = /(^|\.)embeddings\.(position|token_type)_ids$/;

/** The tensors of a checkpoint with a row for each token. */
export type TokenTensors = ReadonlySet<string>;

/**
 * Finds the tensors with a row for each token, by their names. A tensor of another name is refused if one of its extents
 * is the size of the vocabulary, unless the model is known to have it.
 *
 * @param isKnown whether the model has a tensor of this name without rows for tokens
 */
export function findTokenTensors(
  { entries, path }: Checkpoint,
  vocabularySize: number,
  isKnown: (name: string) => boolean,
): Either<readonly Problem[], TokenTensors> {
  const problems: Problem[] = [];
  const found = new Set<string>();
  for (const { name, shape } of entries) {
    const plain = withoutWrappers(name);
    if (BY_TOKEN.test(plain)) {
      found.add(name);
      if (shape[0] === vocabularySize) continue;
      const expected = `${vocabularySize} rows, the vocab_size of config.json`;
      problems.push({ path: `${path}: ${name}`, expected, got: String(shape[0] ?? "a scalar") });
    } else if (shape.includes(vocabularySize) && !isKnown(name) && !BY_POSITION.test(plain))
      problems.push({
        path: `${path}: ${name}`,
        expected: "no tensor of this name with an extent for each token",
        got: `[${shape.join(", ")}]`,
      });
  }
  return unlessProblems(problems, found);
}
