/** `espalier bench`: what it measures is the benchmarks' business, what it refuses and writes is tested here. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { describe, expect, test } from "vitest";
import { PEER_SCRIPTS } from "../../bench/benchmark.ts";
import { growth, growthRows } from "../../bench/growth.ts";
import { startPeer } from "../../bench/peers/peer.ts";
import { formatBenchTable, plotsAsSvg, tablesAsData } from "../../bench/report.ts";
import { loadBenchmarks } from "../../src/cli/bench.ts";
import { PROJECT_ROOT } from "../packaging/distribution.ts";
import { espalier, temporaryDirectory } from "./fixtures.ts";

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
    }));`);
    const peer = await startPeer(path, { pause: 30 });
    expect(peer).toMatchObject({ name: "sleeper 1.0", kinds: ["sleep"] });
    expect(await peer?.time("sleep")).toBeGreaterThan(25);
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
