import { join } from "node:path";
import { expect, test } from "vitest";
import { loadStoredClassifier } from "../../src/run/classifier.ts";
import { openClassifier } from "../../src/run/sparse-classifier.ts";
import { temporaryDirectory } from "../cli/fixtures.ts";
import { countingStorage, MISFITS, saveLargeModel } from "./unread-weights.ts";

const root = temporaryDirectory();

test.each(Object.entries(MISFITS))(
  "a model %s is refused unread",
  async (name, { save, problem }) => {
    const directory = save(join(root, name.replaceAll(" ", "-")));
    const { storage, reads } = countingStorage();
    const expected = `${directory}/${problem}`;
    await expect(openClassifier(storage, directory, undefined)).rejects.toThrow(expected);
    const start = () => Promise.reject(new Error("a backend was started"));
    await expect(loadStoredClassifier(storage, directory, {}, start)).rejects.toThrow(expected);
    expect(reads()).toBe(0);
  },
);

test("a model that fits is opened unread", async () => {
  const { storage, reads } = countingStorage();
  const open = await openClassifier(storage, saveLargeModel(join(root, "fits")), undefined);
  open.close();
  expect(reads()).toBe(0);
});
