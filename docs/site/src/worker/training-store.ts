/** Keeps a run in the private file system of the origin, so that it goes on after a reload. */
import type { ClassifierFile } from "../../../../src/run/given-files.ts";
import type { GivenFile } from "./protocol.ts";
import type { TrainingHistory, TrainRequest } from "./training-protocol.ts";

/** A run between two steps. */
export interface TrainingState {
  readonly request: TrainRequest;
  /** The files of the latest snapshot, which name it with its models. */
  readonly snapshot: readonly ClassifierFile[];
  readonly history: TrainingHistory;
}

const FOLDER = "training";
/** Names the files of the run. It is written last, so that it always names complete ones. */
const STATE = "state.json";
const LOCK = "espalier-training-run";

/** A file with the name of its stored content. */
type Stored = readonly [path: string, key: string];

interface StoredState {
  readonly version: 1;
  readonly settings: TrainRequest["settings"];
  readonly own: {
    readonly rows: Stored;
    readonly validationRows: Stored | null;
    readonly model: readonly Stored[];
  } | null;
  readonly snapshot: readonly Stored[];
  readonly history: TrainingHistory;
}

async function folder(): Promise<FileSystemDirectoryHandle> {
  const root = await navigator.storage.getDirectory();
  return root.getDirectoryHandle(FOLDER, { create: true });
}

/** Writes a file completely or not at all. */
async function write(name: string, content: Blob | string): Promise<void> {
  const handle = await (await folder()).getFileHandle(name, { create: true });
  const stream = await handle.createWritable();
  try {
    await stream.write(content);
  } catch (error) {
    await stream.abort().catch(() => {});
    throw error;
  }
  await stream.close();
}

let isOwner: Promise<boolean> | null = null;

/** Whether this worker may write the run: one worker at a time may, until it ends. */
function ownsRun(): Promise<boolean> {
  isOwner ??= new Promise((resolve) => {
    void navigator.locks.request(LOCK, { ifAvailable: true }, (lock) => {
      resolve(lock !== null);
      return lock === null ? undefined : new Promise(() => {});
    });
  });
  return isOwner;
}

async function removeOthers(kept: ReadonlySet<string>): Promise<void> {
  const directory = await folder();
  // The types of pages do not declare the iterator of a folder.
  const { keys } = directory as unknown as { keys(): AsyncIterable<string> };
  for await (const name of keys.call(directory))
    if (!kept.has(name)) await directory.removeEntry(name).catch(() => {});
}

function blobOf({ bytes }: ClassifierFile): Blob {
  return bytes instanceof Uint8Array
    ? new Blob([bytes as Uint8Array<ArrayBuffer>])
    : (bytes as Blob);
}

/** Keeps one run. */
export interface TrainingStore {
  /** Saves the run in place of the one before. @returns why it is not saved, in words; null if it is */
  save(state: TrainingState): Promise<string | null>;
  load(): Promise<TrainingState | null>;
  remove(): Promise<void>;
}

/** The stored inputs of the run that is saved now. They do not change while it runs. */
let inputs: { readonly request: TrainRequest; readonly own: StoredState["own"] } | null = null;
let round = 0;

async function storedInputs(request: TrainRequest): Promise<StoredState["own"]> {
  if (inputs?.request === request) return inputs.own;
  const { own } = request;
  const id = crypto.randomUUID();
  let count = 0;
  const store = async ({ path, content }: GivenFile): Promise<Stored> => {
    const key = `${id}-${count++}`;
    await write(key, content);
    return [path, key];
  };
  const stored = own && {
    rows: await store(own.rows),
    validationRows: own.validationRows && (await store(own.validationRows)),
    model: await Promise.all(own.model.map(store)),
  };
  inputs = { request, own: stored };
  return stored;
}

async function saveState({ request, snapshot, history }: TrainingState): Promise<void> {
  const own = await storedInputs(request);
  round++;
  const files: Stored[] = [];
  for (const file of snapshot) {
    const key = `snapshot-${round}-${files.length}-${crypto.randomUUID()}`;
    await write(key, blobOf(file));
    files.push([file.name, key]);
  }
  const { settings } = request;
  const state: StoredState = { version: 1, settings, own, snapshot: files, history };
  await write(STATE, JSON.stringify(state));
  const inputKeys = own && [own.rows, ...(own.validationRows ? [own.validationRows] : [])];
  const kept = [...files, ...(inputKeys ?? []), ...(own?.model ?? [])].map(([, key]) => key);
  await removeOthers(new Set([STATE, ...kept]));
}

async function loadState(): Promise<TrainingState | null> {
  const directory = await folder();
  const read = async ([path, key]: Stored): Promise<GivenFile> => {
    return { path, content: await (await directory.getFileHandle(key)).getFile() };
  };
  try {
    const file = await (await directory.getFileHandle(STATE)).getFile();
    const state = JSON.parse(await file.text()) as StoredState;
    if (state.version !== 1) return null;
    const { settings, own, history } = state;
    const request: TrainRequest = {
      settings,
      own: own && {
        rows: await read(own.rows),
        validationRows: own.validationRows && (await read(own.validationRows)),
        model: await Promise.all(own.model.map(read)),
      },
    };
    const snapshot = await Promise.all(state.snapshot.map(read));
    inputs = { request, own };
    const files = snapshot.map(({ path, content }) => ({ name: path, bytes: content }));
    return { request, history, snapshot: files };
  } catch {
    // No state, or one whose files the browser has removed.
    return null;
  }
}

export function createTrainingStore(): TrainingStore {
  return {
    async save(state) {
      if (!(await ownsRun())) return "Another tab of this page keeps its own run.";
      try {
        await saveState(state);
        return null;
      } catch (error) {
        const isFull = error instanceof DOMException && error.name === "QuotaExceededError";
        const reason = error instanceof Error ? error.message : String(error);
        return isFull ? "The browser's storage for this site is full." : reason;
      }
    },
    load: loadState,
    async remove() {
      inputs = null;
      if (await ownsRun()) await removeOthers(new Set());
    },
  };
}
