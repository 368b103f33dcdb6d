/** Functions shared by the commands that work on checkpoints. */

import { pipe } from "fp-ts/function";
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import { readPruners } from "../checkpoint/pruning-config-file.ts";
import { chain, type Either, getOrThrow, type Problem, refuseInput } from "../core/either.ts";
import { openNamed } from "../node/checkpoint-reader.ts";
import { checkCopyTarget } from "../node/checkpoint-writer.ts";
import { findModelOrThrow, type ModelPlace } from "../node/model-name.ts";
import { nodeStorage } from "../node/storage.ts";
import type { Profile, PruningConfig } from "../prune/config.ts";
import { readNamedFile } from "../run/storage.ts";
import type { ExitCode } from "./command.ts";
import type { Console } from "./console.ts";
import { createProgress } from "./progress.ts";

const MEBIBYTE = 2 ** 20;

/** Finds the checkpoint that the option `label` names: a path, or a model in the Hugging Face cache. */
export function findCheckpoint(label: string, given: string): Promise<ModelPlace> {
  return findModelOrThrow(label, given, "a checkpoint");
}

/** Opens a checkpoint, runs a command on it, and closes the checkpoint. */
export async function withCheckpoint(
  place: ModelPlace,
  run: (checkpoint: Checkpoint) => Promise<ExitCode>,
): Promise<ExitCode> {
  const checkpoint = getOrThrow(await openNamed(place));
  try {
    return await run(checkpoint);
  } finally {
    checkpoint.close();
  }
}

/** Runs a function with a progress bar in MiB, and measures how long it takes. */
export async function withProgress<T>(
  { err }: Console,
  label: string,
  run: (onProgress: (done: number, total: number) => void) => Promise<T>,
): Promise<{ readonly result: T; readonly seconds: number }> {
  const began = performance.now();
  const progress = createProgress(err, undefined, "MiB");
  try {
    const result = await run((done, total) => {
      progress.update(label, Math.floor(done / MEBIBYTE), Math.ceil(total / MEBIBYTE), null);
    });
    return { result, seconds: (performance.now() - began) / 1000 };
  } finally {
    progress.finish();
  }
}

/**
 * Finds the checkpoint that `IN` names, and returns it with the path that `--out` gives. Throws if no copy can be written
 * there; `what` names the copy in the message.
 */
export async function findCopied(
  from: string,
  to: string | undefined,
  what: string,
): Promise<{ readonly place: ModelPlace; readonly to: string }> {
  if (to === undefined) return refuseInput("--out", `a path for ${what}`, "none");
  const place = await findCheckpoint("IN", from);
  checkCopyTarget({ from: place.path, to });
  return { place, to };
}

/** Reads the pruners from the file that `--config` names. */
export async function readConfig(
  path: string,
  profile: Profile,
): Promise<Either<readonly Problem[], PruningConfig>> {
  return pipe(
    await readNamedFile(nodeStorage, "--config", path),
    chain((bytes) => readPruners(path, bytes, profile)),
  );
}

/** Returns the plural noun for the units that a pattern prunes. */
export function blockWord(pattern: string): "groups" | "blocks" {
  return pattern.includes(":") ? "groups" : "blocks";
}
