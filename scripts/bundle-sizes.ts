/**
 * Measures what bundlers make of the built package: bytes of each entry, minified and compressed by gzip. Every bundle
 * is minified by esbuild, so that only the bundlers differ. `npx tsx scripts/bundle-sizes.ts [DIRECTORY]` prints the
 * table. DIRECTORY has rollup and webpack in its node_modules. Default: bench/peers.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { gzipSync } from "node:zlib";
import * as esbuild from "esbuild";

const ROOT = resolve(import.meta.dirname, "..");
const ENTRIES = ["index", "nn", "sparse", "io", "checkpoint", "calibrate", "reference", "node"];

/** A program to bundle. */
interface Program {
  readonly name: string;
  readonly code: string;
}

/** Bundles a file of a directory and writes JavaScript modules to an empty directory. */
interface Bundler {
  readonly name: string;
  readonly bundle: (file: string, output: string) => Promise<void>;
}

/** The used part of rollup's interface. */
interface Rollup {
  readonly VERSION: string;
  readonly rollup: (options: object) => Promise<{
    readonly write: (options: object) => Promise<unknown>;
    readonly close: () => Promise<void>;
  }>;
}

/** The used part of webpack's interface. */
interface Webpack {
  (options: object, done: (error: unknown, stats?: WebpackStats) => void): unknown;
  readonly version: string;
}

interface WebpackStats {
  readonly hasErrors: () => boolean;
  readonly toString: () => string;
}

function esbuildBundler(): Bundler {
  const bundle = async (file: string, output: string): Promise<void> => {
    const options = { bundle: true, platform: "neutral", format: "esm", target: "es2022" } as const;
    await esbuild.build({
      ...options,
      entryPoints: [file],
      outdir: output,
      external: ["node:*"],
      logLevel: "error",
    });
  };
  return { name: `esbuild ${esbuild.version}`, bundle };
}

function rollupBundler({ VERSION, rollup }: Rollup): Bundler {
  const bundle = async (file: string, output: string): Promise<void> => {
    // Rollup's plugin that finds packages reads this from `sideEffects` in package.json.
    const treeshake = { moduleSideEffects: false };
    const made = await rollup({ input: file, external: /^node:/, treeshake });
    await made.write({ dir: output, format: "es" });
    await made.close();
  };
  return { name: `rollup ${VERSION}`, bundle };
}

function webpackBundler(webpack: Webpack): Bundler {
  const bundle = (file: string, output: string): Promise<void> =>
    new Promise((done, reject) => {
      const options = {
        mode: "production",
        entry: file,
        target: ["web", "es2022"],
        output: { path: output, module: true, library: { type: "module" } },
        experiments: { outputModule: true },
        externalsType: "module",
        externals: [/^node:/],
        optimization: { minimize: false },
        performance: false,
        // The code is bundled as it is, without the files that it names.
        module: { parser: { javascript: { url: false, importMeta: false, worker: false } } },
      };
      webpack(options, (error, stats) => {
        if (error !== null) return reject(error);
        if (stats?.hasErrors()) return reject(new Error(stats.toString()));
        done();
      });
    });
  return { name: `webpack ${webpack.version}`, bundle };
}

/** The bytes of a bundle's files, minified, and the same compressed. */
async function sizeOf({ code }: Program, { bundle }: Bundler): Promise<readonly number[]> {
  const directory = mkdtempSync(join(tmpdir(), "espalier-bundle-"));
  try {
    const [file, output] = [join(directory, "program.mjs"), join(directory, "out")];
    writeFileSync(file, code);
    await bundle(file, output);
    let [minified, compressed] = [0, 0];
    for (const name of readdirSync(output)) {
      const text = readFileSync(join(output, name), "utf8");
      const options = { minify: true, treeShaking: true, format: "esm", target: "es2022" } as const;
      const { code: short } = await esbuild.transform(text, options);
      minified += Buffer.byteLength(short);
      compressed += gzipSync(short, { level: 9 }).length;
    }
    return [minified, compressed];
  } finally {
    rmSync(directory, { recursive: true });
  }
}

function programs(): readonly Program[] {
  const path = (entry: string): string => JSON.stringify(join(ROOT, "dist", `${entry}.js`));
  const entries = ENTRIES.map((entry) => ({
    name: entry === "index" ? "espalier" : `espalier/${entry}`,
    code: `export * from ${path(entry)};`,
  }));
  const single = {
    name: "readSafetensors",
    code: `export { readSafetensors } from ${path("io")};`,
  };
  return [...entries, single];
}

const [directory = join(ROOT, "bench", "peers")] = process.argv.slice(2);
const load = createRequire(join(resolve(directory), "package.json"));
const bundlers = [
  esbuildBundler(),
  rollupBundler(load("rollup") as Rollup),
  webpackBundler(load("webpack") as Webpack),
];
const row = (cells: readonly string[]): void => console.log(`| ${cells.join(" | ")} |`);
row(["kB, minified / gzip", ...bundlers.map(({ name }) => name)]);
row(["---", ...bundlers.map(() => "---:")]);
for (const program of programs()) {
  const cells: string[] = [];
  for (const bundler of bundlers) {
    const sizes = await sizeOf(program, bundler);
    cells.push(sizes.map((bytes) => (bytes / 1000).toFixed(1)).join(" / "));
  }
  row([program.name, ...cells]);
}
