import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

interface Manifest {
  readonly sideEffects: boolean;
  readonly dependencies?: Record<string, string>;
  readonly peerDependencies?: Record<string, string>;
  readonly optionalDependencies?: Record<string, string>;
  readonly scripts: Record<string, string>;
  readonly devDependencies: Record<string, string>;
}

const manifest = JSON.parse(
  readFileSync(fileURLToPath(new URL("../../package.json", import.meta.url)), "utf8"),
) as Manifest;

describe("package.json", () => {
  it("asks for nothing at run time", () => {
    const { dependencies, peerDependencies, optionalDependencies } = manifest;
    expect({ ...dependencies, ...peerDependencies, ...optionalDependencies }).toEqual({});
  });

  it("lets bundlers drop what is not used", () => {
    expect(manifest.sideEffects).toBe(false);
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
