/** The commands that compute logits take names of models in the Hugging Face cache. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { cacheModel, espalier, temporaryDirectory, writeModel } from "./fixtures.ts";

const root = temporaryDirectory();
const path = (...parts: string[]): string => join(root, ...parts);
const NAME = "org/small-model";

beforeAll(async () => {
  vi.stubEnv("HF_HUB_CACHE", path("hub"));
  await writeModel(path("plain"), { id2label: { 0: "no", 1: "yes" } });
  cacheModel(path("hub"), NAME, path("plain"));
  writeFileSync(path("rows.csv"), "text,label\nthe tree,no\na wall,yes\n");
});
afterAll(() => vi.unstubAllEnvs());

test("predict and classify", async () => {
  const predicted = async (model: string, out: string): Promise<string> => {
    const options = ["--data", path("rows.csv"), "--text-column", "text", "--out", path(out)];
    const { code, err } = await espalier(["predict", model, ...options]);
    expect({ code, err }).toMatchObject({ code: 0 });
    return readFileSync(path(out), "utf8");
  };
  expect(await predicted(NAME, "a.csv")).toBe(await predicted(path("plain"), "b.csv"));
  const classified = async (model: string) => espalier(["classify", model, "--text", "a tree"]);
  expect(await classified(NAME)).toEqual(await classified(path("plain")));
});

test("evaluate states the name", async () => {
  const options = ["--data", path("rows.csv"), "--json"];
  const { code, out, err } = await espalier(["evaluate", NAME, ...options]);
  expect({ code, err }).toMatchObject({ code: 0 });
  expect(JSON.parse(out)).toMatchObject({ model: NAME, rows: 2 });
  expect(out + err).not.toContain("snapshots");
});

test("a name that is not in the cache is refused with the command that downloads it", async () => {
  for (const command of ["evaluate", "predict", "classify"]) {
    const option = command === "classify" ? "--file" : "--data";
    const out = command === "predict" ? ["--out", path("c.csv")] : [];
    const given = [command, "org/other@v2", option, path("rows.csv"), ...out];
    expect(await espalier(given)).toEqual({
      code: 2,
      out: "",
      err:
        "MODEL: expected a directory, or a model in the Hugging Face cache, got org/other@v2 " +
        `(no such path, and no models--org--other in ${path("hub")}); ` +
        "to download it: hf download org/other --revision v2\n",
    });
  }
});
