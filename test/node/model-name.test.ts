import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { formatProblem, getOrThrow, isLeft } from "../../src/core/either.ts";
import { findModel } from "../../src/node/model-name.ts";
import { storageOf } from "../../src/node/storage.ts";
import { readModelDirectory } from "../../src/run/model-directory.ts";
import { COMMIT, cacheModel, temporaryDirectory, writeModel } from "../cli/fixtures.ts";

const root = temporaryDirectory();
const source = await writeModel(join(root, "source"));
const VARIABLES = ["HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME"];

let cache = "";
beforeEach(() => {
  cache = mkdtempSync(join(root, "cache-"));
  for (const name of VARIABLES) vi.stubEnv(name, undefined);
  vi.stubEnv("HF_HUB_CACHE", cache);
});
afterEach(() => vi.unstubAllEnvs());

/** The path of a model; null if it is refused. */
async function pathOf(name: string): Promise<string | null> {
  const found = await findModel("--model", name);
  return isLeft(found) ? null : found.right.path;
}

async function refusalOf(name: string): Promise<string> {
  const found = await findModel("--model", name);
  return isLeft(found) ? found.left.map(formatProblem).join("\n") : "";
}

describe("a name of the hub", () => {
  test("is found with and without an organisation", async () => {
    for (const name of ["google/bert-mini_uncased.L-4", "minilm"]) {
      const snapshot = cacheModel(cache, name, source);
      expect(await pathOf(name)).toBe(snapshot);
    }
  });

  test("has the revision main, or the one after @: a reference or a commit", async () => {
    const snapshot = cacheModel(cache, "org/name", source);
    const refs = join(cache, "models--org--name", "refs");
    mkdirSync(join(refs, "refs", "pr"), { recursive: true });
    for (const reference of ["v1.0", "refs/pr/3"]) writeFileSync(join(refs, reference), COMMIT);
    for (const revision of ["main", "v1.0", "refs/pr/3", COMMIT])
      expect(await pathOf(`org/name@${revision}`)).toBe(snapshot);
    const missing = await refusalOf("org/name@v2");
    expect(missing).toContain(`no refs/v2 in ${join(cache, "models--org--name")})`);
    expect(missing).toMatch(/ to download it: hf download org\/name --revision v2$/);
    rmSync(join(refs, "main"));
    expect(await refusalOf("org/name")).toContain("no refs/main in");
    expect(await pathOf(`org/name@${COMMIT}`)).toBe(snapshot);
  });

  test("gives way to a path that exists", async () => {
    cacheModel(cache, "minilm", source);
    const home = process.cwd();
    process.chdir(mkdtempSync(join(root, "work-")));
    try {
      mkdirSync("minilm");
      expect(getOrThrow(await findModel("--model", "minilm"))).toEqual({
        name: "minilm",
        path: "minilm",
        isCached: false,
      });
    } finally {
      process.chdir(home);
    }
  });

  test("that is not in the cache is refused with the command that downloads it", async () => {
    expect(await refusalOf("org/name")).toBe(
      "--model: expected a directory, or a model in the Hugging Face cache, got org/name " +
        `(no such path, and no models--org--name in ${cache}); to download it: hf download org/name`,
    );
  });

  test("never leads out of the cache", async () => {
    cacheModel(cache, "org/name", source);
    const outside = join(cache, "models--org--name", "refs", "outside");
    writeFileSync(outside, "../../../source");
    expect(await refusalOf("org/name@outside")).toContain("no snapshots/../../../source");
    const paths = ["org/name@../refs/main", "../source", "org/../name", "a/b/c", "org/name@", "."];
    for (const path of paths) expect(await pathOf(path)).toBe(path);
  });
});

test("texts that are no names are paths", async () => {
  const texts = ["./name", "/org/name", "a--b", "name.git", "model.safetensors", "", "a b", "-a"];
  for (const text of texts) expect(await pathOf(text)).toBe(text);
});

describe("an incomplete snapshot is refused by name", () => {
  const remove = (snapshot: string, file: string) => rmSync(join(snapshot, file));

  test.each<readonly [string, (snapshot: string) => void]>([
    ["no config.json", (snapshot: string) => remove(snapshot, "config.json")],
    ["no weights", (snapshot: string) => remove(snapshot, "model.safetensors")],
    [
      "vocab.txt is a link to ../../blobs/none, which does not exist",
      (snapshot: string) => {
        remove(snapshot, "vocab.txt");
        symlinkSync("../../blobs/none", join(snapshot, "vocab.txt"));
      },
    ],
    [
      "model-00002-of-00003.safetensors is a link to ../../blobs/none, which does not exist",
      (snapshot: string) =>
        symlinkSync("../../blobs/none", join(snapshot, "model-00002-of-00003.safetensors")),
    ],
    ...(["safetensors", "bin"] as const).map((extension) => {
      const [name, index] = [`b.${extension}`, extension === "bin" ? "pytorch_model" : "model"];
      const listing = `${index}.${extension}.index.json`;
      const change = (snapshot: string): void => {
        remove(snapshot, "model.safetensors");
        writeFileSync(join(snapshot, `a.${extension}`), "");
        const weight_map = { a: `a.${extension}`, b: name };
        writeFileSync(join(snapshot, listing), JSON.stringify({ weight_map }));
      };
      return [`no ${name}, which ${listing} lists,`, change] as const;
    }),
  ])("%s", async (got, change) => {
    const snapshot = cacheModel(cache, "org/name", source);
    change(snapshot);
    const refusal = await refusalOf("org/name");
    expect(refusal).toContain("--model: expected a complete snapshot of org/name");
    expect(refusal).toContain(`got ${got}`);
    expect(refusal).toContain(` in ${snapshot}; to download it: hf download org/name`);
  });

  test("but a link that is not read may lead nowhere", async () => {
    const snapshot = cacheModel(cache, "org/name", source);
    symlinkSync("../../blobs/none", join(snapshot, "tf_model.h5"));
    expect(await pathOf("org/name")).toBe(snapshot);
  });

  test("and one whose reference leads nowhere", async () => {
    const snapshot = cacheModel(cache, "org/name", source);
    rmSync(snapshot, { recursive: true });
    expect(await refusalOf("org/name")).toContain(`no snapshots/${COMMIT} in`);
  });
});

test("the directory of the cache is that of huggingface_hub", async () => {
  const places = {
    HF_HUB_CACHE: cache,
    HUGGINGFACE_HUB_CACHE: join(cache, "b"),
    HF_HOME: join(cache, "c"),
    XDG_CACHE_HOME: join(cache, "d"),
  };
  const ends = ["", "", "hub", join("huggingface", "hub")];
  for (const [name, value] of Object.entries(places)) vi.stubEnv(name, value);
  for (const [i, [name, value]] of Object.entries(places).entries()) {
    expect(await refusalOf("org/name")).toContain(` in ${join(value, ends[i] ?? "")});`);
    vi.stubEnv(name, "");
  }
  const standard = join(homedir(), ".cache", "huggingface", "hub");
  expect(await refusalOf("org/name")).toContain(` in ${standard});`);
  vi.stubEnv("HF_HOME", join("~", "models"));
  expect(await refusalOf("org/name")).toContain(` in ${join(homedir(), "models", "hub")});`);
  vi.stubEnv("HF_HUB_CACHE", `${"$"}{HF_HOME}/$NONE/a`);
  expect(await refusalOf("org/name")).toContain("$NONE/a);");
});

test("a model in the cache is read through its links, and has its name in problems", async () => {
  const snapshot = cacheModel(cache, "org/name", source);
  const storage = storageOf(getOrThrow(await findModel("--model", "org/name")));
  const model = getOrThrow(await readModelDirectory(storage, "org/name", "--model"));
  const plain = getOrThrow(await readModelDirectory(storage, source, "--model"));
  expect(model.tensors).toEqual(plain.tensors);
  expect(model.weights).toBe("org/name/model.safetensors");
  rmSync(join(snapshot, "model.safetensors"));
  copyFileSync(join(source, "config.json"), join(snapshot, "model.safetensors"));
  const refused = await readModelDirectory(storage, "org/name", "--model");
  expect(isLeft(refused) && refused.left.map(({ path }) => path)).toEqual([
    "org/name/model.safetensors",
  ]);
});

test("of two names the longer one counts", async () => {
  const whole = cacheModel(cache, "a", source);
  const longer = cacheModel(cache, "a/b", source);
  const places = await Promise.all(["a", "a/b"].map((name) => findModel("--model", name)));
  const storage = storageOf(...places.map(getOrThrow));
  rmSync(join(whole, "vocab.txt"));
  rmSync(join(longer, "config.json"));
  expect(existsSync(join(longer, "vocab.txt"))).toBe(true);
  const kinds = ["a/config.json", "a/vocab.txt", "a/b/config.json", "a/b/vocab.txt"].map((path) =>
    storage.kind(path),
  );
  expect(await Promise.all(kinds)).toEqual(["file", "nothing", "nothing", "file"]);
});
