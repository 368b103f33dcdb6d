/**
 * The built command, killed at random moments: what is there afterwards is complete or absent, and the run that follows
 * ends with the bytes of one that nobody disturbed.
 */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, test } from "vitest";
import { tensorFromFloat32, writeSafetensors } from "../../src/io/safetensors.ts";
import { needing } from "../needs.ts";
import { temporaryDirectory, writeModel, writeTask } from "./fixtures.ts";

const COMMAND = fileURLToPath(new URL("../../dist/cli.js", import.meta.url));
const isBuilt = existsSync(COMMAND);
if (!isBuilt) console.warn("test/cli/kill.test.ts: skipped, because dist/cli.js is not built");

const KILLS = Number(process.env.ESPALIER_KILLS || 2);
const root = temporaryDirectory();
const path = (...parts: string[]): string => join(root, ...parts);

/** Runs the command; kills it after so many milliseconds, if it is not done by then. Its exit code, null if killed. */
function run(argv: readonly string[], killAfter: number | null = null): Promise<number | null> {
  const child = spawn(process.execPath, [COMMAND, ...argv], { stdio: "ignore" });
  const timer = killAfter === null ? undefined : setTimeout(() => child.kill("SIGKILL"), killAfter);
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => {
      clearTimeout(timer);
      resolve(code);
    });
  });
}

/** Milliseconds that a run takes. */
async function duration(argv: readonly string[]): Promise<number> {
  const began = performance.now();
  expect(await run(argv)).toBe(0);
  return performance.now() - began;
}

/** Moments spread over a run, and a little beyond its end, in an order that looks random. */
function moments(length: number): readonly number[] {
  const golden = (Math.sqrt(5) - 1) / 2;
  return Array.from({ length: KILLS }, (_, i) => (((i + 1) * golden) % 1) * 1.05 * length);
}

function digest(file: string): string {
  return createHash("sha256").update(readFileSync(file)).digest("hex");
}

describe.skipIf(!isBuilt)(needing("a build", `the command, killed ${KILLS} times`), () => {
  beforeAll(async () => {
    await writeModel(path("model"));
    writeTask(path("data"));
  });

  test(
    "finetune continues from what it saved",
    async () => {
      const argv = (out: string): readonly string[] => [
        ...["finetune", "--task", "mrpc", "--data", path("data"), "--model", path("model")],
        ...["--max-seq-length", "32", "--dense-num-train-epochs", "2", "--num-train-epochs", "40"],
        ...["--pruning-frequency", "1", "--seed", "1", "--threads", "1", "--variant", "simd"],
        ...["--out", path(out)],
      ];
      const length = await duration(argv("whole"));
      const files = ["metrics.jsonl", "dense/model.safetensors", "sparse/model.safetensors"];
      const digests = (out: string) => files.map((file) => digest(path(out, file)));
      const expected = digests("whole");
      let [killed, resumed] = [0, 0];
      for (const moment of moments(length)) {
        if ((await run(argv("cut"), moment)) === null) killed++;
        // Without a snapshot it was killed before there was anything to continue.
        const saved = existsSync(path("cut", "snapshots", "seed-1.safetensors"));
        expect(await run([...argv("cut"), ...(saved ? ["--resume"] : [])])).toBe(0);
        if (saved) resumed++;
        expect(digests("cut")).toEqual(expected);
        rmSync(path("cut"), { recursive: true });
      }
      expect(killed).toBeGreaterThan(0);
      expect(resumed).toBeGreaterThan(0);
    },
    60_000 + KILLS * 20_000,
  );

  test(
    "prune leaves all of its copy or none",
    async () => {
      const tensors = Array.from({ length: 24 }, (_, i) => {
        const data = Float32Array.from({ length: 256 * 256 }, (_, at) => Math.sin(at * (i + 1)));
        return [`layer.${i}.weight`, tensorFromFloat32("F32", [256, 256], data)] as const;
      });
      mkdirSync(path("dense"));
      writeFileSync(path("dense", "model.safetensors"), writeSafetensors(new Map(tensors)));
      writeFileSync(path("dense", "notes.txt"), "notes");
      const argv = (out: string): readonly string[] => [
        ...["prune", path("dense"), "--pattern", "4x1", "--sparsity", "0.5", "--out", path(out)],
      ];
      const length = await duration(argv("pruned"));
      const expected = digest(path("pruned", "model.safetensors"));
      let killed = 0;
      for (const moment of moments(length)) {
        if ((await run(argv("cut"), moment)) === null) killed++;
        if (!existsSync(path("cut"))) expect(await run(argv("cut"))).toBe(0);
        expect(readdirSync(path("cut")).sort()).toEqual(["model.safetensors", "notes.txt"]);
        expect(digest(path("cut", "model.safetensors"))).toBe(expected);
        rmSync(path("cut"), { recursive: true });
      }
      expect(killed).toBeGreaterThan(0);
    },
    60_000 + KILLS * 10_000,
  );
});
