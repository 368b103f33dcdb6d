import { expect, test } from "vitest";
import type { ExperimentSnapshot } from "../../src/experiment/experiment.ts";
import { writeSafetensors } from "../../src/io/safetensors.ts";
import { findSnapshot, openSnapshot, readSnapshot, writeSnapshot } from "../../src/run/snapshot.ts";
import { memoryStorage } from "./memory-storage.ts";

const EXPERIMENT = {
  version: 3,
  terms: {},
  phase: 1,
  training: null,
  dense: new Map([["weight", { shape: [2], data: Float32Array.of(1, 2) }]]),
  results: [],
  measured: null,
} as unknown as ExperimentSnapshot;

test("a seed's snapshot reads as it was written, with the same bytes each time", async () => {
  const storage = memoryStorage();
  const snapshot = { experiment: EXPERIMENT, history: [], models: "seed-3" };
  await writeSnapshot(storage, "run", 3, snapshot);
  const path = await findSnapshot(storage, "run", 3);
  expect(path).toBe("run/snapshots/seed-3.safetensors");
  expect(await readSnapshot(storage, path ?? "")).toEqual(snapshot);
  const before = storage.files.get(path ?? "");
  await writeSnapshot(storage, "run", 3, snapshot);
  expect(storage.files.get(path ?? "")).toEqual(before);
});

test("the folder of earlier versions is read if the new one has no snapshot of the seed", async () => {
  const storage = memoryStorage();
  expect(await findSnapshot(storage, "run", 3)).toBeUndefined();
  await storage.write("run/checkpoints/seed-3.safetensors", "former");
  expect(await findSnapshot(storage, "run", 3)).toBe("run/checkpoints/seed-3.safetensors");
  expect(await findSnapshot(storage, "run", 4)).toBeUndefined();
  await storage.write("run/snapshots/seed-3.safetensors", "new");
  expect(await findSnapshot(storage, "run", 3)).toBe("run/snapshots/seed-3.safetensors");
});

test("another or a damaged file is refused by its path", async () => {
  const storage = memoryStorage();
  await storage.write("other", writeSafetensors(new Map()));
  await storage.write("damaged", "text");
  await expect(readSnapshot(storage, "other")).rejects.toThrow(
    "other: expected the snapshot of a run, got another file",
  );
  await expect(readSnapshot(storage, "damaged")).rejects.toThrow(/^damaged: expected/);
  for (const metadata of [
    { experiment: '{"kind":', history: "[]" },
    { experiment: "{}", history: "[" },
  ]) {
    await storage.write("json", writeSafetensors(new Map(), metadata));
    await expect(openSnapshot(storage, "json")).rejects.toThrow(
      "json: expected the snapshot of a run, got damaged JSON",
    );
  }
  for (const experiment of ["null", "3", "{}", '{"state":null}']) {
    await storage.write("json", writeSafetensors(new Map(), { experiment, history: "[]" }));
    await expect(openSnapshot(storage, "json")).rejects.toThrow(
      "json: expected a snapshot of version 3, got",
    );
  }
});

test("a snapshot of an earlier version is refused by its path and version", async () => {
  const storage = memoryStorage();
  const experiment = { ...EXPERIMENT, version: 2 } as unknown as ExperimentSnapshot;
  await writeSnapshot(storage, "run", 3, { experiment, history: [], models: "" });
  const path = "run/snapshots/seed-3.safetensors";
  await expect(openSnapshot(storage, path)).rejects.toThrow(
    `${path}: expected a snapshot of version 3, got version 2`,
  );
});
