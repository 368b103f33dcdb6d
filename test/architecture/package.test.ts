import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

interface Manifest {
  readonly sideEffects: readonly string[];
  readonly dependencies?: Record<string, string>;
  readonly peerDependencies?: Record<string, string>;
  readonly optionalDependencies?: Record<string, string>;
  readonly scripts: Record<string, string>;
  readonly devDependencies: Record<string, string>;
}

interface LockFile {
  readonly packages: Readonly<
    Record<string, { readonly optionalDependencies?: Readonly<Record<string, string>> }>
  >;
}

function readJson(path: string): unknown {
  return JSON.parse(readFileSync(fileURLToPath(new URL(path, import.meta.url)), "utf8"));
}

const manifest = readJson("../../package.json") as Manifest;
const lock = readJson("../../package-lock.json") as LockFile;

describe("package.json", () => {
  it("asks for nothing at run time", () => {
    const { dependencies, peerDependencies, optionalDependencies } = manifest;
    expect({ ...dependencies, ...peerDependencies, ...optionalDependencies }).toEqual({});
  });

  it("lets bundlers drop what is not used, but for the script that is run for what it does", () => {
    expect(manifest.sideEffects).toEqual(["./dist/worker.js"]);
  });

  it("runs nothing when it is installed", () => {
    const hooks = ["preinstall", "install", "postinstall", "prepare"];
    expect(hooks.filter((hook) => hook in manifest.scripts)).toEqual([]);
  });

  it("pins every tool to one version", () => {
    const ranges = Object.entries(manifest.devDependencies).filter(
      ([, version]) => !/^\d+\.\d+\.\d+$/.test(version),
    );
    expect(ranges).toEqual([]);
  });
});

describe("package-lock.json", () => {
  it("lists the binaries of every platform, without which npm ci refuses", () => {
    const locked = Object.keys(lock.packages);
    const missing = Object.entries(lock.packages).flatMap(([parent, { optionalDependencies }]) =>
      Object.keys(optionalDependencies ?? {}).filter(
        (name) =>
          !locked.includes(`node_modules/${name}`) &&
          !locked.includes(`${parent}/node_modules/${name}`),
      ),
    );
    expect(missing).toEqual([]);
  });
});
