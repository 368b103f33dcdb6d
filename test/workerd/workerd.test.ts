/** The runtime in workerd, which forbids compiling, with kernels that are imported statically. */
import { type ChildProcess, spawn } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadClassifier } from "../../src/run/runtime.ts";
import { espalier, temporaryDirectory } from "../cli/fixtures.ts";
import { needing } from "../needs.ts";
import { DIST, requireBuild } from "../packaging/distribution.ts";
import { labelledRows } from "../run/classifier-files.ts";
import { saveFastModel, WIDE } from "../run/fast-model.ts";

const FOLDER = fileURLToPath(new URL(".", import.meta.url));
const MODULE = join(FOLDER, "node_modules", "workerd", "lib", "main.js");
const isSkipped = !existsSync(MODULE) && process.env.ESPALIER_REQUIRE_WORKERD !== "1";
const TEXTS = labelledRows(9).map(({ text }) => text);

const CONFIG = `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [ (name = "main", worker = .worker) ],
  sockets = [ (name = "http", address = "127.0.0.1:0", http = (), service = "main") ],
);
const worker :Workerd.Worker = (
  compatibilityDate = "2025-01-01",
  modules = [
    (name = "worker", esModule = embed "worker.js"),
    (name = "espalier/runtime", esModule = embed "runtime.js"),
    (name = "espalier/kernels/simd.wasm", wasm = embed "simd.wasm"),
    (name = "model.safetensors", data = embed "model.safetensors"),
  ],
);
`;

interface Answer {
  readonly refusal: string | null;
  readonly variant: string;
  readonly results: readonly {
    readonly label: unknown;
    readonly logits: readonly number[];
    readonly probabilities: readonly number[];
  }[];
}

/** Starts the worker in `directory`. Returns its process and its port. */
async function serve(directory: string): Promise<{ server: ChildProcess; port: number }> {
  const { default: executable }: { default: string } = await import(MODULE);
  const server = spawn(executable, ["serve", "--control-fd=3", join(directory, "config.capnp")], {
    stdio: ["ignore", "inherit", "inherit", "pipe"],
  });
  return new Promise((resolve, reject) => {
    let text = "";
    server.on("error", reject);
    server.on("exit", (code) => reject(new Error(`workerd: expected a server, got exit ${code}`)));
    server.stdio[3]?.on("data", (data: Buffer) => {
      text += data.toString();
      const port = /"event":"listen","socket":"http","port":(\d+)/.exec(text)?.[1];
      if (port !== undefined) resolve({ server, port: Number(port) });
    });
  });
}

describe.skipIf(isSkipped)(needing("workerd", "the runtime in workerd"), () => {
  const root = temporaryDirectory();
  const servers: ChildProcess[] = [];

  beforeAll(async () => {
    requireBuild();
    await saveFastModel(join(root, "floats"), WIDE);
    const { code, err } = await espalier([
      ...["pack", join(root, "floats"), "--out", join(root, "bytes"), "--int8"],
    ]);
    expect({ code, err }).toMatchObject({ code: 0 });
  });

  afterAll(() => {
    for (const server of servers) server.kill();
  });

  it.each(["floats", "bytes"])(
    "has the logits of Node, bit for bit, with a model of %s",
    async (name) => {
      const site = join(root, `site-${name}`);
      const { code } = await espalier(["bundle", join(root, name), "--out", site]);
      expect(code).toBe(0);
      const directory = join(root, `worker-${name}`);
      mkdirSync(directory);
      copyFileSync(join(FOLDER, "worker.js"), join(directory, "worker.js"));
      copyFileSync(join(DIST, "runtime.js"), join(directory, "runtime.js"));
      copyFileSync(join(DIST, "kernels", "simd.wasm"), join(directory, "simd.wasm"));
      copyFileSync(join(site, "model.safetensors"), join(directory, "model.safetensors"));
      writeFileSync(join(directory, "config.capnp"), CONFIG);
      const { server, port } = await serve(directory);
      servers.push(server);
      const response = await fetch(`http://127.0.0.1:${port}/`, {
        method: "POST",
        body: JSON.stringify(TEXTS),
      });
      expect(response.status).toBe(200);
      const answer = (await response.json()) as Answer;
      expect(answer.refusal).toMatch(/^CompileError/);
      expect(answer.variant).toBe("simd");
      const classifier = await loadClassifier(
        new Uint8Array(readFileSync(join(site, "model.safetensors"))),
        { kernels: new Uint8Array(readFileSync(join(DIST, "kernels", "simd.wasm"))) },
      );
      const expected = await classifier.classify(TEXTS);
      const plain = expected.map(({ label, logits }) => ({ label, logits: Array.from(logits) }));
      expect(answer.results.map(({ label, logits }) => ({ label, logits }))).toEqual(plain);
      // Engines differ in the last bit of exp.
      answer.results.forEach(({ probabilities }, row) => {
        for (const [i, share] of probabilities.entries())
          expect(share).toBeCloseTo(expected[row]?.probabilities[i] ?? NaN, 14);
      });
    },
  );
});
