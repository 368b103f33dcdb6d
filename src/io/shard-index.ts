/**
 * Reads the index of a checkpoint that consists of several files: `model.safetensors.index.json` maps each tensor to
 * its file.
 */

import { pipe } from "fp-ts/function";
import { describe } from "../core/checks.ts";
import { chain, type Either, type Problem, refuse, unlessProblems } from "../core/either.ts";
import { isJsonObject, type JsonObject, parseJsonObject } from "./json.ts";

interface ShardIndex {
  readonly files: ReadonlyMap<string, string>;
  /** The metadata of the index, unchanged. It usually contains `total_size`. */
  readonly metadata: JsonObject;
}

export const SHARD_INDEX: "model.safetensors.index.json" = "model.safetensors.index.json";

/** Matches file names without path separators, so that a name cannot refer to another directory. */
const FILE_NAMES = {
  safetensors: /^(?!\.{1,2}$)[^/\\:\0]+\.safetensors$/,
  bin: /^(?!\.{1,2}$)[^/\\:\0]+\.bin$/,
};

/**
 * Parses an index. A file name with a path separator is refused.
 *
 * @param extension the extension of the listed files; `bin` for PyTorch's state dicts
 */
export function parseShardIndex(
  source: string,
  bytes: Uint8Array,
  extension: "safetensors" | "bin" = "safetensors",
): Either<readonly Problem[], ShardIndex> {
  return pipe(
    parseJsonObject(source, bytes),
    chain(({ weight_map: map, metadata = {} }) => {
      if (!isJsonObject(map))
        return refuse(`${source}: weight_map`, "an object of file names", describe(map));
      if (!isJsonObject(metadata))
        return refuse(`${source}: metadata`, "an object", describe(metadata));
      const problems: Problem[] = [];
      const files = new Map<string, string>();
      for (const [name, file] of Object.entries(map)) {
        if (typeof file === "string" && FILE_NAMES[extension].test(file)) files.set(name, file);
        else {
          const expected = `the name of a .${extension} file in the same directory`;
          problems.push({ path: `${source}: ${name}`, expected, got: describe(file) });
        }
      }
      return unlessProblems(problems, { files, metadata });
    }),
  );
}

/** Reports tensors that are listed but missing, or present but not listed. */
export function shardProblems(
  source: string,
  { files }: ShardIndex,
  present: ReadonlyMap<string, ReadonlySet<string>>,
): readonly Problem[] {
  const problems: Problem[] = [];
  for (const [name, file] of files)
    if (present.get(file)?.has(name) === false)
      problems.push({
        path: `${source}: ${name}`,
        expected: `this tensor in ${file}`,
        got: "none",
      });
  for (const [file, names] of present)
    for (const name of names)
      if (files.get(name) !== file) {
        const got = files.get(name) ?? "nothing";
        problems.push({ path: `${file}: ${name}`, expected: "this file in the index", got });
      }
  return problems;
}
