/** The protocol of peers in JavaScript: reads a request, writes a description, times the work that each line names. */
import { createInterface } from "node:readline";

const NOT_INSTALLED = 3;

/** Whether a package is missing, not broken. */
function isMissing(error) {
  return error?.code === "ERR_MODULE_NOT_FOUND" || error?.code === "MODULE_NOT_FOUND";
}

/**
 * Serves standard input until it ends. `load` returns the name of the peer and its runs for a request. Exits with
 * status 3 if a package is not installed.
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
  const { name, runs } = peer;
  console.log(JSON.stringify({ name, kinds: Object.keys(runs) }));
  for await (const line of lines) {
    const start = performance.now();
    await runs[line.trim()]();
    console.log(performance.now() - start);
  }
  // Threads of the engine would keep the process alive.
  process.exit(0);
}
