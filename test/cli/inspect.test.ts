/** `espalier inspect` on files, indices and directories. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { tensorFromFloat32, writeSafetensors } from "../../src/io/safetensors.ts";
import { ENCODER_TENSORS, espalier, temporaryDirectory, writeShards } from "./fixtures.ts";

const root = temporaryDirectory();
const path = (...parts: string[]): string => join(root, ...parts);

beforeAll(() => {
  writeFileSync(path("model.safetensors"), writeSafetensors(ENCODER_TENSORS, { format: "pt" }));
  writeShards(path("sharded"), ENCODER_TENSORS);
});

describe("espalier inspect", () => {
  test("lists ENCODER_TENSORS, sizes, zeros and the patterns that they satisfy", async () => {
    const { code, out } = await espalier(["inspect", path("model.safetensors"), "--gzip"]);
    expect(code).toBe(0);
    expect(out).toContain("model.safetensors: format = pt\n");
    expect(out).toMatch(
      /^encoder\.0\.query\.weight +linear +out,in +BF16 +8x8 +128 +72 +2:4 +\d+ +0\.5000 +2:4, 4:8/m,
    );
    expect(out).toMatch(/^encoder\.1\.query\.weight .* 2:4, 4:8, 4x1 0\.5000, channelx1 0\.5000$/m);
    expect(out).toMatch(
      /^embeddings\.word_embeddings\.weight +embedding +F32 +9x8 +288 +288 +dense +\d+$/m,
    );
    expect(out).toContain(
      "packed bytes in the smallest layouts: 492 of 576 (0.8542), of layers 172 of 256 (0.6719)\n",
    );
    expect(out).toMatch(/^gzip bytes: \d+ of 576/m);
    expect(out).toMatch(/^zeros in the weights of layers: 48 of 112 \(0\.4286\)$/m);
  });

  test("gives a line of JSON a tensor, and one for all", async () => {
    const { code, out } = await espalier(["inspect", path("sharded"), "--json"]);
    expect(code).toBe(0);
    const events = out
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(events).toHaveLength(6);
    expect(events.at(-1)).toMatchObject({
      ...{ event: "end", layout: "sharded", tensors: 5, layers: 3, zeros: 48, elements: 112 },
      ...{ gzipBytes: null, nonFinite: 0 },
    });
    const query = events.find(({ name }) => name === "encoder.1.query.weight");
    expect(query).toMatchObject({
      ...{ role: "linear", axes: "out,in", source: "rank", dtype: "F16", zeros: 16 },
      file: "model-00002-of-00002.safetensors",
    });
    expect(query.patterns[0]).toEqual({ pattern: "2:4", sparseBlocks: 8, blocks: 8 });
  });

  test("states of a packed file the bytes that it has, of tensors without a layout too", async () => {
    const [plain, packed] = [path("half.safetensors"), path("half.packed.safetensors")];
    // A third of it is zero, but no block of 16 by 16: that layout is no smaller.
    const data = Float32Array.from({ length: 256 }, (_, i) => i % 3);
    const weight = tensorFromFloat32("F32", [16, 16], data);
    writeFileSync(plain, writeSafetensors(new Map([["fc.weight", weight]])));
    await espalier(["pack", plain, "--layouts", "16x16", "--out", packed]);
    const totals = async (file: string) => {
      const { out } = await espalier(["inspect", file, "--json"]);
      return out
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line));
    };
    expect(await totals(plain)).toMatchObject([{ packedLayout: "bitmask" }, { layout: "file" }]);
    expect(await totals(packed)).toMatchObject([
      { name: "fc.weight", packedLayout: "dense", packedBytes: 1024, bytes: 1024 },
      { event: "end", layout: "packed", bytes: 1024, packedBytes: 1024 },
    ]);
  });

  test("refuses what is no checkpoint", async () => {
    expect(await espalier(["inspect", path("nowhere")])).toMatchObject({
      ...{ code: 2, out: "" },
      err: expect.stringMatching(/expected a checkpoint, got nothing there\n$/),
    });
  });
});

describe("espalier inspect --html", () => {
  test("writes one file without references, with every layer and a mask", async () => {
    const html = path("report.html");
    const argv = ["inspect", path("sharded"), "--html", html];
    expect((await espalier(argv)).code).toBe(0);
    const page = readFileSync(html, "utf8");
    expect(page).toMatch(/^<!doctype html>/);
    expect(page).not.toMatch(/<script|https?:\/\/(?!www\.w3\.org)/);
    for (const layer of ["encoder.0.query", "encoder.1.query", "classifier"])
      expect(page).toContain(layer);
    expect(page).toContain("Mask of <code>encoder.0.query</code>");
    expect(page).toContain("packed bytes in the smallest layouts");
    const again = await espalier(argv);
    expect(again).toMatchObject({ code: 2, out: "" });
    expect(again.err).toMatch(/expected a path where nothing is yet, got one that exists/);
    expect(existsSync(html)).toBe(true);
  });
});
