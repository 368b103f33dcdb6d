/** Installs the packed package where nothing else is, and runs programs there. */
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PROJECT_ROOT, requireBuild } from "./distribution.ts";

/** Programs that use the package as its users do, shared with the browser's test. */
export const CONSUMER: string = join(PROJECT_ROOT, "test", "consumer");

/** A folder with nothing but the installed package. */
export interface Installation {
  readonly root: string;
  /** The files of the packed tarball. */
  readonly files: readonly string[];
  /** Runs `node` in the folder and gives its standard output. */
  node(...args: string[]): string;
  /** Removes the folder. */
  remove(): void;
}

function run(command: string, args: readonly string[], cwd: string): string {
  return execFileSync(command, args, {
    cwd,
    encoding: "utf8",
    env: { ...process.env, NODE_OPTIONS: "", NODE_PATH: "" },
    stdio: ["ignore", "pipe", "pipe"],
    maxBuffer: 64 * 1024 * 1024,
  });
}

/** Packs the package and says what is in the tarball. */
function pack(destination: string): { tarball: string; files: string[] } {
  const output = run(
    "npm",
    ["pack", "--json", "--ignore-scripts", "--pack-destination", destination],
    PROJECT_ROOT,
  );
  const [packed] = JSON.parse(output) as { filename: string; files: { path: string }[] }[];
  if (packed === undefined) throw new Error(`npm pack: expected a package, got ${output}`);
  return {
    tarball: join(destination, packed.filename),
    files: packed.files.map(({ path }) => path).sort(),
  };
}

/**
 * Installs the packed tarball into an empty folder, with an empty cache and no registry within reach,
 * and puts the consumer programs beside it.
 */
export function installPackage(): Installation {
  requireBuild();
  const base = mkdtempSync(join(tmpdir(), "espalier-install-"));
  const root = join(base, "consumer");
  mkdirSync(root);
  const { tarball, files } = pack(base);
  writeFileSync(join(root, "package.json"), JSON.stringify({ name: "consumer", private: true }));
  run(
    "npm",
    [
      "install",
      "--offline",
      "--ignore-scripts",
      "--no-audit",
      "--no-fund",
      "--cache",
      join(base, "cache"),
      "--registry",
      "http://127.0.0.1:9/",
      tarball,
    ],
    root,
  );
  for (const name of readdirSync(CONSUMER)) copyFileSync(join(CONSUMER, name), join(root, name));
  return {
    root,
    files,
    node: (...args) => run(process.execPath, args, root),
    remove: () => rmSync(base, { recursive: true, force: true }),
  };
}
