import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import Papa from "papaparse";
import { beforeAll, describe, expect, test } from "vitest";
import { espalier, type Ran, temporaryDirectory, writeModel } from "./fixtures.ts";

const root = temporaryDirectory();
const path = (...parts: string[]): string => join(root, ...parts);

const NAMES = ['say "green"', "tall, old", "bare"];
const TEXTS = [
  "the tall tree grows",
  "a wall, stands",
  'not "green"\nslowly',
  "",
  "the old vine bears fruit well the tree stands tall",
];
const WORDS = ["tree", "wall", "vine", "the", "a", "grows", "slowly", "old", "not", "green"];
/** More rows than a window has, of mixed lengths. */
const MANY = Array.from({ length: 300 }, (_, i) =>
  Array.from({ length: 1 + ((i * 7) % 20) }, (_, k) => WORDS[(i * 3 + k * k) % WORDS.length]).join(
    " ",
  ),
);

const quoted = (text: string): string => `"${text.replaceAll('"', '""')}"`;
const csv = (texts: readonly string[]): string =>
  `id,text\n${texts.map((text, i) => `${i},${quoted(text)}\n`).join("")}`;

beforeAll(async () => {
  const names = Object.fromEntries(NAMES.map((name, i) => [i, name]));
  await writeModel(path("single"), { id2label: names });
  await writeModel(path("multi"), {
    id2label: names,
    problem_type: "multi_label_classification",
  });
  await writeModel(path("regression"), { num_labels: 1 });
  writeFileSync(path("rows.csv"), csv(TEXTS));
  writeFileSync(path("many.csv"), csv(MANY));
  const lines = TEXTS.map((text) => JSON.stringify({ text }));
  writeFileSync(path("rows.jsonl"), `${lines.join("\n")}\n`);
  const prune = ["prune", path("single"), "--pattern", "4x1", "--sparsity", "0.8"];
  expect((await espalier([...prune, "--out", path("pruned")])).code).toBe(0);
  expect((await espalier(["pack", path("pruned"), "--out", path("packed")])).code).toBe(0);
});

function predict(model: string, data: string, ...more: string[]): Promise<Ran> {
  const columns = data.endsWith(".csv") ? ["--text-column", "text"] : [];
  return espalier(["predict", path(model), "--data", path(data), ...columns, ...more]);
}

let count = 0;

/** The records of the CSV that a model predicts. */
async function predicted(
  model: string,
  data: string,
  ...more: string[]
): Promise<readonly string[][]> {
  const out = path(`predicted-${count++}.csv`);
  const { code, err } = await predict(model, data, "--out", out, ...more);
  expect({ code, err }).toEqual({ code: 0, err: 'columns: text "text"\n' });
  const text = readFileSync(out, "utf8");
  expect(text.endsWith("\n")).toBe(true);
  return Papa.parse<string[]>(text.slice(0, -1)).data;
}

describe("espalier predict", () => {
  test("writes labels and probabilities as CSV", async () => {
    const [header, ...rows] = await predicted("single", "rows.csv");
    expect(header).toEqual(["label", ...NAMES.map((name) => `probability_${name}`)]);
    expect(rows).toHaveLength(TEXTS.length);
    for (const [label = "", ...probabilities] of rows) {
      const numbers = probabilities.map(Number);
      expect(numbers.reduce((sum, each) => sum + each, 0)).toBeCloseTo(1, 5);
      expect(label).toBe(NAMES[numbers.indexOf(Math.max(...numbers))]);
    }
  });

  test("gives the rows of JSON Lines the same, as JSON Lines", async () => {
    const [, ...rows] = await predicted("single", "rows.csv");
    const out = path("predicted.jsonl");
    const { code, out: printed } = await predict("single", "rows.jsonl", "--out", out, "--json");
    expect(code).toBe(0);
    expect(JSON.parse(printed)).toMatchObject({ out, rows: TEXTS.length, skipped: 0 });
    const lines = readFileSync(out, "utf8").trimEnd().split("\n");
    expect(lines.map((line) => JSON.parse(line))).toEqual(
      rows.map(([label, ...probabilities]) => ({
        label,
        probabilities: Object.fromEntries(NAMES.map((name, i) => [name, Number(probabilities[i])])),
      })),
    );
  });

  test("keeps the order of rows over many windows, for any batch size", async () => {
    const small = await predicted("single", "many.csv", "--batch-size", "1", "--threads", "1");
    const large = await predicted("single", "many.csv", "--batch-size", "100");
    expect(small).toHaveLength(MANY.length + 1);
    expect(large.map(([label]) => label)).toEqual(small.map(([label]) => label));
    large.forEach((record, i) => {
      record.slice(1).forEach((value, k) => {
        if (i > 0) expect(Number(value)).toBeCloseTo(Number(small[i]?.[k + 1]), 5);
      });
    });
  });

  test("gives a packed model the labels of the pruned one", async () => {
    const pruned = await predicted("pruned", "many.csv", "--layers", "dense");
    const packed = await predicted("packed", "many.csv");
    expect(packed.map(([label]) => label)).toEqual(pruned.map(([label]) => label));
  });

  test("writes the labels above the threshold, and every probability", async () => {
    const [header, ...all] = await predicted("multi", "many.csv");
    expect(header).toEqual(["labels", ...NAMES.map((name) => `probability_${name}`)]);
    const middle = all.map(([, first]) => first ?? "").toSorted()[all.length / 2] ?? "";
    const [, ...rows] = await predicted("multi", "many.csv", "--threshold", middle);
    const counts = rows.map(([labels = "", ...probabilities]) => {
      const above = NAMES.filter((_, i) => Number(probabilities[i]) > Number(middle));
      // The probability in the middle is rounded.
      if (!probabilities.includes(middle)) expect(JSON.parse(labels)).toEqual(above);
      return above.length;
    });
    expect(new Set(counts).size).toBeGreaterThan(1);
    const separated = ["--threshold", middle, "--label-separator", "|"];
    const [, ...others] = await predicted("multi", "many.csv", ...separated);
    expect(others.map(([labels]) => labels)).toEqual(
      rows.map(([labels = ""]) => JSON.parse(labels).join("|")),
    );
    await writeModel(path("stored"), {
      id2label: Object.fromEntries(NAMES.map((name, i) => [i, name])),
      problem_type: "multi_label_classification",
      espalier_rows: {
        ...{ text_column: "text", text_pair_column: null },
        ...{ label_column: "labels", label_separator: "|" },
      },
    });
    expect(await predicted("stored", "many.csv", "--threshold", middle)).toEqual([
      expect.anything(),
      ...others,
    ]);
    const out = path("comma.csv");
    const comma = ["--label-separator", ",", "--out", out];
    const { code, err } = await predict("multi", "rows.csv", ...comma);
    expect({ code, err }).toEqual({
      code: 2,
      err: 'columns: text "text"\n--label-separator: expected a character that no label of the model has, got tall, old\n',
    });
    expect(existsSync(out)).toBe(false);
  });

  test("writes the value of regression", async () => {
    const [header, ...rows] = await predicted("regression", "rows.csv");
    expect(header).toEqual(["value"]);
    expect(
      rows.every(([value, ...more]) => Number.isFinite(Number(value)) && more.length === 0),
    ).toBe(true);
    const out = path("values.jsonl");
    expect((await predict("regression", "rows.csv", "--out", out)).code).toBe(0);
    const values = readFileSync(out, "utf8").trimEnd().split("\n");
    expect(values).toEqual(rows.map(([value]) => `{"value":${value}}`));
  });

  test("compresses, and reads lines of text", async () => {
    writeFileSync(path("texts"), "the tall tree grows\nold\tvine\n");
    const out = path("texts.csv.gz");
    const { code } = await predict("single", "texts", "--out", out);
    expect(code).toBe(0);
    const text = gunzipSync(readFileSync(out)).toString();
    const [, first] = Papa.parse<string[]>(text).data;
    expect(first).toEqual((await predicted("single", "rows.csv"))[1]);
    expect(text.trimEnd().split("\n")).toHaveLength(3);
  });

  test("passes over bad rows if asked to, and states the lines of the others", async () => {
    writeFileSync(path("ragged.csv"), "text\na\nb,c\nd\n");
    const out = path("ragged-out.csv");
    const refused = await predict("single", "ragged.csv", "--out", out);
    expect(refused).toMatchObject({ code: 2, out: "" });
    expect(refused.err).toBe(`${path("ragged.csv")}:3: expected 1 fields, got 2\n`);
    expect(existsSync(out)).toBe(false);
    const { code, err } = await predict("single", "ragged.csv", "--out", out, "--skip-bad-rows");
    expect(code).toBe(0);
    expect(err).toContain(`${path("ragged.csv")}: skipped 1 row\n`);
    const [header, ...rows] = Papa.parse<string[]>(readFileSync(out, "utf8").trimEnd()).data;
    expect(header?.[0]).toBe("line");
    expect(rows.map(([line]) => line)).toEqual(["2", "4"]);
  });
});

describe("wrong input is refused before work, and nothing is written", () => {
  const files: Readonly<Record<string, string | Uint8Array>> = {
    "no-text.csv": "label\na\n",
    "empty.csv": "",
    "header.csv": "text\n",
    "open.csv": 'text\n"a\n',
    "latin.csv": Uint8Array.of(0x74, 0x0a, 0x61, 0x0a, 0xe9, 0x0a),
    "broken.csv.gz": Uint8Array.of(0x1f, 0x8b, 8, 0, 0),
    "numbers.jsonl": '{"text":"a"}\n{"text":1}\n',
  };
  beforeAll(() => {
    for (const [name, content] of Object.entries(files)) writeFileSync(path(name), content);
    writeFileSync(path("there.csv"), "");
    mkdirSync(path("folder"));
  });

  test.each<[string, readonly string[], RegExp]>([
    [
      "no-text.csv",
      [],
      /no-text\.csv:1, column "text": expected a column text, got label; --text-column names another\n$/,
    ],
    ["empty.csv", [], /empty\.csv: expected rows, got none\n$/],
    ["header.csv", [], /header\.csv: expected rows, got none\n$/],
    ["open.csv", [], /open\.csv:2: expected a closing quotation mark, got end of file\n$/],
    ["latin.csv", [], /latin\.csv:3: expected UTF-8 text, got the byte E9\n$/],
    ["broken.csv.gz", [], /broken\.csv\.gz: expected whole gzip data, got /],
    ["numbers.jsonl", [], /numbers\.jsonl:2, column "text": expected a string, got a number\n$/],
    [
      "rows.csv",
      ["--text-column", "missing"],
      /rows\.csv:1, column "missing": expected a column missing, got id, text; --text-column names another\n$/,
    ],
    [
      "rows.csv",
      ["--threshold", "0.4"],
      /^--threshold: expected a model of several labels a row, got single_label_classification\n$/,
    ],
    [
      "rows.csv",
      ["--label-separator", "||"],
      /^--label-separator: expected one character, got "\|\|"\n$/,
    ],
    [
      "rows.csv",
      ["--max-length", "33"],
      /^--max-length: expected at most the model's 32, got 33\n$/,
    ],
    ["absent.csv", [], /^--data: expected a file, got .*absent\.csv \(does not exist\)\n$/],
    ["folder", [], /^--data: expected a file, got .*folder \(is a directory\)\n$/],
  ])("%s %j", async (data, more, message) => {
    const before = readdirSync(root);
    const columns = more.includes("--text-column") ? [] : ["--text-column", "text"];
    const given = data.includes(".csv") ? [...columns, ...more] : more;
    const argv = ["predict", path("single"), "--data", path(data), "--out", path("out.csv")];
    const { code, out, err } = await espalier([...argv, ...given]);
    expect({ code, out }).toEqual({ code: 2, out: "" });
    expect(err).toMatch(message);
    expect(readdirSync(root)).toEqual(before);
  });

  test.each<[string | undefined, RegExp]>([
    [
      undefined,
      /^--out: expected a path that ends with \.csv or \.jsonl, and \.gz to compress, got none\n$/,
    ],
    ["out.json", /^--out: expected a path that ends with \.csv or \.jsonl, .* got .*out\.json\n$/],
    ["there.csv", /^--out: expected a path where nothing is yet, got .*there\.csv\n$/],
    [
      "nowhere/out.csv",
      /^--out: expected a path in a directory that exists, got .*nowhere\/out\.csv\n$/,
    ],
  ])("--out %s", async (out, message) => {
    const given = out === undefined ? [] : ["--out", path(out)];
    const ran = await predict("single", "rows.csv", ...given);
    expect(ran).toMatchObject({ code: 2, out: "" });
    expect(ran.err).toMatch(message);
    expect(readFileSync(path("there.csv"), "utf8")).toBe("");
  });

  test("an interruption leaves nothing", async () => {
    const controller = new AbortController();
    const before = readdirSync(root);
    const argv = ["predict", path("single"), "--data", path("many.csv"), "--text-column", "text"];
    setTimeout(() => controller.abort(), 5);
    const more = ["--out", path("cut.csv"), "--batch-size", "1", "--threads", "1"];
    const { code } = await espalier([...argv, ...more], controller.signal);
    expect(code).toBe(130);
    expect(readdirSync(root)).toEqual(before);
  });
});
