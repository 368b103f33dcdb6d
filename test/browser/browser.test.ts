import { execFileSync } from "node:child_process";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { needing } from "../needs.ts";
import { PROJECT_ROOT, requireBuild } from "../packaging/distribution.ts";
import { findChromium, launchChromium } from "./chromium.ts";
import { type PageServer, type POLICIES, startServer } from "./server.ts";

/** The flags with which Node 20 has relaxed SIMD. */
const RELAXED_SIMD = ["--experimental-wasm-relaxed-simd", "--no-liftoff"];
const IN_NODE = join(PROJECT_ROOT, "test", "browser", "pages", "in-node.mjs");

/** What a page shows once its program has ended. */
interface Outcome {
  readonly result?: Readonly<Record<string, unknown>>;
  readonly error?: string;
  readonly violations?: readonly string[];
  readonly policy?: { readonly refusesStrings: boolean; readonly refusesWebAssembly: boolean };
}

const executable = findChromium();
const required = process.env.ESPALIER_REQUIRE_BROWSER === "1";

/** Whether this Node takes the flags; later versions have relaxed SIMD without them. */
function accepts(flags: readonly string[]): boolean {
  try {
    execFileSync(process.execPath, [...flags, "--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

/** The program's result in Node, on the same build. */
function inNode(program: string, variant?: string): unknown {
  const flags = accepts(RELAXED_SIMD) ? RELAXED_SIMD : [];
  const tail = variant === undefined ? [] : [variant];
  const output = execFileSync(process.execPath, [...flags, IN_NODE, program, ...tail], {
    encoding: "utf8",
  });
  return JSON.parse(output);
}

const isSkipped = executable === undefined && !required;

// CHROMIUM_PATH names a Chromium that is not found by itself.
describe.skipIf(isSkipped)(needing("a Chromium", "in Chromium"), () => {
  let server: PageServer;
  let browser: Browser;

  beforeAll(async () => {
    requireBuild();
    if (executable === undefined) {
      throw new Error("no Chromium was found, and ESPALIER_REQUIRE_BROWSER=1 asks for one");
    }
    server = await startServer();
    browser = await launchChromium(executable);
  });

  afterAll(async () => {
    await browser?.close();
    await server?.close();
  });

  /** Opens a page that runs a program below a policy, and reads what it shows. */
  async function visit(
    policy: keyof typeof POLICIES,
    parameters: Record<string, string>,
  ): Promise<Outcome> {
    const page = await browser.newPage();
    try {
      const query = new URLSearchParams(parameters);
      await page.goto(`${server.origin}/${policy}/test/browser/pages/page.html?${query}`);
      const text = await page.locator("output").textContent({ timeout: 30_000 });
      return JSON.parse(text ?? "") as Outcome;
    } finally {
      await page.close();
    }
  }

  it("the core prunes under script-src 'self', as in Node", async () => {
    const outcome = await visit("strict", { program: "prune" });
    expect(outcome.error).toBeUndefined();
    expect(outcome.policy).toEqual({ refusesStrings: true, refusesWebAssembly: true });
    expect(outcome.violations).toEqual([]);
    expect(outcome.result).toEqual(inNode("prune"));
  });

  it("espalier/nn trains in WebAssembly under 'wasm-unsafe-eval', as in Node", async () => {
    const outcome = await visit("wasm", { program: "train", variant: "simd" });
    expect(outcome.error).toBeUndefined();
    expect(outcome.policy).toEqual({ refusesStrings: true, refusesWebAssembly: false });
    expect(outcome.violations).toEqual([]);
    expect(outcome.result).toEqual(inNode("train", "simd"));
    expect(outcome.result?.variant).toBe("simd");
  });

  it("espalier/nn takes the fastest kernels by itself, the same as Node", async () => {
    const outcome = await visit("wasm", { program: "train", variant: "auto" });
    expect(outcome.error).toBeUndefined();
    expect(outcome.result).toEqual(inNode("train", "auto"));
    expect(outcome.result?.variant).toBe("fma");
  });

  it("espalier/nn trains on scalar kernels where the policy refuses WebAssembly", async () => {
    const outcome = await visit("strict", { program: "train", variant: "auto" });
    expect(outcome.error).toBeUndefined();
    expect(outcome.policy).toEqual({ refusesStrings: true, refusesWebAssembly: true });
    expect(outcome.result).toEqual(inNode("train", "scalar"));
    expect(outcome.result?.variant).toBe("scalar");
  });

  it("a training step runs in a Web Worker", async () => {
    const outcome = await visit("wasm", { program: "train", variant: "simd", worker: "1" });
    expect(outcome.error).toBeUndefined();
    expect(outcome.result).toEqual(inNode("train", "simd"));
  });

  it.each([
    ["wasm", "simd"],
    ["wasm", "auto"],
    ["strict", "scalar"],
  ] as const)(
    "espalier/classifier fine-tunes on 200 rows, loads, evaluates and classifies (%s, %s)",
    async (policy, variant) => {
      const expected = inNode("classify", variant);
      for (const where of [{}, { worker: "1" }]) {
        const outcome = await visit(policy, { program: "classify", variant, ...where });
        expect(outcome.error).toBeUndefined();
        expect(outcome.violations).toEqual([]);
        expect(outcome.result).toEqual(expected);
        expect(outcome.result).toMatchObject({ steps: 100, compressed: outcome.result?.metrics });
        expect(outcome.result?.refused).toMatch(/rows\.csv\.gz: expected whole gzip data$/);
      }
    },
  );

  it.each(["simd", "auto"])(
    "kernels run on Web Workers where the page is isolated (%s)",
    async (variant) => {
      for (const where of [{}, { worker: "1" }]) {
        const outcome = await visit("isolated", { program: "train on threads", variant, ...where });
        expect(outcome.error).toBeUndefined();
        expect(outcome.violations).toEqual([]);
        expect(outcome.result).toEqual({ ...(inNode("train", variant) as object), threads: 3 });
      }
    },
  );

  it("kernels run on the page's thread alone where memory cannot be shared", async () => {
    const outcome = await visit("wasm", { program: "train on threads", variant: "simd" });
    expect(outcome.error).toBeUndefined();
    expect(outcome.result).toEqual({ ...(inNode("train", "simd") as object), threads: 1 });
  });

  it("a training step runs in a Web Worker without WebAssembly", async () => {
    const outcome = await visit("strict", { program: "train", variant: "auto", worker: "1" });
    expect(outcome.error).toBeUndefined();
    expect(outcome.result).toEqual(inNode("train", "scalar"));
  });
});
