/** The commands that read classifiers take names of models in the Hugging Face cache. */
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

test("export", async () => {
  const exported = async (model: string, out: string): Promise<Buffer> => {
    const { code, err } = await espalier(["export", model, "--out", path(out)]);
    expect({ code, err }).toEqual({ code: 0, err: "" });
    return readFileSync(path(out));
  };
  const named = await exported(NAME, "a.onnx");
  expect(named.equals(await exported(path("plain"), "b.onnx"))).toBe(true);
});

test("a name that is not in the cache is refused with the command that downloads it", async () => {
  for (const [command, ...options] of [
    ["evaluate", "--data", path("rows.csv")],
    ["predict", "--data", path("rows.csv"), "--out", path("c.csv")],
    ["classify", "--file", path("rows.csv")],
    ["export", "--out", path("c.onnx")],
  ] as const) {
    expect(await espalier([command, "org/other@v2", ...options])).toEqual({
      code: 2,
      out: "",
      err:
        "MODEL: expected a directory, or a model in the Hugging Face cache, got org/other@v2 " +
        `(no such path, and no models--org--other in ${path("hub")}); ` +
        "to download it: hf download org/other --revision v2\n",
    });
  }
});
