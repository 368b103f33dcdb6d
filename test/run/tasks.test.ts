import { expect, test } from "vitest";
import { runTasks, type TaskRunner } from "../../src/run/tasks.ts";

const NEVER = new AbortController().signal;

/** Posts its task, fails on request, waits to be aborted, or doubles a number. */
const runner: TaskRunner<unknown, string, unknown> = async (task, { post, signal }) => {
  await post(`started ${task}`);
  if (task === "fail") throw new Error("task failed");
  if (task !== "wait") return Number(task) * 2;
  if (!signal.aborted)
    await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
  return "aborted";
};

function run(tasks: readonly unknown[], atOnce: number, signal: AbortSignal = NEVER) {
  const messages: [number, string][] = [];
  const onMessage = async (index: number, message: string) => void messages.push([index, message]);
  return { messages, results: runTasks({ tasks, runner, atOnce, onMessage, signal }) };
}

test("results come in the order of tasks, however many run at once", async () => {
  for (const atOnce of [0, 1, 2, 8]) {
    const { messages, results } = run([1, 2, 3], atOnce);
    expect(await results).toEqual([2, 4, 6]);
    expect(messages.map(([index]) => index).sort()).toEqual([0, 1, 2]);
  }
  expect(await run([], 2).results).toEqual([]);
});

test("a failing task fails the run, stops the running ones and starts no further ones", async () => {
  const { messages, results } = run(["fail", 1, 2], 1);
  await expect(results).rejects.toThrow("task failed");
  expect(messages).toEqual([[0, "started fail"]]);
  await expect(run(["wait", "fail"], 2).results).rejects.toThrow("task failed");
});

test("an abort reaches the running tasks and starts no further ones", async () => {
  const controller = new AbortController();
  const { results } = run(["wait", 1], 1, controller.signal);
  controller.abort();
  expect(await results).toEqual(["aborted", undefined]);
  expect(await run([1], 1, AbortSignal.abort()).results).toEqual([undefined]);
});

test("a message that cannot be dealt with fails its task", async () => {
  const onMessage = () => Promise.reject(new Error("disk full"));
  const failed = runTasks({ tasks: [1], runner, atOnce: 1, onMessage, signal: NEVER });
  await expect(failed).rejects.toThrow("disk full");
});
