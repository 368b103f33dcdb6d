/** `espalier bench`: what it measures is the benchmarks' business, what it refuses and writes is tested here. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { describe, expect, test } from "vitest";
import { PEER_SCRIPTS } from "../../bench/benchmark.ts";
import { checkLogits } from "../../bench/deployed-subjects.ts";
import { growth, growthRows } from "../../bench/growth.ts";
import { startPeer } from "../../bench/peers/peer.ts";
import { formatBenchTable, plotsAsSvg, tablesAsData } from "../../bench/report.ts";
import { fastTokenizer } from "../../bench/seeded-classifier.ts";
import { loadBenchmarks } from "../../src/cli/bench.ts";
import { findChromium } from "../browser/chromium.ts";
import { needing } from "../needs.ts";
import { PROJECT_ROOT } from "../packaging/distribution.ts";
import { espalier, temporaryDirectory, VOCABULARY, writeModel } from "./fixtures.ts";

describe("espalier bench", () => {
  test("refuses what it does not know, before it measures", async () => {
    expect(await espalier(["bench", "--only", "gemm,steps"])).toMatchObject({
      code: 2,
      out: "",
      err: expect.stringMatching(/^--only: expected names of step, .*, got steps\n$/),
    });
    expect((await espalier(["bench", "--rounds", "0"])).err).toMatch(/^--rounds: expected/);
    expect((await espalier(["bench", "--threads", "1,1"])).err).toMatch(/^--threads: expected/);
    const probe = ["bench", "--only", "memory", "--variant", "simd", "--probe", "{"];
    expect((await espalier(probe)).err).toBe("--probe: expected JSON, got {\n");
    const none = ["bench", "--only", "gemm", "--variant", "simd", "--probe", "{}"];
    expect((await espalier(none)).err).toMatch(/^--probe: expected --variant, and --only with/);
  });

  test("says how to build the benchmarks if they are missing", async () => {
    await expect(loadBenchmarks("/nowhere/bench.js")).rejects.toThrow(
      "/nowhere/bench.js: expected the benchmarks, which `npm run build` makes, got no file",
    );
  });

  test("writes a document of JSON, to standard output and to the directory asked for", async () => {
    const out = join(temporaryDirectory(), "results");
    const argv = ["bench", "--only", "gemm", "--variant", "simd", "--rounds", "1"];
    const ran = await espalier([...argv, "--json", "--out", out]);
    expect(ran.code).toBe(0);
    const document = JSON.parse(ran.out);
    expect(document).toMatchObject({ benchmark: "gemm", variants: ["simd"], rounds: 1 });
    expect(document.tables[0].rows).toHaveLength(20);
    for (const row of document.tables[0].rows)
      expect(row["simd, GFLOPS"].median).toBeGreaterThan(0);
    expect(readdirSync(out)).toEqual(["gemm.json"]);
    expect(JSON.parse(readFileSync(join(out, "gemm.json"), "utf8"))).toEqual(document);
  });

  test("measures the memory of a case in this process", async () => {
    const extents = { length: 4, batch: 1, layers: 1, hidden: 64 };
    const request = JSON.stringify({ extents, threads: 1, settles: false });
    const argv = ["bench", "--only", "memory", "--variant", "simd", "--probe", request];
    const { code, out } = await espalier(argv);
    expect(code).toBe(0);
    const { peak, state, tensors } = JSON.parse(out);
    // This process may have had more before.
    expect(peak).toBeGreaterThanOrEqual(0);
    // Weights, gradients and two moments of the embeddings at least.
    expect(state).toBeGreaterThan(4 * 4 * 30522 * 64);
    expect(tensors).toBeGreaterThan(state);
  });
});

describe("benchmarks of deployment", () => {
  test("refuses a model that no benchmark takes, and what is not a model", async () => {
    const refusal = async (...argv: readonly string[]): Promise<string> => {
      const { code, out, err } = await espalier(["bench", "--variant", "simd", ...argv]);
      expect([code, out]).toEqual([2, expect.not.stringContaining("forward pass")]);
      return err;
    };
    expect(await refusal("--only", "gemm", "--model", ".")).toMatch(
      /^--model: expected --only with deployment.*, got gemm\n$/,
    );
    const deployment = ["--only", "deployment"];
    expect(await refusal(...deployment, "--dense", ".")).toBe(
      "--dense: expected --model beside it, got none\n",
    );
    expect(await refusal(...deployment, "--model", "./nowhere")).toBe(
      "--model: expected a directory, got nothing: ./nowhere\n",
    );
    const empty = temporaryDirectory();
    expect(await refusal(...deployment, "--model", empty)).toContain("config.json: expected");
    const model = await writeModel(join(temporaryDirectory(), "model"));
    expect(await refusal(...deployment, "--model", model, "--dense", empty)).toContain(
      `${empty}/config.json: expected`,
    );
  });

  test("times every form of a classifier, whose logits agree", async () => {
    const pruned = await writeModel(join(temporaryDirectory(), "pruned"), {
      max_position_embeddings: 64,
    });
    const argv = ["--only", "deployment", "--variant", "simd", "--threads", "1", "--rounds", "1"];
    const ran = await espalier(["bench", ...argv, "--model", pruned, "--json"]);
    expect(ran).toMatchObject({ code: 0 });
    const [ids, idErrors, texts, textErrors] = JSON.parse(ran.out).tables;
    const batchesOf = ({ rows }: typeof ids) =>
      new Set(rows.map((row: { batch: string }) => row.batch));
    // 1x128 is longer than the model takes.
    expect(batchesOf(ids)).toEqual(new Set(["1x16", "1x32", "32x64", "32-sentences"]));
    expect(batchesOf(texts)).toEqual(new Set(["1x32", "32x64", "32-sentences"]));
    for (const { rows } of [ids, texts])
      for (const row of rows) {
        expect(row).toMatchObject({
          threads: 1,
          engine: expect.stringMatching(/^espalier .* simd$/),
        });
        expect(row.ms.median).toBeGreaterThan(0);
      }
    for (const { rows } of [idErrors, textErrors]) {
      expect(rows.map((row: { weights: string }) => row.weights)).toEqual([
        ...["dense", "pruned", "pruned, 8-bit"],
      ]);
      for (const row of rows) expect(row.error).toBeLessThan(1e-4);
    }
  });

  test("times new processes, and counts the bytes of a deployment", async () => {
    const pruned = await writeModel(join(temporaryDirectory(), "pruned"), {
      max_position_embeddings: 64,
    });
    const names = ["--only", "startup,transfer", "--variant", "simd", "--threads", "1"];
    const ran = await espalier(["bench", ...names, "--rounds", "1", "--model", pruned, "--json"]);
    expect(ran).toMatchObject({ code: 0 });
    const [startup, transfer] = ran.out
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line).tables[0]);
    expect(startup.rows).toHaveLength(3);
    for (const row of startup.rows) {
      expect(row.input).toBe("text");
      expect(row.ms.min).toBeGreaterThan(0);
      expect(row["peak, MiB"].min).toBeGreaterThan(10);
    }
    expect(transfer.rows.map((row: { deployment: string }) => row.deployment)).toEqual([
      "espalier, pruned, float16",
      "espalier, pruned, 8-bit",
    ]);
    for (const { "all, MB": all, "all without Brotli, MB": plain, ...parts } of transfer.rows) {
      const sizes = ["model", "tokenizer", "scripts"].map((part) => parts[`${part}, MB`]);
      for (const size of sizes) expect(size).toBeGreaterThan(0);
      expect(all).toBeCloseTo(
        sizes.reduce((sum, size) => sum + size, 0),
        9,
      );
      expect(all).toBeLessThan(plain);
    }
  });

  test("measures the runtime with a tokenizer.json that it reads", async () => {
    const pruned = await writeModel(join(temporaryDirectory(), "pruned"));
    const tokens = VOCABULARY.trim().split("\n");
    writeFileSync(join(pruned, "tokenizer.json"), JSON.stringify(fastTokenizer(tokens)));
    const names = ["--only", "startup,transfer", "--variant", "simd", "--threads", "1"];
    const ran = await espalier(["bench", ...names, "--rounds", "1", "--model", pruned, "--json"]);
    expect(ran).toMatchObject({ code: 0 });
    const [startup, transfer] = ran.out
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line).tables[0]);
    const subjects = startup.rows.map(({ engine, weights }: Record<string, string>) => [
      engine?.replace(/ .* /, " "),
      weights,
    ]);
    expect(subjects).toEqual([
      ["espalier simd", "dense"],
      ["espalier simd", "pruned"],
      ["espalier simd", "pruned, 8-bit"],
      ["espalier/runtime simd", "pruned"],
      ["espalier/runtime simd", "pruned, 8-bit"],
    ]);
    expect(transfer.rows.map((row: { deployment: string }) => row.deployment)).toEqual([
      "espalier/runtime, pruned, float16",
      "espalier/runtime, pruned, 8-bit",
    ]);
    for (const row of transfer.rows) expect(row["WebAssembly files, MB"]).toBeGreaterThan(0);
  });

  test.skipIf(findChromium() === undefined)(
    needing("a Chromium", "times a classifier in a page, whose logits agree"),
    async () => {
      const pruned = await writeModel(join(temporaryDirectory(), "pruned"));
      const argv = ["--only", "browser", "--variant", "simd", "--threads", "1", "--rounds", "1"];
      const ran = await espalier(["bench", ...argv, "--model", pruned, "--json"]);
      expect(ran).toMatchObject({ code: 0 });
      const [times, errors, loads] = JSON.parse(ran.out).tables;
      expect(times.rows.map((row: { batch: string }) => row.batch)).toEqual([
        ...["1x16", "1x16", "1x32", "1x32"],
      ]);
      for (const { rows } of [times, errors, loads])
        for (const row of rows) {
          expect(row.engine).toMatch(/^espalier simd, Chromium /);
          expect(row.ms?.min ?? 1).toBeGreaterThan(0);
          expect(row.error ?? 0).toBeLessThan(1e-4);
        }
    },
    60_000,
  );

  test("refuses logits beyond the tolerance before anything is timed", async () => {
    const batch = { name: "1x2", texts: ["a"], rows: [[1, 2]], padId: 0 };
    const logits = new Map([["1x2", Float32Array.of(2, -4)]]);
    const model = { directory: "", batches: [batch], logits };
    const subject = {
      ...{ engine: "engine", weights: "dense", threads: 1, model, tolerance: 1e-4 },
      start: async () => undefined,
    };
    const answering = (answer: unknown) => ({
      ...{ name: "engine 1", kinds: [], ended: Promise.resolve() },
      ...{ time: async () => 1, ask: async () => answer, stop: () => undefined },
    });
    expect(await checkLogits(subject, answering([2, -4.0002]), [batch])).toBeCloseTo(5e-5, 7);
    for (const wrong of [[2, -4.001], [2], [2, -4, 0], [2, Number.NaN], [2, null]])
      await expect(checkLogits(subject, answering(wrong), [batch])).rejects.toThrow(
        /^engine, dense: expected logits of 1x2 within 0.0001, got an error of/,
      );
  });
});

describe("peers", () => {
  /** A peer's program in JavaScript. */
  function program(body: string): string {
    const path = join(temporaryDirectory(), "peer.mjs");
    const serve = pathToFileURL(join(PROJECT_ROOT, "bench", "peers", "serve.mjs"));
    writeFileSync(path, `import { servePeer } from ${JSON.stringify(serve)};\n${body}`);
    return path;
  }

  test("say what they are, are timed, and end", async () => {
    const path = program(`await servePeer(({ pause }) => ({
      name: "sleeper 1.0",
      runs: { sleep: () => new Promise((resolve) => setTimeout(resolve, pause)) },
      answers: { answer: () => [1, "two"] },
    }));`);
    const peer = await startPeer(path, { pause: 30 });
    expect(peer).toMatchObject({ name: "sleeper 1.0", kinds: ["sleep"] });
    expect(await peer?.time("sleep")).toBeGreaterThan(25);
    // The time of a run is the mean of as many as fill 70 milliseconds.
    expect(await peer?.time("sleep 70")).toBeLessThan(70);
    expect(await peer?.ask("answer")).toEqual([1, "two"]);
    expect(await peer?.ask("peak")).toBeGreaterThan(2 ** 20);
    await expect(peer?.time("unknown")).rejects.toThrow("sleeper 1.0: the peer stopped");
    peer?.stop();
  });

  test("are left out where their engine is not installed, and not where they fail", async () => {
    const missing = program(`await servePeer(() => import("no-such-engine"));`);
    expect(await startPeer(missing, {})).toBeUndefined();
    const broken = program(`await servePeer(() => { throw new RangeError("broken"); });`);
    await expect(startPeer(broken, {})).rejects.toThrow(/ended with status 1 before it was ready/);
  });

  test("are programs of the package", () => {
    for (const script of PEER_SCRIPTS)
      expect(existsSync(join(PROJECT_ROOT, "bench", "peers", script)), script).toBe(true);
  });
});

describe("reports of benchmarks", () => {
  const table = {
    title: "A title",
    columns: [{ name: "what" }, { name: "ms", digits: 1 }, { name: "share", digits: 2 }],
    rows: [
      ["one", { median: 2, min: 1, max: 3.25 }, null],
      ["another", 4, 0.5],
    ],
  };

  test("are aligned text, and data by the columns' names", () => {
    expect(formatBenchTable(table)).toBe(
      [
        "A title",
        "what     ms                share",
        "one      2.0 (1.0 to 3.3)",
        "another  4.0               0.50",
      ].join("\n"),
    );
    expect(tablesAsData({ tables: [table], plots: [] })[0].rows).toEqual([
      { what: "one", ms: { median: 2, min: 1, max: 3.25 }, share: null },
      { what: "another", ms: 4, share: 0.5 },
    ]);
  });

  test("are a file of SVG where there are curves", () => {
    expect(plotsAsSvg({ tables: [], plots: [] })).toBeUndefined();
    const series = [{ name: "a", color: 0, points: [[1, 2] as const, [2, 4] as const] }];
    const plot = { title: "A & B", xLabel: "x", series };
    const svg = plotsAsSvg({ tables: [], plots: [plot, plot] });
    expect(svg).toMatch(/^<svg xmlns="http:\/\/www.w3.org\/2000\/svg" viewBox="0 0 560 600"/);
    // For the whole, and for each plot in its place, in itself, and as text.
    expect(svg?.match(/<title>A &amp; B; A &amp; B<\/title>/g)).toHaveLength(1);
    expect(svg?.match(/A &amp; B/g)).toHaveLength(2 + 2 * 3);
  });

  test("state by which power a cost grows", () => {
    expect(growth([2, 3], [4, 12])).toBeCloseTo(2);
    const rows = growthRows("batch", [1, 4, 16, 64], (cost) => cost);
    expect(rows.map(([, , , exponent]) => exponent)).toEqual([null, 1, 1, 1]);
  });
});
