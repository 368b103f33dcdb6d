/** Every call that writes fails in turn: old files stay, no partial file remains, and a resume continues. */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test, vi } from "vitest";
import { tensorFromFloat32, writeSafetensors } from "../../src/io/safetensors.ts";
import { writeFileAtomically } from "../../src/node/files.ts";
import { espalier, temporaryDirectory, writeModel, writeTask } from "../cli/fixtures.ts";

/** Counts calls that write, and fails at one of them. */
const faults = vi.hoisted(() => ({ calls: 0, failing: -1 }));

vi.mock("node:fs", async (importOriginal) => {
  const fs = await importOriginal<typeof import("node:fs")>();
  const failingAt = <Arguments extends unknown[], Result>(
    call: (...given: Arguments) => Result,
  ) => {
    return (...given: Arguments): Result => {
      if (faults.calls++ === faults.failing)
        throw Object.assign(new Error("ENOSPC: no space left on device, write"), {
          code: "ENOSPC",
          syscall: "write",
        });
      return call(...given);
    };
  };
  const writeSync = fs.writeSync as (...given: unknown[]) => number;
  const openSync = fs.openSync as (...given: unknown[]) => number;
  const opening = failingAt(openSync);
  return {
    ...fs,
    writeSync: failingAt(writeSync),
    fsyncSync: failingAt(fs.fsyncSync),
    renameSync: failingAt(fs.renameSync),
    openSync: (...given: unknown[]) => (given[1] === "r" ? openSync : opening)(...given),
  };
});

// Each run would take seconds to measure its final models, which writes nothing.
vi.mock("../../src/run/final-models.ts", () => ({ measureFinals: async () => undefined }));

const root = temporaryDirectory();
const path = (...parts: string[]): string => join(root, ...parts);

/** Runs with a fault at the call of this number; whether it came to it. */
async function withFault<T>(failing: number, run: () => Promise<T>) {
  Object.assign(faults, { calls: 0, failing });
  try {
    const result = await run();
    return { result, failed: faults.calls > failing };
  } finally {
    faults.failing = -1;
  }
}

beforeAll(async () => {
  await writeModel(path("model"));
  writeTask(path("data"));
});

describe("if a write fails", () => {
  test("a file keeps what it had", async () => {
    writeFileSync(path("file"), "old");
    const before = readdirSync(root);
    let failing = 0;
    for (; ; failing++) {
      const { failed } = await withFault(failing, async () => {
        try {
          writeFileAtomically(path("file"), "new");
        } catch (error) {
          expect(String(error)).toContain(`${path("file")}: ENOSPC`);
        }
      });
      if (!failed) break;
      expect(readFileSync(path("file"), "utf8")).toBe("old");
      expect(readdirSync(root)).toEqual(before);
    }
    expect(failing).toBe(4);
    expect(readFileSync(path("file"), "utf8")).toBe("new");
  });

  test("prune removes its copy, and names it", async () => {
    const tensor = tensorFromFloat32(
      "F32",
      [4, 4],
      Float32Array.from({ length: 16 }, (_, i) => i),
    );
    const names = ["a.weight", "b.weight"];
    mkdirSync(path("dense"));
    const bytes = writeSafetensors(new Map(names.map((name) => [name, tensor])));
    writeFileSync(path("dense", "model.safetensors"), bytes);
    const before = readdirSync(root);
    const argv = ["prune", path("dense"), "--pattern", "4x1", "--sparsity", "0.5"];
    let failing = 0;
    for (; ; failing++) {
      const run = () => espalier([...argv, "--out", path("pruned")]);
      const { result, failed } = await withFault(failing, run);
      if (!failed) break;
      // The last calls make the renamed copy's entry durable.
      if (existsSync(path("pruned"))) rmSync(path("pruned"), { recursive: true });
      expect(result.code).toBe(2);
      expect(result.err).toContain(`${path("pruned")}: ENOSPC`);
      expect(readdirSync(root)).toEqual(before);
    }
    expect(failing).toBeGreaterThan(5);
    expect(existsSync(path("pruned", "model.safetensors"))).toBe(true);
  });

  test("finetune keeps its snapshot, from which a resume ends with the same bytes", async () => {
    const argv = (out: string): readonly string[] => [
      ...["finetune", "--task", "mrpc", "--data", path("data"), "--model", path("model")],
      ...["--max-seq-length", "32", "--dense-num-train-epochs", "1", "--num-train-epochs", "2"],
      ...["--cooldown-epochs", "1", "--sparsity-warm-epochs", "0", "--pruning-frequency", "1"],
      ...["--variant", "simd", "--threads", "1", "--out", path(out)],
    ];
    expect((await espalier(argv("whole"))).code).toBe(0);
    const files = ["metrics.jsonl", "dense/model.safetensors", "sparse/model.safetensors"];
    const contents = (out: string) => files.map((file) => readFileSync(path(out, file), "latin1"));
    const expected = contents("whole");
    let [tried, resumed] = [0, 0];
    for (let failing = 0; ; failing++) {
      const { result, failed } = await withFault(failing, () => espalier(argv("cut")));
      if (!failed) break;
      tried++;
      expect(result.err).toContain("ENOSPC");
      expect(result.code).toBe(2);
      const saved = existsSync(path("cut", "snapshots", "seed-42.safetensors"));
      const again = await espalier([...argv("cut"), ...(saved ? ["--resume"] : [])]);
      expect([again.code, again.err.includes("expected")]).toEqual([0, false]);
      if (saved) resumed++;
      expect(contents("cut")).toEqual(expected);
      rmSync(path("cut"), { recursive: true });
    }
    expect(tried).toBeGreaterThan(50);
    expect(resumed).toBeGreaterThan(40);
  }, 600_000);
});
