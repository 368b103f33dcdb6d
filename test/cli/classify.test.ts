/** `espalier classify` on a model as it is, pruned and packed. */

import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { isRight } from "../../src/core/either.ts";
import {
  readSafetensorsOrThrow,
  tensorFromFloat32,
  writeSafetensors,
} from "../../src/io/safetensors.ts";
import { readModelDirectory } from "../../src/node/storage.ts";
import { espalier, temporaryDirectory, VOCABULARY, writeModel, writeTask } from "./fixtures.ts";

const root = temporaryDirectory();
const path = (...parts: string[]): string => join(root, ...parts);
const TEXTS = [
  "the tall tree grows",
  "a wall stands",
  "not green\tslowly",
  "",
  "unknown words here",
];

beforeAll(async () => {
  await writeModel(path("dense"), { id2label: { 0: "bare", 1: "green" } });
  writeTask(path("task"));
  writeFileSync(path("texts.txt"), `${TEXTS.join("\n")}\n`);
  const prune = ["prune", path("dense"), "--pattern", "4x1", "--sparsity", "0.8"];
  expect((await espalier([...prune, "--out", path("pruned")])).code).toBe(0);
  expect((await espalier(["pack", path("pruned"), "--out", path("packed")])).code).toBe(0);
  expect((await espalier(["unpack", path("packed"), "--out", path("plain")])).code).toBe(0);
});

interface Answer {
  readonly text: string;
  readonly textPair?: string;
  readonly answer: string;
  readonly class: number;
  readonly probabilities: readonly number[];
  readonly logits: readonly number[];
}

async function answers(model: string, ...more: string[]): Promise<readonly Answer[]> {
  const argv = ["classify", path(model), "--file", path("texts.txt"), "--json", ...more];
  const { code, out, err } = await espalier(argv);
  expect({ code, err }).toEqual({ code: 0, err: "" });
  const events = out
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  expect(events.at(-1)).toMatchObject({ event: "end", texts: TEXTS.length, accuracy: null });
  return events.filter(({ event }) => event === "text");
}

describe("espalier classify", () => {
  test("gives a packed model the answers of the pruned one, layer by layer as it is or not", async () => {
    const dense = await answers("pruned", "--layers", "dense", "--threads", "1");
    expect(dense.map(({ text }) => text)).toEqual(TEXTS.map((text) => text.split("\t")[0]));
    expect(dense[2]?.textPair).toBe("slowly");
    const others = await Promise.all([
      answers("pruned"),
      answers("packed"),
      answers("packed", "--layers", "dense"),
      answers("plain", "--batch-size", "2"),
      answers("packed", "--variant", "scalar"),
    ]);
    for (const other of others) {
      expect(other.map((one) => one.answer)).toEqual(dense.map((one) => one.answer));
      other.forEach(({ logits }, i) => {
        logits.forEach((logit, k) => {
          expect(Math.abs(logit - (dense[i]?.logits[k] ?? NaN))).toBeLessThan(1e-5);
        });
      });
    }
    for (const { answer, class: number, probabilities } of dense) {
      expect(answer).toBe(["bare", "green"][number]);
      expect(probabilities.reduce((sum, one) => sum + one, 0)).toBeCloseTo(1, 12);
    }
    expect(readFileSync(path("plain", "model.safetensors"))).toEqual(
      readFileSync(path("pruned", "model.safetensors")),
    );
  });

  test("prints the answer to a text, and how each layer is computed", async () => {
    const argv = ["classify", path("packed"), "--text", "the tree", "--text-pair", "a wall"];
    const { code, out } = await espalier([...argv, "--plan", "--threads", "1"]);
    expect(code).toBe(0);
    expect(out).toMatch(/^answer +share +text$/m);
    expect(out).toMatch(/^(bare|green) +0\.\d{4} +the tree \| a wall$/m);
    expect(out).toMatch(
      /^bert\.encoder\.layer\.0\.intermediate\.dense +\d+x16 +(blocks|dense|comp)/m,
    );
    // [CLS] the tree [SEP] a wall [SEP]
    expect(out).toMatch(/^costs, in nanoseconds: \{"variant":"\w+","tokens":7,/m);
  });

  test("cuts a long text to the model's 32 positions", async () => {
    const long = "tree ".repeat(100);
    const [whole, cut] = await Promise.all(
      [[], ["--max-length", "32"]].map(async (more) => {
        const argv = ["classify", path("dense"), "--text", long, "--json", "--plan", ...more];
        const { code, out, err } = await espalier([...argv, "--variant", "simd"]);
        expect({ code, err }).toEqual({ code: 0, err: "" });
        return out
          .trim()
          .split("\n")
          .map((line) => JSON.parse(line));
      }),
    );
    const find = (events: typeof whole, event: string) =>
      events?.find((one) => one.event === event);
    expect(find(whole, "plan").costs.tokens).toBe(32);
    expect(find(whole, "text").logits).toHaveLength(2);
    expect(find(whole, "text").logits).toEqual(
      find(cut, "text").logits.map((logit: number) => expect.closeTo(logit, 5)),
    );
  });

  test("states accuracy and F1 on a file of the task, the same for the packed model", async () => {
    const argv = ["--task", "mrpc", "--file", path("task", "dev.tsv")];
    const outputs = await Promise.all(
      ["pruned", "packed"].map(async (model) => {
        const { code, out } = await espalier(["classify", path(model), ...argv]);
        expect(code).toBe(0);
        expect(out).toMatch(/^12 rows in \d+\.\d s, /m);
        return out.slice(0, out.indexOf("12 rows in"));
      }),
    );
    expect(outputs[0]).toMatch(/^accuracy +0\.\d{4}$/m);
    expect(outputs[0]).toMatch(/^F1 +0\.\d{4}$/m);
    expect(outputs[1]).toBe(outputs[0]);
  });

  test.each<[string, readonly string[], RegExp]>([
    ["dense", [], /^--text, --file: expected one of them, got neither\n$/],
    ["dense", ["--text", "a", "--file", "b"], /^--text, --file: expected one of them, got both\n$/],
    ["dense", ["--text-pair", "a", "--file", "b"], /^--text-pair: expected --text before it/],
    ["dense", ["--text", "a", "--out", "b.csv"], /^--out: expected --file beside it, got --text/],
    ["dense", ["--text", "a", "--task", "mrpc"], /^--task: expected a --file in the task's format/],
    [
      "dense",
      ["--text", "a", "--max-length", "99"],
      /^--max-length: expected at most .* 32, got 99/,
    ],
    [
      "nowhere",
      ["--text", "a"],
      /^MODEL: expected a directory, got .*nowhere \(does not exist\)\n$/,
    ],
    [
      "task",
      ["--text", "a"],
      /config\.json: expected this file, got none\n.*: expected model\.safetensors.* got none of them\n.*tokenizer\.json, vocab\.txt: expected one of these files, got neither\n$/,
    ],
  ])("refuses on %s: %j", async (model, more, message) => {
    const { code, out, err } = await espalier(["classify", path(model), ...more]);
    expect({ code, out }).toEqual({ code: 2, out: "" });
    expect(err).toMatch(message);
  });

  test("refuses a file that is none, or no text, and names it", async () => {
    const file = path("latin.txt");
    writeFileSync(file, Uint8Array.of(0x68, 0xe9, 0x0a));
    const latin = await espalier(["classify", path("dense"), "--file", file]);
    expect(latin).toMatchObject({ code: 2, out: "" });
    expect(latin.err).toBe(`${file}:1: expected UTF-8 text, got the byte E9\n`);
    const none = await espalier(["classify", path("dense"), "--file", root]);
    expect(none.err).toBe(`--file: expected a file, got ${root} (is a directory)\n`);
  });

  test("refuses weights that do not fit, all of them, and answers that are none", async () => {
    await writeModel(path("narrow"));
    const config = path("narrow", "config.json");
    const settings = JSON.parse(readFileSync(config, "utf8"));
    writeFileSync(config, JSON.stringify({ ...settings, hidden_size: 8 }));
    const narrow = await espalier(["classify", path("narrow"), "--text", "a"]);
    expect(narrow).toMatchObject({ code: 2, out: "" });
    expect(narrow.err).toMatch(
      /classifier\.weight: expected a tensor of shape \[2, 8\], got \[2, 16\]$/m,
    );
    expect(narrow.err.split("\n").length).toBeGreaterThan(10);

    await writeModel(path("broken"));
    const weights = path("broken", "model.safetensors");
    const { tensors, metadata } = readSafetensorsOrThrow(readFileSync(weights));
    const bias = tensorFromFloat32("F32", [2], Float32Array.of(0, NaN));
    const changed = new Map([...tensors, ["classifier.bias", bias]]);
    writeFileSync(weights, writeSafetensors(changed, metadata));
    const broken = await espalier(["classify", path("broken"), "--text", "a", "--json"]);
    expect(broken).toMatchObject({ code: 2, out: "" });
    expect(broken.err).toBe("text 1: expected logits that are finite, got NaN\n");
  });

  test("says what is not used, on standard error alone, and reads wrapped names", async () => {
    await writeModel(path("deep"), { num_hidden_layers: 2 });
    const config = JSON.parse(readFileSync(path("deep", "config.json"), "utf8"));
    writeFileSync(path("deep", "config.json"), JSON.stringify({ ...config, num_hidden_layers: 1 }));
    const argv = ["--file", path("texts.txt"), "--json", "--variant", "scalar"];
    const { code, out, err } = await espalier(["classify", path("deep"), ...argv]);
    expect(code).toBe(0);
    expect(err).toMatch(
      /^.*deep: not used: 16 tensors \(bert\.encoder\.layer\.1\..* and 13 more\)\n$/,
    );
    const events = out.trim().split("\n");
    expect(events.map((line) => JSON.parse(line).event)).toEqual([
      ...TEXTS.map(() => "text"),
      "end",
    ]);

    await writeModel(path("wrapped"), { id2label: { 0: "bare", 1: "green" } });
    const weights = path("wrapped", "model.safetensors");
    const { tensors, metadata } = readSafetensorsOrThrow(readFileSync(weights));
    const wrapped = [...tensors].map(([name, tensor]) => [`module.${name}`, tensor] as const);
    writeFileSync(weights, writeSafetensors(new Map(wrapped), metadata));
    const more = ["--layers", "dense", "--variant", "scalar"];
    expect(await answers("wrapped", ...more)).toEqual(await answers("dense", ...more));
  });

  test("refuses pairs for a model of one token type, and names the option", async () => {
    await writeModel(path("single"), { type_vocab_size: 1 });
    const expected = "expected a model of at least 2 token types for pairs of texts";
    const got = `got type_vocab_size 1 in ${path("single", "config.json")}`;
    const classify = (...argv: string[]) => espalier(["classify", path("single"), ...argv]);
    expect(await classify("--text", "a", "--text-pair", "b")).toEqual({
      code: 2,
      out: "",
      err: `--text-pair: ${expected}, ${got}\n`,
    });
    expect(await classify("--file", path("texts.txt"))).toMatchObject({
      code: 2,
      err: `--file: ${expected}, ${got}\n`,
    });
    expect((await classify("--text", "a")).code).toBe(0);
  });

  test("refuses a line of three texts, and names a setting's file", async () => {
    const file = path("three.txt");
    writeFileSync(file, "one\ntwo\tmore\na\tb\tc\n");
    const { code, err } = await espalier(["classify", path("dense"), "--file", file]);
    expect({ code, err }).toEqual({
      code: 2,
      err: `${file}:3: expected a text, or two with a tab between them, got more\n`,
    });
    await writeModel(path("unset"));
    const settings = JSON.parse(readFileSync(path("unset", "config.json"), "utf8"));
    writeFileSync(path("unset", "config.json"), JSON.stringify({ ...settings, hidden_size: "x" }));
    const wrong = await espalier(["classify", path("unset"), "--text", "a"]);
    expect(wrong.code).toBe(2);
    expect(wrong.err).toContain(`${path("unset", "config.json")}: hidden_size: expected`);
    const read = await readModelDirectory(path("unset"));
    if (isRight(read)) throw new Error("expected a problem");
    expect(read.left[0]?.path).toBe(`${path("unset", "config.json")}: hidden_size`);
  });

  test("lists the values of a regression, for which a task of classes is refused", async () => {
    await writeModel(path("regression"), { num_labels: 1 });
    const classify = (...argv: string[]) => espalier(["classify", path("regression"), ...argv]);
    const { code, out } = await classify("--text", "a tree", "--text-pair", "a wall");
    expect(code).toBe(0);
    expect(out).toMatch(/^value +text$/m);
    expect(out).toMatch(/^-?\d+\.\d{4} +a tree \| a wall$/m);
    const file = await classify("--file", path("texts.txt"));
    expect(file).toMatchObject({ code: 0, err: "" });
    expect(file.out).toMatch(/^value\n(-?\d+(\.\d+)?(e-\d+)?\n){5}$/);
    const task = await classify("--task", "mrpc", "--file", path("task", "dev.tsv"));
    expect(task).toMatchObject({ code: 2, out: "" });
    expect(task.err).toMatch(
      /^--task: expected a task for the model, whose problem type is regression/,
    );
  });

  test("gives a file the predictions of predict, on standard output or in a file", async () => {
    const [printed, [packed, out, other]] = [
      await espalier(["classify", path("packed"), "--file", path("texts.txt")]),
      [path("packed"), path("classified.csv"), path("predicted.csv")] as const,
    ];
    expect(printed).toMatchObject({ code: 0, err: "" });
    const file = ["--file", path("texts.txt"), "--out", out];
    expect((await espalier(["classify", packed, ...file])).code).toBe(0);
    const data = ["--data", path("texts.txt"), "--out", other];
    expect((await espalier(["predict", packed, ...data])).code).toBe(0);
    const text = readFileSync(other, "utf8");
    expect(text).toMatch(/^label,probability_bare,probability_green\n/);
    expect(text.split("\n")).toHaveLength(TEXTS.length + 2);
    expect(readFileSync(out, "utf8")).toBe(text);
    expect(printed.out).toBe(text);
  });

  test("reads a pipe", async () => {
    const pipe = path("pipe");
    execFileSync("mkfifo", [pipe]);
    const argv = ["classify", path("dense"), "--file", pipe, "--threads", "1"];
    const [piped] = await Promise.all([espalier(argv), writeFile(pipe, TEXTS.join("\n"))]);
    const plain = await espalier([
      "classify",
      path("dense"),
      "--file",
      path("texts.txt"),
      "--threads",
      "1",
    ]);
    expect(piped).toMatchObject({ code: 0, err: "" });
    expect(piped.out).toBe(plain.out);
  });

  test("refuses a model whose vocabulary or tensors do not fit", async () => {
    await writeModel(path("short"), {}, (name) => name !== "classifier.weight");
    const missing = await espalier(["classify", path("short"), "--text", "a"]);
    expect(missing.code).toBe(2);
    expect(missing.err).toMatch(
      /model\.safetensors: expected all 25 tensors of a bert classifier, got 24; missing: classifier\.weight\n$/,
    );
    const config = JSON.parse(readFileSync(path("dense", "config.json"), "utf8"));
    await writeModel(path("unlike"));
    writeFileSync(
      path("unlike", "config.json"),
      JSON.stringify({ ...config, model_type: "distilbert" }),
    );
    const unlike = await espalier(["classify", path("unlike"), "--text", "a"]);
    expect({ code: unlike.code, out: unlike.out }).toEqual({ code: 2, out: "" });
    expect(unlike.err).toMatch(
      /^.*model\.safetensors: expected tensors of a distilbert classifier, such as distilbert\.\S+, got \d+ tensors \(.* and \d+ more\)\n$/,
    );
    await writeModel(path("words"));
    writeFileSync(path("words", "vocab.txt"), `${VOCABULARY}more\n`);
    const words = await espalier(["classify", path("words"), "--text", "a"]);
    expect(words.code).toBe(2);
    expect(words.err).toMatch(/vocab\.txt: expected at most the 21 tokens of the model, got 22\n$/);
  });

  test("with --task it takes --min, as evaluate does", async () => {
    const file = ["--file", path("task", "dev.tsv")];
    const argv = ["classify", path("dense"), ...file, "--task", "mrpc", "--min"];
    expect(await espalier([...argv, "accuracy=0"])).toMatchObject({ code: 0, err: "" });
    expect(await espalier([...argv, "accuracy=1,f1=1"])).toMatchObject({
      code: 1,
      err: expect.stringMatching(/^accuracy: expected at least 1, got /m),
    });
    const alone = ["classify", path("dense"), "--text", "a tree", "--min", "accuracy=0.5"];
    expect(await espalier(alone)).toMatchObject({
      code: 2,
      err: "--min: expected --task beside it, got none\n",
    });
  });

  test.each([
    ["--text-column", "text"],
    ["--text-pair-column", "text"],
    ["--label-column", "kind"],
    ["--label-separator", ","],
    ["--skip-bad-rows"],
  ])("refuses %s for one text", async (...option) => {
    const { code, err } = await espalier(["classify", path("dense"), "--text", "a", ...option]);
    expect({ code, err }).toEqual({
      code: 2,
      err: `${option[0]}: expected --file beside it, got --text\n`,
    });
  });
});
