import { fileURLToPath } from "node:url";
import { defineConfig, type ViteUserConfigFnObject } from "vitest/config";

/** The path of a file or folder of the project. */
function local(path: string): string {
  return fileURLToPath(new URL(path, import.meta.url));
}

const config: ViteUserConfigFnObject = defineConfig(({ mode }) => ({
  resolve: {
    // Documentation examples import the package by its name; in tests that is the sources.
    alias: [
      { find: /^espalier\/(\w+)$/, replacement: local("./src/$1.ts") },
      { find: /^espalier$/, replacement: local("./src/index.ts") },
    ],
  },
  test: {
    include: ["test/**/*.test.ts"],
    testTimeout: 60_000,
    pool: "forks",
    reporters: ["default", local("./test/skipped-reporter.ts")],
    // The vectors in the project prove the model and joint training; a fuller set proves more.
    env: {
      ESPALIER_GOLDEN: process.env.ESPALIER_GOLDEN ?? local("./test/golden"),
      // Runs of the properties that hold pruning to its reference; by default few.
      ESPALIER_RUNS: process.env.ESPALIER_RUNS ?? (mode === "slow" ? "2000" : ""),
      // Mutated files for each reader of files: more than a million in all where they are many.
      ESPALIER_FUZZ: process.env.ESPALIER_FUZZ ?? (mode === "slow" ? "120000" : ""),
      // How often each long command is killed, to go on afterwards.
      ESPALIER_KILLS: process.env.ESPALIER_KILLS ?? (mode === "slow" ? "100" : ""),
    },
  },
}));

export default config;
