/**
 * Classifies texts over HTTP. Each worker thread has a model of its own, so that requests do not wait for each other.
 *
 *     node server.mjs MODEL [PORT] [THREADS]
 *     curl 'http://127.0.0.1:8080/?text=the+old+tree'
 */
import { createServer } from "node:http";
import { Worker } from "node:worker_threads";

const [model, port = "8080", threads = "2"] = process.argv.slice(2);
if (model === undefined) {
  console.error("usage: node server.mjs MODEL [PORT] [THREADS]");
  process.exit(2);
}

/** Starts a worker, and returns a function that classifies with it. */
function startWorker() {
  const worker = new Worker(new URL("./classify.mjs", import.meta.url), { workerData: model });
  const waiting = new Map();
  let next = 0;
  worker.on("message", ({ id, answer, problem }) => {
    const { resolve, reject } = waiting.get(id);
    waiting.delete(id);
    if (problem === undefined) resolve(answer);
    else reject(new Error(problem));
  });
  return {
    load: () => waiting.size,
    classify: (text) =>
      new Promise((resolve, reject) => {
        const id = next++;
        waiting.set(id, { resolve, reject });
        worker.postMessage({ id, text });
      }),
  };
}

const workers = Array.from({ length: Number(threads) }, startWorker);

const server = createServer(async (request, response) => {
  const send = (status, value) => {
    response.writeHead(status, { "content-type": "application/json" });
    response.end(`${JSON.stringify(value)}\n`);
  };
  const text = new URL(request.url, "http://localhost").searchParams.get("text");
  if (text === null) {
    send(400, { problem: "text: expected a text, got none" });
    return;
  }
  const [idlest] = workers.toSorted((a, b) => a.load() - b.load());
  try {
    send(200, await idlest.classify(text));
  } catch (error) {
    send(500, { problem: error.message });
  }
});
server.listen(Number(port), "127.0.0.1", () => {
  console.log(`http://127.0.0.1:${server.address().port}/`);
});
