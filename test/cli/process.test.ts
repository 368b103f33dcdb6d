/** The built command as a process of its own: worker threads, signals, and nothing but results on standard output. */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, test } from "vitest";
import { needing } from "../needs.ts";
import { type Ran, temporaryDirectory, writeModel, writeTask } from "./fixtures.ts";

const COMMAND = fileURLToPath(new URL("../../dist/cli.js", import.meta.url));
const isBuilt = existsSync(COMMAND);
if (!isBuilt) console.warn("test/cli/process.test.ts: skipped, because dist/cli.js is not built");

const root = temporaryDirectory();
const path = (...parts: string[]): string => join(root, ...parts);

/** Runs the built command; `onError` sees standard error as it comes. */
function run(
  argv: readonly string[],
  onError: (text: string, interrupt: () => void) => void = () => {},
): Promise<Ran> {
  const child = spawn(process.execPath, [COMMAND, ...argv], { cwd: root });
  let out = "";
  let err = "";
  child.stdout.on("data", (data) => {
    out += String(data);
  });
  child.stderr.on("data", (data) => {
    err += String(data);
    onError(err, () => child.kill("SIGINT"));
  });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => resolve({ code: code ?? -1, out, err }));
  });
}

function finetune(
  out: string,
  more: readonly string[] = [],
  changes: Readonly<Record<string, string>> = {},
): readonly string[] {
  const given = {
    task: "mrpc",
    data: path("data"),
    model: path("model"),
    out: path(out),
    "max-seq-length": "32",
    "dense-num-train-epochs": "2",
    // Long enough that a signal sent in the second epoch comes in time on a busy machine, too.
    "num-train-epochs": "150",
    "pruning-frequency": "1",
    seeds: "1,2",
    ...changes,
  };
  const options = Object.entries(given).flatMap(([name, value]) => [`--${name}`, value]);
  return ["finetune", ...options, ...more];
}

function digests(out: string): readonly string[] {
  const files = [
    "metrics.jsonl",
    "seed-1/sparse/model.safetensors",
    "seed-2/sparse/model.safetensors",
  ];
  return files.map((name) =>
    createHash("sha256")
      .update(readFileSync(path(out, name)))
      .digest("hex"),
  );
}

describe.skipIf(!isBuilt)(needing("a build", "the built command"), () => {
  beforeAll(async () => {
    await writeModel(path("model"));
    writeTask(path("data"));
    expect((await run(finetune("one", ["--threads", "1"]))).code).toBe(0);
  }, 120_000);

  test("runs seeds on worker threads to the same bytes", async () => {
    const { code, out, err } = await run(finetune("two", ["--threads", "2", "--json"]));
    expect(err).toContain("seed 2  sparse 4x1  epoch 150/150");
    expect(code).toBe(0);
    const events = out.trim().split("\n");
    const count = (event: string): number =>
      events.filter((line) => JSON.parse(line).event === event).length;
    // Each seed has two phases, whose final models are evaluated.
    const kinds = ["epoch", "settings", "evaluation", "result", "end"];
    expect(kinds.map(count)).toEqual([2 * 152, 1, 4, 1, 1]);
    expect(events).toHaveLength(2 * 152 + 7);
    expect(digests("two")).toEqual(digests("one"));
  });

  test("stops at SIGINT with snapshots, on workers too, and continues from them", async () => {
    for (const threads of ["1", "2"]) {
      const name = `stopped-${threads}`;
      let asked = false;
      const stopped = await run(finetune(name, ["--threads", threads]), (err, interrupt) => {
        if (!asked && err.includes("sparse 4x1  epoch 2/150")) interrupt();
        asked ||= err.includes("sparse 4x1  epoch 2/150");
      });
      expect(stopped.err).toContain("Stopping at the next step");
      expect(stopped.code).toBe(130);
      expect(stopped.out).toContain("Interrupted; --resume continues from here.");
      expect((await run(finetune(name, ["--threads", threads, "--resume"]))).code).toBe(0);
      expect(digests(name)).toEqual(digests("one"));
    }
  });

  test("runs the kernels of one seed on several threads to the same bytes", async () => {
    const changes = { seeds: "1", "num-train-epochs": "12", variant: "fma" };
    const on = (out: string, threads: string) =>
      run(finetune(out, ["--verbose", "--threads", threads], changes));
    const alone = await on("kernels-1", "1");
    expect(alone.err).toContain("threads: 1, 1 seed at once");
    const shared = await on("kernels-3", "3");
    expect(shared.err).toMatch(/kernels: fma \(.*\) passed its self-test\nthreads: 3, 1 seed/);
    expect([alone.code, shared.code]).toEqual([0, 0]);
    const model = (out: string) => readFileSync(path(out, "sparse/model.safetensors"));
    expect(Buffer.compare(model("kernels-1"), model("kernels-3"))).toBe(0);
  });

  test("tests the kernels that it is asked for", async () => {
    const { code, out } = await run(["self-test", "--variant", "fma"]);
    expect(out).toMatch(/^fma {11}passed/);
    expect(code).toBe(0);
  });

  // Where the engine has compiled what it interprets at first, on one thread and on two.
  test.each([1, 2])(
    "trains on with little on the heap and no more memory: %d thread(s)",
    async (threads) => {
      const extents = { length: 8, batch: 16, layers: 4, hidden: 64 };
      const request = JSON.stringify({ extents, threads, settles: true });
      const probe = ["--only", "memory", "--variant", "simd", "--probe", request];
      const { code, out } = await run(["bench", ...probe]);
      expect(code).toBe(0);
      const { heap, grown } = JSON.parse(out) as { heap: readonly number[]; grown: number };
      const median = [...heap].sort((a, b) => a - b)[heap.length >> 1] ?? Number.NaN;
      // 53 to 81 KiB: by the version of the engine, the threads, and how much is compiled in time on a busy machine.
      expect(median).toBeLessThan(100 * 1024);
      expect(grown).toBe(0);
    },
  );

  test("exits with 2 and one clear line for wrong input", async () => {
    const { code, out, err } = await run(["finetune", "--task", "mrpc", "--outt", "x"]);
    expect({ code, out }).toEqual({ code: 2, out: "" });
    expect(err).toBe(
      "--outt: expected an option of espalier finetune, got an unknown name (did you mean --out?)\n",
    );
  });
});
