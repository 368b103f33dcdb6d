/** What a page downloads of the package: bundled as an embedder's tools do it, minified and compressed. */
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { build as esbuild } from "esbuild";
import { build, transformWithEsbuild } from "vite";
import { DIST, ENTRY_STEMS, PROJECT_ROOT } from "./distribution.ts";

/** A file that there is not: its text is the program. */
const ENTRY = join(PROJECT_ROOT, "page.js");

/** Bytes of a program, with what it imports from the built core, minified and compressed by gzip. */
export async function minifiedSize(program: string): Promise<number> {
  const output = await build({
    configFile: false,
    logLevel: "silent",
    root: PROJECT_ROOT,
    plugins: [
      {
        name: "page",
        resolveId: (id) => {
          if (id === ENTRY) return id;
          return id === "espalier" ? join(PROJECT_ROOT, "dist/index.js") : null;
        },
        load: (id) => (id === ENTRY ? program : null),
      },
    ],
    build: {
      write: false,
      target: "es2022",
      // Vite leaves the white space of libraries alone; a page's bundle has none.
      minify: false,
      lib: { entry: ENTRY, formats: ["es"], fileName: "page" },
    },
  });
  const [bundle] = [output].flat();
  if (bundle === undefined || !("output" in bundle)) throw new Error("expected a bundle");
  const code = bundle.output.map((part) => (part.type === "chunk" ? part.code : "")).join("");
  const { code: minified } = await transformWithEsbuild(code, "page.js", { minify: true });
  return gzipSync(minified, { level: 9 }).length;
}

/** Bytes of a program with what it imports from the package, bundled and minified by esbuild, and the same compressed. */
export async function esbuildSize(program: string): Promise<{ minified: number; gzip: number }> {
  const { outputFiles } = await esbuild({
    stdin: { contents: program, resolveDir: PROJECT_ROOT },
    // The package by its name, as an installed one is found.
    alias: Object.fromEntries(
      Object.entries(ENTRY_STEMS).map(([name, stem]) => [name, join(DIST, `${stem}.js`)]),
    ),
    external: ["node:*"],
    bundle: true,
    minify: true,
    write: false,
    format: "esm",
    platform: "neutral",
    target: "es2022",
    logLevel: "silent",
  });
  const [bundle] = outputFiles;
  if (bundle === undefined) throw new Error("expected a bundle");
  const { contents } = bundle;
  return { minified: contents.length, gzip: gzipSync(contents, { level: 9 }).length };
}

/** The folders of src/ with code in the bundle of a source file, in order. */
export async function bundledFolders(file: string): Promise<readonly string[]> {
  const { metafile } = await esbuild({
    entryPoints: [join(PROJECT_ROOT, file)],
    absWorkingDir: PROJECT_ROOT,
    bundle: true,
    minify: true,
    write: false,
    metafile: true,
    mainFields: ["module", "main"],
    format: "esm",
    platform: "neutral",
    target: "es2022",
    logLevel: "silent",
  });
  const inputs = Object.values(metafile.outputs).flatMap((output) => Object.entries(output.inputs));
  const folders = inputs.flatMap(([path, { bytesInOutput }]) => {
    const folder = /^src\/(.+)\/[^/]+$/.exec(path)?.[1];
    return bytesInOutput === 0 || folder === undefined ? [] : [folder];
  });
  return [...new Set(folders)].sort();
}
