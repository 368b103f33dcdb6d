/** A seed's checkpoint as one safetensors file: the experiment's state, and the history for its report. */

import { InputError } from "../core/either.ts";
import type { ExperimentCheckpoint } from "../experiment/experiment.ts";
import {
  type CheckpointTensor,
  decodeCheckpointOrThrow,
  encodeCheckpoint,
} from "../experiment/snapshot-file.ts";
import { readSafetensorsOrThrow, writeSafetensors } from "../io/safetensors.ts";
import { readBytes, writeFileAtomically } from "./files.ts";
import type { SeedHistory } from "./seed-history.ts";

/** What a checkpoint file holds. */
export interface SavedSeed {
  readonly experiment: ExperimentCheckpoint;
  readonly history: SeedHistory;
}

/** Names of the file's metadata entries. */
const EXPERIMENT = "experiment";
const HISTORY = "history";

/** Writes a checkpoint; the file is there completely or not at all. Equal states give equal bytes. */
export function writeSeedCheckpoint(path: string, { experiment, history }: SavedSeed): void {
  const { json, tensors } = encodeCheckpoint(EXPERIMENT, experiment);
  const metadata = { [EXPERIMENT]: json, [HISTORY]: JSON.stringify(history) };
  writeFileAtomically(path, writeSafetensors(tensors, metadata));
}

/**
 * Reads a checkpoint.
 *
 * @throws InputError where the file is damaged, of another kind or of another version
 */
export async function readSeedCheckpoint(path: string): Promise<SavedSeed> {
  const { metadata, tensors } = readSafetensorsOrThrow(await readBytes(path), { source: path });
  const { [EXPERIMENT]: json, [HISTORY]: history } = metadata;
  if (json === undefined || history === undefined)
    throw new InputError([{ path, expected: "the checkpoint of a run", got: "another file" }]);
  const arrays = new Map(
    [...tensors].filter((entry): entry is [string, CheckpointTensor] => isArray(entry[1].dtype)),
  );
  return {
    experiment: decodeCheckpointOrThrow(EXPERIMENT, { json, tensors: arrays }),
    history: JSON.parse(history) as SeedHistory,
  };
}

function isArray(dtype: string): dtype is CheckpointTensor["dtype"] {
  return dtype === "F32" || dtype === "I32" || dtype === "U8";
}
