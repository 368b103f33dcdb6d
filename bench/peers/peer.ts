/** A peer: a program that repeats the work of a benchmark, controlled over its standard input. */
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { basename } from "node:path";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";

/** A peer that is ready to be timed. */
export interface Peer {
  /** The engine and its version, such as `torch 2.1.0`. */
  readonly name: string;
  /** The kinds of work that it supports. */
  readonly kinds: readonly string[];
  /** The milliseconds of one round with this input. */
  time(input: string): Promise<number>;
  /** An answer that is not a time. */
  ask(input: string): Promise<unknown>;
  stop(): void;
  /** Resolves when the process has ended. */
  readonly ended: Promise<unknown>;
}

const PYTHON: string = process.env.PYTHON ?? "python3";
/** DeepSparse needs an older Python than others, so that it may have its own. */
const DEEPSPARSE_PYTHON: string = process.env.DEEPSPARSE_PYTHON ?? PYTHON;
/** The exit status of a program whose engine is not installed. */
const NOT_INSTALLED = 3;

/**
 * Settings of glibc's allocator that keep freed memory. Without them the optimizer of PyTorch on the CPU is up to ten
 * times slower, because it returns pages to the system and requests them again.
 */
const UNTRIMMED_HEAP: Readonly<Record<string, string>> = {
  MALLOC_MMAP_THRESHOLD_: "4294967296",
  MALLOC_TRIM_THRESHOLD_: "8589934592",
  MALLOC_TOP_PAD_: "268435456",
};

/** Which settings of the allocator a peer has. */
export type PeerHeap = "untrimmed" | "default";

function interpreterOf(script: string): string {
  if (!script.endsWith(".py")) return process.execPath;
  return basename(script).startsWith("deepsparse") ? DEEPSPARSE_PYTHON : PYTHON;
}

/**
 * Starts a program in Python or JavaScript. Undefined if its engine is not installed.
 *
 * @throws Error if the program ends for another reason
 */
export async function startPeer(
  script: string,
  request: unknown,
  heap: PeerHeap = "untrimmed",
): Promise<Peer | undefined> {
  const child: ChildProcessByStdio<Writable, Readable, null> = spawn(
    interpreterOf(script),
    [script],
    {
      stdio: ["pipe", "pipe", "inherit"],
      env: heap === "untrimmed" ? { ...process.env, ...UNTRIMMED_HEAP } : process.env,
    },
  );
  const ended = new Promise<number | null>((resolve) => {
    // A missing interpreter counts as an engine that is not installed.
    child.on("error", () => resolve(NOT_INSTALLED));
    child.on("exit", resolve);
  });
  child.stdin.on("error", () => undefined);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const ask = async (line: string): Promise<string | undefined> => {
    child.stdin.write(`${line}\n`);
    const { value, done } = await lines.next();
    return done ? undefined : (value as string);
  };
  const hello = await ask(JSON.stringify(request));
  if (hello === undefined) {
    const status = await ended;
    if (status === NOT_INSTALLED) return undefined;
    throw new Error(`${script}: the peer ended with status ${status} before it was ready`);
  }
  const { name, kinds } = JSON.parse(hello) as Pick<Peer, "name" | "kinds">;
  const answerTo = async (input: string): Promise<string> => {
    const answer = await ask(input);
    if (answer === undefined) throw new Error(`${name}: the peer stopped`);
    return answer;
  };
  return {
    name,
    kinds,
    time: async (input) => Number(await answerTo(input)),
    ask: async (input) => JSON.parse(await answerTo(input)),
    stop: () => child.stdin.end(),
    ended,
  };
}
