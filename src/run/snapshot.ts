/** Stores a seed's snapshot in one safetensors file: the state of its experiment, and the history for the report. */

import { InputError } from "../core/either.ts";
import type { ExperimentSnapshot } from "../experiment/experiment.ts";
import {
  decodeSnapshotOrThrow,
  encodeSnapshot,
  type SnapshotTensor,
} from "../experiment/snapshot.ts";
import { readSafetensorsOrThrow, writeSafetensors } from "../io/safetensors.ts";
import type { SeedHistory } from "./seed-history.ts";
import { joinPath, type RunStorage } from "./storage.ts";

interface SeedSnapshot {
  readonly experiment: ExperimentSnapshot;
  readonly history: SeedHistory;
}

/** The keys of the experiment's JSON and of the history in the safetensors metadata. */
const EXPERIMENT = "experiment";
const HISTORY = "history";

/** The name of the folder for snapshots, and its name in earlier versions. */
const FOLDER = "snapshots";
const FORMER_FOLDER = "checkpoints";

function snapshotPath(directory: string, folder: string, seed: number): string {
  return joinPath(directory, folder, `seed-${seed}.safetensors`);
}

/** Returns the path of a seed's snapshot in a run's directory; undefined if there is no snapshot. */
export async function findSnapshot(
  storage: RunStorage,
  directory: string,
  seed: number,
): Promise<string | undefined> {
  for (const folder of [FOLDER, FORMER_FOLDER]) {
    const path = snapshotPath(directory, folder, seed);
    if ((await storage.kind(path)) === "file") return path;
  }
  return undefined;
}

/** Writes a seed's snapshot to a run's directory. Equal snapshots give equal bytes. */
export async function writeSnapshot(
  storage: RunStorage,
  directory: string,
  seed: number,
  { experiment, history }: SeedSnapshot,
): Promise<void> {
  const { json, tensors } = encodeSnapshot(EXPERIMENT, experiment);
  const metadata = { [EXPERIMENT]: json, [HISTORY]: JSON.stringify(history) };
  const bytes = writeSafetensors(tensors, metadata);
  await storage.write(snapshotPath(directory, FOLDER, seed), bytes);
}

/** Reads a seed's snapshot. @throws InputError if the file is damaged, not a snapshot, or of a different version */
export async function readSnapshot(storage: RunStorage, path: string): Promise<SeedSnapshot> {
  const bytes = await storage.read(path);
  const { metadata, tensors } = readSafetensorsOrThrow(bytes, { source: path });
  const { [EXPERIMENT]: json, [HISTORY]: history } = metadata;
  if (json === undefined || history === undefined)
    throw new InputError([{ path, expected: "the snapshot of a run", got: "another file" }]);
  const arrays = new Map(
    [...tensors].filter((entry): entry is [string, SnapshotTensor] => isArray(entry[1].dtype)),
  );
  return {
    experiment: decodeSnapshotOrThrow(EXPERIMENT, { json, tensors: arrays }),
    history: JSON.parse(history) as SeedHistory,
  };
}

function isArray(dtype: string): dtype is SnapshotTensor["dtype"] {
  return dtype === "F32" || dtype === "I32" || dtype === "U8";
}
