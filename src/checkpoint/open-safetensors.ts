/** Opens checkpoints in safetensors files. */

import { pipe } from "fp-ts/function";
import { chain, type Either, map, type Problem } from "../core/either.ts";
import type { ByteSource } from "../io/byte-source.ts";
import { plainBytes } from "../io/bytes.ts";
import { CONTENT_BYTES } from "../io/content.ts";
import { parseSafetensorsHeader, safetensorsHeaderEnd } from "../io/safetensors-header.ts";
import type { Checkpoint } from "./checkpoint.ts";

/** The bytes of a file to open, and a function that closes the file. */
export interface CheckpointSource extends ByteSource {
  readonly close: () => void;
}

/** Opens a file, without unpacking it. `file` is its name without the directory. */
export function openSafetensors(
  source: CheckpointSource,
  file: string,
): Either<readonly Problem[], Checkpoint> {
  const { name: path, size, close } = source;
  return pipe(
    safetensorsHeaderEnd(source.read(0, Math.min(CONTENT_BYTES, size)), size, path),
    chain((dataBegin) =>
      pipe(
        parseSafetensorsHeader(source.read(0, dataBegin), size, { source: path }),
        map(
          ({ entries, metadata, aliases }): Checkpoint => ({
            path,
            layout: "file",
            index: null,
            tied: aliases,
            files: [{ name: file, bytes: size, dataBegin, metadata }],
            entries: [...entries].map(([name, entry]) => ({ ...entry, name, file })),
            read: ({ begin, end, dtype, shape }, memory) => ({
              dtype,
              shape,
              bytes: plainBytes(source.read(begin, end, memory)),
            }),
            readHeader: () => source.read(0, dataBegin),
            close,
          }),
        ),
      ),
    ),
  );
}
