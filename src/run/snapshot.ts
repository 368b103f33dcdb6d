/** Stores a seed's snapshot in one safetensors file: the state of its experiment, and the history for the report. */

import { pipe } from "fp-ts/function";
import { byteSource } from "../checkpoint/byte-source.ts";
import { openCheckpointFile } from "../checkpoint/open.ts";
import {
  allOf,
  chain,
  type Either,
  getOrThrow,
  InputError,
  isLeft,
  left,
  type Problem,
  refuse,
  right,
  tryCatch,
} from "../core/either.ts";
import type { ExperimentSnapshot } from "../experiment/experiment.ts";
import type { ExperimentTerms } from "../experiment/plan.ts";
import {
  decodeSnapshotOrThrow,
  encodeSnapshot,
  type SnapshotTensor,
  versionProblems,
} from "../experiment/snapshot.ts";
import { layOutSafetensors } from "../io/safetensors.ts";
import type { SeedHistory } from "./seed-history.ts";
import { joinPath, type RunStorage } from "./storage.ts";

interface SeedSnapshot {
  readonly experiment: ExperimentSnapshot;
  readonly history: SeedHistory;
  /** The directory of the seed's models, in the directory of the run. */
  readonly models: string;
}

/** The keys of the experiment's JSON, of the history and of the directory of the models in the safetensors metadata. */
const EXPERIMENT = "experiment";
const HISTORY = "history";
const MODELS = "models";

/** The name of the folder for snapshots, and its name in earlier versions. */
export const SNAPSHOTS = "snapshots";
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
  for (const folder of [SNAPSHOTS, FORMER_FOLDER]) {
    const path = snapshotPath(directory, folder, seed);
    if ((await storage.kind(path)) === "file") return path;
  }
  return undefined;
}

/** Returns the seeds that have a snapshot in a run's directory, in ascending order. */
export async function snapshotSeeds(
  storage: RunStorage,
  directory: string,
): Promise<readonly number[]> {
  const seeds = new Set<number>();
  for (const folder of [SNAPSHOTS, FORMER_FOLDER]) {
    const path = joinPath(directory, folder);
    if ((await storage.kind(path)) !== "directory") continue;
    for (const name of await storage.list(path)) {
      const [, seed] = /^seed-(\d+)\.safetensors$/.exec(name) ?? [];
      if (seed !== undefined) seeds.add(Number(seed));
    }
  }
  return [...seeds].sort((a, b) => a - b);
}

/** Writes a seed's snapshot to a run's directory. Equal snapshots give equal bytes. */
export async function writeSnapshot(
  storage: RunStorage,
  directory: string,
  seed: number,
  { experiment, history, models }: SeedSnapshot,
): Promise<void> {
  const { json, tensors } = encodeSnapshot(EXPERIMENT, experiment);
  const metadata = { [EXPERIMENT]: json, [HISTORY]: JSON.stringify(history), [MODELS]: models };
  const sizes = [...tensors].map(
    ([name, { dtype, shape, bytes }]) =>
      [name, { dtype, shape, byteLength: bytes.length }] as const,
  );
  const { header, order } = layOutSafetensors(new Map(sizes), metadata);
  const parts = order.flatMap((name) => tensors.get(name)?.bytes ?? []);
  await storage.write(snapshotPath(directory, SNAPSHOTS, seed), [header, ...parts]);
}

/** A snapshot whose tensors are read one at a time. */
interface OpenSnapshot extends Pick<SeedSnapshot, "history" | "models"> {
  /** The terms of the experiment. */
  readonly terms: ExperimentTerms;
  /** Reads the experiment. @throws InputError if the snapshot is damaged */
  readonly experiment: () => ExperimentSnapshot;
  readonly close: () => void;
}

/** Opens a seed's snapshot. @throws InputError if the file is not a snapshot, or of a different version */
export async function openSnapshot(storage: RunStorage, path: string): Promise<OpenSnapshot> {
  const checkpoint = getOrThrow(
    storage.openCheckpoint === undefined
      ? openCheckpointFile(byteSource(path, await storage.read(path)))
      : await storage.openCheckpoint(path),
  );
  const { close, entries, files } = checkpoint;
  const parts = readMetadata(path, files[0]?.metadata ?? {});
  if (isLeft(parts)) {
    close();
    throw new InputError(parts.left);
  }
  const { json, history, models, terms } = parts.right;
  const tensors = new Map<string, SnapshotTensor>();
  for (const entry of entries) {
    const { name, dtype, shape } = entry;
    if (!isArray(dtype)) continue;
    tensors.set(name, {
      dtype,
      shape,
      get bytes() {
        return checkpoint.read(entry).bytes;
      },
    });
  }
  return {
    history,
    models,
    terms,
    experiment: () => decodeSnapshotOrThrow(EXPERIMENT, { json, tensors }),
    close,
  };
}

/** Reads the metadata of a snapshot, or returns why it is not a snapshot of this version. */
function readMetadata(path: string, metadata: Readonly<Record<string, string>>) {
  const { [EXPERIMENT]: json, [HISTORY]: history, [MODELS]: models = "" } = metadata;
  if (json === undefined || history === undefined)
    return refuse(path, "the snapshot of a run", "another file");
  return pipe(
    allOf({ experiment: parsedJson(path, json), history: parsedJson(path, history) }),
    chain(({ experiment, history }) => {
      const { state } = Object(experiment) as { readonly state: ExperimentSnapshot };
      const problems = versionProblems(path, state);
      if (problems.length > 0) return left(problems);
      return right({ json, models, history: history as SeedHistory, terms: state.terms });
    }),
  );
}

function parsedJson(path: string, text: string): Either<readonly Problem[], unknown> {
  return tryCatch(
    () => JSON.parse(text) as unknown,
    () => [{ path, expected: "the snapshot of a run", got: "damaged JSON" }],
  );
}

/** Reads a seed's snapshot. @throws InputError if the file is damaged, not a snapshot, or of a different version */
export async function readSnapshot(storage: RunStorage, path: string): Promise<SeedSnapshot> {
  const opened = await openSnapshot(storage, path);
  try {
    const { history, models } = opened;
    return { experiment: opened.experiment(), history, models };
  } finally {
    opened.close();
  }
}

function isArray(dtype: string): dtype is SnapshotTensor["dtype"] {
  return dtype === "F32" || dtype === "I32" || dtype === "U8";
}
