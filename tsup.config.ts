import { defineConfig, type Options } from "tsup";

const shared: Options = {
  target: "es2022",
  platform: "neutral",
  sourcemap: false,
  clean: false,
  treeshake: true,
  splitting: true,
  removeNodeProtocol: false,
};

const entries = {
  index: "src/index.ts",
  nn: "src/nn.ts",
  sparse: "src/sparse.ts",
  io: "src/io.ts",
  checkpoint: "src/checkpoint.ts",
  calibrate: "src/calibrate.ts",
  classifier: "src/classifier.ts",
  node: "src/node.ts",
  reference: "src/reference.ts",
};

/** Gives the runtime's code for other tokenizers than BERT's a file of its own, with a name that does not change. */
const separateTokenizers: NonNullable<Options["esbuildPlugins"]>[number] = {
  name: "separate-tokenizers",
  setup: (build) => {
    build.onResolve({ filter: /tokenizer\/other-parts\.ts$/ }, ({ kind }) =>
      kind === "dynamic-import" ? { path: "./runtime-tokenizers.js", external: true } : undefined,
    );
  },
};

const config: ReturnType<typeof defineConfig> = defineConfig([
  {
    ...shared,
    // The YAML parser has a file of its own: bundlers cannot drop it from one that is used for something else.
    entry: { ...entries, yaml: "src/io/yaml.ts" },
    format: ["esm", "cjs"],
    dts: { entry: entries },
    // Without this, files import chunks of which they use nothing, and bundlers warn.
    treeshake: { moduleSideEffects: "no-external" },
    external: [/^node:/],
  },
  {
    ...shared,
    // A script that needs no other file.
    entry: ["src/worker.ts"],
    format: ["esm"],
    splitting: false,
    dts: true,
  },
  {
    ...shared,
    // One file of inference alone, which sites can copy as it is. It loads the next one for other tokenizers than BERT's.
    entry: { runtime: "src/runtime.ts" },
    format: ["esm", "cjs"],
    splitting: false,
    esbuildPlugins: [separateTokenizers],
    treeshake: { moduleSideEffects: false },
    dts: true,
  },
  {
    ...shared,
    entry: { "runtime-tokenizers": "src/io/tokenizer/other-parts.ts" },
    format: ["esm"],
    splitting: false,
    treeshake: { moduleSideEffects: false },
    dts: false,
  },
  {
    ...shared,
    entry: { cli: "src/cli/main.ts" },
    format: ["esm"],
    // Not "node": under that condition the YAML parser resolves to CommonJS, which requires at run time.
    external: [/^node:/],
    // A file of its own for what a single command loads.
    splitting: true,
    dts: false,
    banner: { js: "#!/usr/bin/env node" },
  },
  {
    ...shared,
    // What `espalier bench` loads: nothing else in the package needs it.
    entry: { bench: "bench/main.ts" },
    format: ["esm"],
    external: [/^node:/],
    splitting: false,
    dts: false,
  },
]);

export default config;
