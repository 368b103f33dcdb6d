import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { InputError } from "../../src/core/either.ts";
import { lockDirectory } from "../../src/node/directory-lock.ts";

let folder = "";
const children: ChildProcess[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "espalier-lock-"));
});
afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});

const lock = (): string => join(folder, "run.lock");

/** The content of a lock that this process holds. */
async function ownLock(): Promise<Readonly<Record<string, unknown>>> {
  const unlock = await lockDirectory(folder);
  const content = JSON.parse(readFileSync(lock(), "utf8")) as Readonly<Record<string, unknown>>;
  unlock();
  return content;
}

test("a lock is held until it is unlocked, and names host, boot and process", async () => {
  const unlock = await lockDirectory(folder);
  const content = JSON.parse(readFileSync(lock(), "utf8"));
  expect(content).toMatchObject({ host: hostname(), process: process.pid });
  expect(typeof content.boot === "string" || content.boot === null).toBe(true);
  await expect(lockDirectory(folder)).rejects.toThrow(InputError);
  await expect(lockDirectory(folder)).rejects.toThrow(
    `expected a directory to which no other run writes, got ${folder}, one that process ${process.pid} has locked`,
  );
  unlock();
  unlock();
  expect(existsSync(lock())).toBe(false);
  (await lockDirectory(folder))();
});

test("a directory that the lock creates is removed if nothing was written", async () => {
  const directory = join(folder, "a", "b");
  (await lockDirectory(directory))();
  expect(existsSync(join(folder, "a"))).toBe(false);
  const unlock = await lockDirectory(directory);
  writeFileSync(join(directory, "kept"), "");
  unlock();
  expect(existsSync(join(directory, "kept"))).toBe(true);
});

test("a lock of a process that has ended, or of another boot, is taken over", async () => {
  const content = await ownLock();
  const ended = spawnSync(process.execPath, ["-e", ""]).pid;
  const stale = [
    { ...content, process: ended },
    { ...content, boot: "another boot" },
    // The system has given the id of an ended process to this one.
    ...(content.started === null ? [] : [{ ...content, started: "1" }]),
  ];
  for (const each of stale) {
    writeFileSync(lock(), JSON.stringify(each));
    const unlock = await lockDirectory(folder);
    expect(JSON.parse(readFileSync(lock(), "utf8"))).toMatchObject({ process: process.pid });
    unlock();
    expect(existsSync(lock())).toBe(false);
  }
});

test("a lock of a running process, of another host, or a damaged one stays, with what to do", async () => {
  const content = await ownLock();
  const child = spawn(process.execPath, ["-e", "setTimeout(() => {}, 60000)"]);
  children.push(child);
  const refused = async (text: string, message: string): Promise<void> => {
    writeFileSync(lock(), text);
    await expect(lockDirectory(folder)).rejects.toThrow(message);
    expect(readFileSync(lock(), "utf8")).toBe(text);
  };
  const running = { ...content, process: child.pid, started: null };
  await refused(JSON.stringify(running), `one that process ${child.pid} has locked`);
  const elsewhere = { ...content, host: "elsewhere", process: 5 };
  await refused(
    JSON.stringify(elsewhere),
    `one that process 5 on the host elsewhere has locked; if that run has ended, remove ${lock()}`,
  );
  await refused("{}", `a lock that cannot be read; if that run has ended, remove ${lock()}`);
  await refused("", "a lock that cannot be read");
});

test("of processes that find a stale lock at once, one gets it", async () => {
  const content = await ownLock();
  const ended = spawnSync(process.execPath, ["-e", ""]).pid;
  writeFileSync(lock(), JSON.stringify({ ...content, process: ended }));
  const results = await Promise.allSettled(Array.from({ length: 8 }, () => lockDirectory(folder)));
  expect(results.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
});
