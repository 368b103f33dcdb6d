/** Locks a directory by a file that names the process, so that two runs do not write to one directory. */
import {
  linkSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { hostname } from "node:os";
import { dirname, join, resolve } from "node:path";
import { setTimeout } from "node:timers/promises";
import { refuseInput } from "../core/either.ts";

/** The process that holds a lock. */
interface Holder {
  readonly host: string;
  /** Identifies the current boot of the host; null if the system does not report it. */
  readonly boot: string | null;
  readonly process: number;
  /** The time at which the process started, because process ids are reused; null if the system does not report it. */
  readonly started: string | null;
}

const LOCK_FILE = "run.lock";
/** Milliseconds between attempts to take a lock. */
const PAUSE = 20;
const ATTEMPTS = 50;

/** Reads a file of the system; null if there is none. */
function readSystemFile(path: string): string | null {
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    return null;
  }
}

/**
 * Returns the state of a process and its start in clock ticks since the boot; null if the system does not report them.
 */
function processFacts(id: number): { readonly state: string; readonly started: string } | null {
  // The name of the program, in parentheses, may contain spaces.
  const [, fields] = readSystemFile(`/proc/${id}/stat`)?.split(/\) (?!.*\) )/s) ?? [];
  const [state, started] = [0, 19].map((index) => fields?.split(" ")[index]);
  return state === undefined || started === undefined ? null : { state, started };
}

function thisProcess(): Holder {
  return {
    host: hostname(),
    boot: readSystemFile("/proc/sys/kernel/random/boot_id"),
    process: process.pid,
    started: processFacts(process.pid)?.started ?? null,
  };
}

/** Whether a process of this host and boot still runs. */
function isRunning({ process: id, started }: Holder): boolean {
  try {
    process.kill(id, 0);
  } catch (error) {
    // A process of another user may not be signalled.
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
  const facts = processFacts(id);
  if (facts === null) return true;
  // A killed process stays a zombie until its parent asks for its exit code.
  if (/[ZX]/.test(facts.state)) return false;
  return started === null || facts.started === started;
}

function parseHolder(text: string): Holder | null {
  try {
    const { host, boot, process: id, started } = JSON.parse(text) as Partial<Holder>;
    const isText = (value: unknown): value is string | null =>
      value === null || typeof value === "string";
    if (typeof host !== "string" || !Number.isInteger(id) || id === undefined) return null;
    return isText(boot) && isText(started) ? { host, boot, process: id, started } : null;
  } catch {
    return null;
  }
}

/** Returns how a lock is held, for a message; null if its process has ended. */
function heldBy(lock: string, text: string): string | null {
  const removal = `if that run has ended, remove ${lock}`;
  const holder = parseHolder(text);
  if (holder === null) return `one with a lock that cannot be read; ${removal}`;
  const { host, boot } = thisProcess();
  if (holder.host !== host)
    return `one that process ${holder.process} on the host ${holder.host} has locked; ${removal}`;
  return holder.boot === boot && isRunning(holder)
    ? `one that process ${holder.process} has locked`
    : null;
}

/** Creates a file with its content, unless it exists. Returns whether it did. */
function createFile(path: string, text: string): boolean {
  const own = `${path}.${process.pid}.tmp`;
  try {
    writeFileSync(own, text);
    // A hard link makes the name and the content appear together. Some file systems do not support links.
    try {
      linkSync(own, path);
    } catch (error) {
      if (codeOf(error) === "EEXIST") throw error;
      writeFileSync(path, text, { flag: "wx" });
    }
    return true;
  } catch (error) {
    if (codeOf(error) === "EEXIST") return false;
    throw error;
  } finally {
    rmSync(own, { force: true });
  }
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}

/** Removes a stale lock. If another process has replaced it meanwhile, its lock stays. */
function removeStale(lock: string, text: string): void {
  const aside = `${lock}.${process.pid}.stale`;
  try {
    renameSync(lock, aside);
  } catch (error) {
    if (codeOf(error) === "ENOENT") return;
    throw error;
  }
  const taken = readFileSync(aside, "utf8");
  if (taken.trim() !== text) createFile(lock, taken);
  rmSync(aside);
}

/**
 * Whether a lock that was taken over still exists after a pause, in which other processes that saw the stale lock act.
 */
async function staysOwn(isOwn: () => boolean): Promise<boolean> {
  await setTimeout(PAUSE);
  return isOwn();
}

/** Removes the directories from `path` up to `first` that are empty. */
function removeEmpty(path: string, first: string): void {
  try {
    for (let each = path; each.length >= first.length; each = dirname(each)) rmdirSync(each);
  } catch {
    // A directory is not empty.
  }
}

/**
 * Locks a directory, which is created if necessary. A lock whose process has ended is taken over. Returns a function
 * that unlocks the directory, and removes it if nothing was written.
 *
 * @throws InputError if a process that may still run holds the lock
 */
export async function lockDirectory(directory: string): Promise<() => void> {
  const created = mkdirSync(directory, { recursive: true });
  const lock = join(resolve(directory), LOCK_FILE);
  const text = `${JSON.stringify({ ...thisProcess(), time: new Date().toISOString() })}\n`;
  const isOwn = (): boolean => readSystemFile(lock) === text.trim();
  for (let attempt = 1; !createFile(lock, text) || (attempt > 1 && !(await staysOwn(isOwn))); ) {
    const held = readSystemFile(lock) ?? "";
    const holder = heldBy(lock, held);
    // An empty lock file may belong to a process that is about to write its content.
    if (holder !== null && (held !== "" || attempt === ATTEMPTS))
      refuseInput(directory, "a directory to which no other run writes", `${directory}, ${holder}`);
    if (holder === null) removeStale(lock, held);
    else await setTimeout(PAUSE);
    attempt++;
  }
  let isHeld = true;
  const unlock = (): void => {
    if (!isHeld) return;
    isHeld = false;
    process.off("exit", unlock);
    if (isOwn()) rmSync(lock, { force: true });
    if (created !== undefined) removeEmpty(resolve(directory), resolve(created));
  };
  process.on("exit", unlock);
  return unlock;
}
