/** The protocol of peers in JavaScript: reads a request, writes a description, then answers each line. */
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { timed } from "./timing.mjs";

const NOT_INSTALLED = 3;

/** Whether a package is missing, not broken. */
function isMissing(error) {
  return error?.code === "ERR_MODULE_NOT_FOUND" || error?.code === "MODULE_NOT_FOUND";
}

/** The peak memory of this process in bytes. */
function peakMemory() {
  try {
    const [, kilobytes] = /VmHWM:\s*(\d+)/.exec(readFileSync("/proc/self/status", "utf8")) ?? [];
    return Number(kilobytes) * 1024;
  } catch {
    return process.resourceUsage().maxRSS * 1024;
  }
}

/**
 * Serves standard input until it ends. `load` returns the name of the peer, its runs and its answers for a request. A
 * line is the name of an answer, which is written as JSON, or of a run, optionally with the milliseconds to fill. A peer
 * whose runs are elsewhere has a function `time` of its own. Exits with status 3 if a package is not installed.
 */
export async function servePeer(load) {
  const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
  const request = JSON.parse((await lines.next()).value);
  let peer;
  try {
    peer = await load(request);
  } catch (error) {
    if (isMissing(error)) process.exit(NOT_INSTALLED);
    throw error;
  }
  const { name, runs, answers = {}, time = (asked, least) => timed(runs[asked], least) } = peer;
  console.log(JSON.stringify({ name, kinds: Object.keys(runs) }));
  const known = { peak: peakMemory, ...answers };
  for await (const line of lines) {
    const [asked, least = "0"] = line.trim().split(" ");
    const answer = known[asked];
    console.log(
      answer === undefined ? await time(asked, Number(least)) : JSON.stringify(await answer()),
    );
  }
  // Threads of the engine would keep the process alive.
  process.exit(0);
}
