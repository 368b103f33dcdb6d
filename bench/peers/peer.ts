/** A peer: a Python program that repeats a benchmark's work, asked round by round over its standard input. */
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";

/** A peer that is ready to be timed. */
export interface Peer {
  /** `torch 2.1.0`, say. */
  readonly name: string;
  /** Milliseconds that the peer takes for one round with this input. */
  readonly kinds: readonly string[];
  time(input: string): Promise<number>;
  stop(): void;
}

const PYTHON: string = process.env.PYTHON ?? "python3";

/**
 * Settings of glibc's allocator under which a program keeps the memory that it frees. Without them PyTorch's optimizer
 * on the CPU spends most of its time on pages that it gives back and takes anew, up to ten times as much.
 */
export const UNTRIMMED_HEAP: Readonly<Record<string, string>> = {
  MALLOC_MMAP_THRESHOLD_: "4294967296",
  MALLOC_TRIM_THRESHOLD_: "8589934592",
  MALLOC_TOP_PAD_: "268435456",
};

/** Starts bench/peers/`script`; undefined where Python or PyTorch is not installed. */
export async function startPeer(
  script: string,
  request: unknown,
  environment: Readonly<Record<string, string>> = UNTRIMMED_HEAP,
): Promise<Peer | undefined> {
  const child: ChildProcessByStdio<Writable, Readable, null> = spawn(PYTHON, [script], {
    stdio: ["pipe", "pipe", "inherit"],
    env: { ...process.env, ...environment },
  });
  child.on("error", () => undefined);
  child.stdin.on("error", () => undefined);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const ask = async (line: string): Promise<string | undefined> => {
    child.stdin.write(`${line}\n`);
    const { value, done } = await lines.next();
    return done ? undefined : (value as string);
  };
  const hello = await ask(JSON.stringify(request));
  if (hello === undefined) return undefined;
  const { version } = JSON.parse(hello) as { version: string };
  return {
    name: `torch ${version}`,
    kinds: ["step", "gradients", "forward"],
    async time(input) {
      const answer = await ask(String(input));
      if (answer === undefined) throw new Error(`${script}: the peer stopped`);
      return Number(answer);
    },
    stop: () => child.stdin.end(),
  };
}
