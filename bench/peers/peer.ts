/** A peer: a program that repeats a benchmark's work, asked round by round over its standard input. */
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";

/** A peer that is ready to be timed. */
export interface Peer {
  /** `torch 2.1.0`, say: its engine, a space, the engine's version. */
  readonly name: string;
  /** What it can be asked for. */
  readonly kinds: readonly string[];
  /** Milliseconds that the peer takes for one round with this input. */
  time(input: string): Promise<number>;
  stop(): void;
}

const PYTHON: string = process.env.PYTHON ?? "python3";
/** The status with which a program says that its engine is not there. */
const NOT_INSTALLED = 3;

/**
 * Settings of glibc's allocator under which a program keeps the memory that it frees. Without them PyTorch's optimizer
 * on the CPU spends most of its time on pages that it gives back and takes anew, up to ten times as much.
 */
const UNTRIMMED_HEAP: Readonly<Record<string, string>> = {
  MALLOC_MMAP_THRESHOLD_: "4294967296",
  MALLOC_TRIM_THRESHOLD_: "8589934592",
  MALLOC_TOP_PAD_: "268435456",
};

/**
 * Starts a peer's program: Python's, or a module in JavaScript. Undefined where its engine is not installed.
 *
 * @throws Error when the program ends for another reason
 */
export async function startPeer(script: string, request: unknown): Promise<Peer | undefined> {
  const interpreter = script.endsWith(".py") ? PYTHON : process.execPath;
  const child: ChildProcessByStdio<Writable, Readable, null> = spawn(interpreter, [script], {
    stdio: ["pipe", "pipe", "inherit"],
    env: { ...process.env, ...UNTRIMMED_HEAP },
  });
  const ended = new Promise<number | null>((resolve) => {
    // An interpreter that is not there is an engine that is not installed.
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
  return {
    name,
    kinds,
    async time(input) {
      const answer = await ask(input);
      if (answer === undefined) throw new Error(`${name}: the peer stopped`);
      return Number(answer);
    },
    stop: () => child.stdin.end(),
  };
}
