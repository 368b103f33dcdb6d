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

const config: ReturnType<typeof defineConfig> = defineConfig([
  {
    ...shared,
    entry: [
      "src/index.ts",
      "src/nn.ts",
      "src/sparse.ts",
      "src/io.ts",
      "src/checkpoint.ts",
      "src/node.ts",
      "src/reference.ts",
    ],
    format: ["esm", "cjs"],
    dts: true,
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
    entry: { cli: "src/cli/main.ts" },
    format: ["esm"],
    // Not "node": under that condition the YAML parser resolves to CommonJS, which requires at run time.
    external: [/^node:/],
    splitting: false,
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
