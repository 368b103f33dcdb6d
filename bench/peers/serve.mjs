/** What every peer in JavaScript does: reads its request, says what it is, and times what each further line names. */
import { createInterface } from "node:readline";

const NOT_INSTALLED = 3;

/** Whether a package is missing, as against broken. */
function isMissing(error) {
  return error?.code === "ERR_MODULE_NOT_FOUND" || error?.code === "MODULE_NOT_FOUND";
}

/**
 * Serves standard input until it ends. `load` gets the request and gives the peer's name and what it can run; it
 * exits with status 3 where a package is not installed.
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
  // Engines keep threads of their own.
  process.exit(0);
}
