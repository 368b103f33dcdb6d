/** Writes a model in one file; see `model-file.ts`. */

import { pipe } from "fp-ts/function";
import { chain, type Either, type Problem, refuse, right } from "../core/either.ts";
import { readSafetensors, writeSafetensors } from "../io/safetensors.ts";
import { FILE_PREFIX } from "./model-file.ts";
import type { FileMap } from "./storage.ts";

/** Adds files to the weights in `source`, a safetensors file, as tensors of bytes. */
export function writeModelFile(
  source: string,
  weights: Uint8Array,
  files: FileMap,
): Either<readonly Problem[], Uint8Array> {
  return pipe(
    readSafetensors(weights, { source }),
    chain(({ tensors, metadata }) => {
      const taken = [...tensors.keys()].find((name) => name.startsWith(FILE_PREFIX));
      if (taken !== undefined)
        return refuse(source, `no tensors of files, such as ${FILE_PREFIX}`, taken);
      const added = [...files].map(
        ([name, bytes]) =>
          [`${FILE_PREFIX}${name}`, { dtype: "U8", shape: [bytes.length], bytes }] as const,
      );
      return right(writeSafetensors(new Map([...tensors, ...added]), metadata));
    }),
  );
}
