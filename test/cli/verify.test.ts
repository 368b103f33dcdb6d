/** `espalier verify` on files, indices and directories. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { type StoredTensor, writeSafetensors } from "../../src/io/safetensors.ts";
import { ENCODER_TENSORS, espalier, temporaryDirectory, writeShards } from "./fixtures.ts";

const root = temporaryDirectory();
const path = (...parts: string[]): string => join(root, ...parts);

beforeAll(() => {
  writeFileSync(path("model.safetensors"), writeSafetensors(ENCODER_TENSORS, { format: "pt" }));
  writeShards(path("sharded"), ENCODER_TENSORS);
});

describe("espalier verify", () => {
  test("proves a pattern on the layers asked for, and says what it looked at", async () => {
    const argv = ["verify", path("model.safetensors"), "--pattern", "2:4", "--layers", "encoder"];
    const { code, out } = await espalier([...argv, "--exact", "--min-sparsity", "0.5"]);
    expect(code).toBe(0);
    expect(out).toContain("2 layers against 2:4, exactly; zero is exact\n");
    expect(out).toMatch(/^encoder\.0\.query +8x8 +16\/16 +1\.0000 +0 +32\/64 +0\.5000$/m);
    expect(out).toMatch(/^all +24\/24 +1\.0000 +0 +48\/96 +0\.5000$/m);
    expect(out).toContain("passed: every group of the judged layers obeys\n");
  });

  test("refutes it with the first violation, by layer, row and column", async () => {
    const argv = ["verify", root, "--pattern", "2:4"];
    expect((await espalier(argv)).code).toBe(0);
    const { code, out } = await espalier([...argv, "--exclude-head", "false"]);
    expect(code).toBe(1);
    expect(out).toContain(
      "FAILED: classifier, row 0, column 0: expected at least 2 zeros of 4, got 0\n",
    );
  });

  test("does not take a dense layer for one of blocks unnoticed", async () => {
    const argv = ["verify", root, "--pattern", "4x1", "--exclude-head", "false"];
    const dense = await espalier(argv);
    expect(dense.out).toMatch(/^encoder\.1\.query +4x8 +4\/8 +0\.5000 +0 /m);
    // Two rows are no block of four.
    expect(dense.out).toContain("left alone: 4x1 does not divide it: classifier.weight (16 ");
    expect(dense.code).toBe(0);
    const { code, out } = await espalier([...argv, "--min-sparsity", "0.6"]);
    expect(code).toBe(1);
    expect(out).toContain("FAILED: expected at least 14 of 24 blocks to be zero (0.6), got 12\n");
    const none = await espalier([...argv, "--layers", "classifier"]);
    expect(none.code).toBe(1);
    expect(none.out).toContain("FAILED: 4x1 has no whole block in any layer\n");
  });

  test("reads an index and its files, and gives one document as JSON", async () => {
    const argv = ["verify", path("sharded"), "--pattern", "2:4", "--layers", "encoder", "--json"];
    const { code, out } = await espalier(argv);
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({
      ...{ passed: true, faults: [], sparsity: 0.5, pattern: "2:4", violation: null },
      total: { elements: 96, zeros: 48, blocks: 24, sparseBlocks: 24, remainder: 0 },
      layers: [{ name: "encoder.0.query" }, { name: "encoder.1.query" }],
    });
  });

  test("takes no double for zero that is none, however small", async () => {
    const bytes = new Uint8Array(Float64Array.of(1e-60, -1e-60, 1, 1e300).buffer);
    const weight: StoredTensor = { dtype: "F64", shape: [1, 4], bytes };
    const file = path("doubles.safetensors");
    writeFileSync(file, writeSafetensors(new Map([["layer.weight", weight]])));
    const exact = await espalier(["verify", file, "--pattern", "2:4", "--exact"]);
    expect(exact.code).toBe(1);
    expect(exact.out).toContain("layer, row 0, column 0: expected exactly 2 zeros of 4, got 0\n");
    const within = ["verify", file, "--pattern", "2:4", "--exact", "--tolerance", "1e-60"];
    expect((await espalier(within)).code).toBe(0);
    const { out } = await espalier(["inspect", file, "--json"]);
    expect(out).toContain('"zeros":0,"nonFinite":0,"patterns":[]');
  });

  test.each([
    [["--pattern", "two:four"], /^--pattern: expected a pattern such as/],
    [[], /^--pattern: expected a pattern such as .*, got none\n$/],
    [["--pattern", "2:4", "--layers", "["], /^--layers: expected a regular expression/],
    [
      ["--pattern", "2:4", "--layers", "decoder"],
      /expected a layer to judge, got none \(classifier.weight: not matched by decoder; .*; and 2 more\)/,
    ],
    [["--pattern", "2:4", "--min-sparsity", "2"], /^--min-sparsity: expected a number/],
  ])("refuses %j", async (more, message) => {
    const { code, out, err } = await espalier(["verify", root, ...more]);
    expect({ code, out }).toEqual({ code: 2, out: "" });
    expect(err).toMatch(message);
  });

  test("refuses files that are none, cut short, or not as their index says", async () => {
    const on = async (...parts: string[]) =>
      (await espalier(["verify", path(...parts), "--pattern", "2:4"])).err;
    expect(await on("nowhere")).toMatch(/nowhere: expected a checkpoint, got nothing there\n$/);
    mkdirSync(path("empty"), { recursive: true });
    expect(await on("empty")).toMatch(
      /expected model\.safetensors\.index\.json, model\.safetensors, model\.packed\.safetensors or pytorch_model\.bin/,
    );
    writeFileSync(path("cut.safetensors"), writeSafetensors(ENCODER_TENSORS).subarray(0, -1));
    expect(await on("cut.safetensors")).toMatch(/^.*cut\.safetensors: /);
    writeFileSync(path("short.safetensors"), "abc");
    expect(await on("short.safetensors")).toMatch(
      /short\.safetensors: expected a safetensors file or one that torch.save wrote, got plain text/,
    );
    mkdirSync(path("wrong"), { recursive: true });
    const weight_map = { "a.weight": "gone.safetensors", "b.weight": "../model.safetensors" };
    const index = path("wrong", "model.safetensors.index.json");
    writeFileSync(index, JSON.stringify({ weight_map }));
    expect(await on("wrong")).toMatch(/b\.weight: expected the name of a \.safetensors file in/);
    writeFileSync(index, JSON.stringify({ weight_map: { "a.weight": "gone.safetensors" } }));
    expect(await on("wrong")).toMatch(/gone\.safetensors: expected a file that can be read/);
  });
});
