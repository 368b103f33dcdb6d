import { expect, test } from "vitest";
import { InputError } from "../../src/core/either.ts";
import { workerRunner } from "../../src/node/workers.ts";
import { runTasks } from "../../src/run/tasks.ts";

/** A worker that speaks the protocol: posts its task back, fails on request, or waits to be aborted. */
const SCRIPT = new URL(
  `data:text/javascript,${encodeURIComponent(`
    import { parentPort, workerData } from "node:worker_threads";
    const { task } = workerData;
    parentPort.postMessage({ kind: "message", message: "started " + task });
    if (task === "fail") parentPort.postMessage({ kind: "error", message: "task failed", stack: "s" });
    else if (task === "refuse") {
      const problems = [{ path: "rows", expected: "others", got: "these" }];
      parentPort.postMessage({ kind: "error", message: "m", stack: "s", problems });
    } else if (task === "exit") process.exit(3);
    else if (task === "wait")
      parentPort.on("message", (told) => parentPort.postMessage({ kind: "result", result: told.kind }));
    else parentPort.postMessage({ kind: "result", result: task * 2 });
  `)}`,
);

function run(tasks: readonly unknown[], atOnce: number, signal: AbortSignal) {
  const messages: [number, unknown][] = [];
  const onMessage = async (index: number, message: unknown) => void messages.push([index, message]);
  const runner = workerRunner(SCRIPT);
  return { messages, results: runTasks({ tasks, runner, atOnce, onMessage, signal }) };
}

const NEVER = new AbortController().signal;

test("results come in the order of tasks, for any number of threads", async () => {
  for (const threads of [1, 2, 8]) {
    const { messages, results } = run([1, 2, 3], threads, NEVER);
    expect(await results).toEqual([2, 4, 6]);
    expect(messages.map(([index]) => index).sort()).toEqual([0, 1, 2]);
  }
  expect(await run([], 2, NEVER).results).toEqual([]);
});

test("a failing task fails the run, stops the running ones and starts no further ones", async () => {
  const { messages, results } = run(["fail", 1, 2], 1, NEVER);
  await expect(results).rejects.toThrow("task failed");
  expect(messages).toEqual([[0, "started fail"]]);
  await expect(run(["wait", "fail"], 2, NEVER).results).rejects.toThrow("task failed");
  await expect(run(["exit"], 1, NEVER).results).rejects.toThrow("a worker ended early with code 3");
});

test("a task that is refused fails with its problems", async () => {
  const refused = new InputError([{ path: "rows", expected: "others", got: "these" }]);
  await expect(run(["refuse"], 1, NEVER).results).rejects.toEqual(refused);
});

test("aborting reaches the running tasks and starts no further ones", async () => {
  const controller = new AbortController();
  const { results } = run(["wait", 1], 1, controller.signal);
  controller.abort();
  expect(await results).toEqual(["abort", undefined]);
});

test("a message that cannot be dealt with fails the run, and slow ones delay the result", async () => {
  const runner = workerRunner(SCRIPT);
  const options = { runner, atOnce: 1, signal: NEVER };
  const failing = async () => {
    throw new Error("disk full");
  };
  await expect(runTasks({ ...options, tasks: ["wait"], onMessage: failing })).rejects.toThrow(
    "disk full",
  );
  let dealtWith = false;
  const slow = async () => {
    await new Promise((resolve) => setTimeout(resolve, 200));
    dealtWith = true;
  };
  expect(await runTasks({ ...options, tasks: [1], onMessage: slow })).toEqual([2]);
  expect(dealtWith).toBe(true);
});

test("a script that is missing, or no file, is named by its URL", async () => {
  const start = (href: string) =>
    workerRunner({ href })(1, { post: async () => undefined, signal: NEVER });
  const missing = new URL("no/such/script.js", import.meta.url).href;
  await expect(start(missing)).rejects.toThrow(`worker: expected a script at ${missing}, got: `);
  await expect(start("http://localhost/script.js")).rejects.toThrow(
    /^worker: expected a script at http:\/\/localhost\/script.js, got: /,
  );
});
