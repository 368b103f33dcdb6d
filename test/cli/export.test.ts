/** `espalier export`. */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fromBinary } from "@bufbuild/protobuf";
import { beforeAll, describe, expect, test } from "vitest";
import { ModelProtoSchema } from "../../src/onnx/onnx.generated.ts";
import { espalier, temporaryDirectory, writeModel } from "./fixtures.ts";

const root = temporaryDirectory();
const path = (...parts: string[]): string => join(root, ...parts);

beforeAll(async () => {
  await writeModel(path("model"));
});

let made = 0;
const target = (): string => path(`out-${made++}.onnx`);

async function exported(model: string, ...more: string[]) {
  const to = target();
  const ran = await espalier(["export", model, "--out", to, ...more]);
  expect(ran).toMatchObject({ code: 0, err: "" });
  return { ...ran, to, bytes: readFileSync(to) };
}

describe("espalier export", () => {
  test("writes an ONNX file, and says what it holds", async () => {
    const { to, out, bytes } = await exported(path("model"));
    expect(out).toMatch(/^inputs: input_ids, attention_mask, token_type_ids\n/);
    expect(out).toContain(`${to}: 53 nodes, ${bytes.length} bytes, in `);
    const names = fromBinary(ModelProtoSchema, bytes).graph?.initializer.map(({ name }) => name);
    expect(names).toContain("bert.encoder.layer.0.attention.self.query.weight");
  });

  test("writes smaller weights with int8, and names the largest error", async () => {
    const { out, bytes } = await exported(path("model"), "--precision", "int8");
    const { bytes: whole } = await exported(path("model"), "--precision", "float32");
    expect(bytes.length).toBeLessThan(whole.length);
    expect(out).toMatch(
      /^rounded to 8 bits: 9 weights, by at most \d\.\d\de-\d \(bert\..+\.weight\)$/m,
    );
  });

  test("writes the same file for a packed model", async () => {
    const packed = path("packed");
    const { code } = await espalier(["pack", path("model"), "--out", packed]);
    expect(code).toBe(0);
    const { bytes } = await exported(path("model"));
    expect((await exported(packed)).bytes.equals(bytes)).toBe(true);
  });

  test("writes one JSON line with --json", async () => {
    const { out, to, bytes } = await exported(path("model"), "--json", "--precision", "int8");
    const { seconds, rounded, ...document } = JSON.parse(out);
    expect(document).toEqual({
      from: path("model"),
      to,
      format: "onnx",
      precision: "int8",
      bytes: bytes.length,
      nodes: 66,
      inputs: ["input_ids", "attention_mask", "token_type_ids"],
    });
    expect(seconds).toBeGreaterThan(0);
    expect(rounded).toHaveLength(9);
    expect(out.split("\n")).toHaveLength(2);
  });

  test("rounds inputs too, to the ranges of texts", async () => {
    writeFileSync(path("rows.csv"), "text\nthe tree stands\na wall not tall\n");
    const to = target();
    const argv = ["export", path("model"), "--precision", "int8", "--calibrate", path("rows.csv")];
    const { code, err } = await espalier([...argv, "--text-column", "text", "--out", to]);
    expect({ code, err }).toEqual({
      code: 0,
      err: expect.stringContaining('columns: text "text"'),
    });
    const graph = fromBinary(ModelProtoSchema, readFileSync(to)).graph;
    const operations = graph?.node.map(({ opType }) => opType) ?? [];
    expect(operations.filter((operation) => operation === "QuantizeLinear")).toHaveLength(5);
  });

  test.each([
    [
      "calibration without int8",
      ["MODEL", "--out", "a", "--calibrate", "rows.csv"],
      "--calibrate: expected --precision int8 beside it, got none",
    ],
    [
      "options of rows without rows",
      ["MODEL", "--out", "a", "--text-column", "text"],
      "--text-column: expected --calibrate beside it, got none",
    ],
    [
      "rows that do not exist",
      ["MODEL", "--out", "a", "--precision", "int8", "--calibrate", "no-rows.csv"],
      "--calibrate: expected a file, got no-rows.csv (does not exist)",
    ],
    ["no --out", ["MODEL"], "--out: expected a path for the result, got none"],
    [
      "a directory that does not exist",
      ["MODEL", "--out", "nowhere/a.onnx"],
      "--out: expected a path in a directory that exists, got nowhere/a.onnx",
    ],
    [
      "an unknown format",
      ["MODEL", "--out", "a", "--format", "tflite"],
      '--format: expected one of onnx, got "tflite"',
    ],
    [
      "an unknown precision",
      ["MODEL", "--out", "a", "--precision", "int4"],
      '--precision: expected one of float32, int8, got "int4"',
    ],
  ])("refuses %s", async (_, argv, message) => {
    const given = argv.map((word) => (word === "MODEL" ? path("model") : word));
    const { code, err } = await espalier(["export", ...given]);
    expect({ code, err }).toEqual({ code: 2, err: `${message}\n` });
  });

  test("refuses a path at which something exists, and leaves it alone", async () => {
    const to = target();
    writeFileSync(to, "mine");
    const { code, err } = await espalier(["export", path("model"), "--out", to]);
    expect(code).toBe(2);
    expect(err).toBe(`--out: expected a path where nothing is yet, got ${to}\n`);
    expect(readFileSync(to, "utf8")).toBe("mine");
  });

  test("refuses an encoder without a head, and writes nothing", async () => {
    const headless = await writeModel(path("headless"), {}, (name) => name !== "classifier.weight");
    const before = readdirSync(root);
    const { code, err } = await espalier(["export", headless, "--out", target()]);
    expect(code).toBe(2);
    expect(err).toContain("missing: classifier.weight");
    expect(readdirSync(root)).toEqual(before);
  });
});
