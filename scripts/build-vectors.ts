/** Writes the project's own golden vectors, the `strict` family, and the manifest of all vectors. */
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "vite";
import { manifestText } from "./vector-manifest.ts";

const ROOT = fileURLToPath(new URL("../test/golden", import.meta.url));

/** A script as one module: Node alone finds no named exports in ndarray-ops, which the reference uses. */
async function bundled(script: string): Promise<unknown> {
  const result = await build({
    configFile: false,
    logLevel: "warn",
    build: { ssr: fileURLToPath(new URL(script, import.meta.url)), write: false, target: "es2022" },
    ssr: { noExternal: true },
  });
  const [output] = Array.isArray(result) ? result : [result];
  if (output === undefined || !("output" in output))
    throw new Error(`${script}: expected a bundle`);
  const code = Buffer.from(output.output[0].code).toString("base64");
  return import(`data:text/javascript;base64,${code}`);
}

const { strictFiles } = (await bundled(
  "strict-vectors.ts",
)) as typeof import("./strict-vectors.ts");
rmSync(join(ROOT, "strict"), { recursive: true, force: true });
for (const [name, bytes] of strictFiles()) {
  const file = join(ROOT, "strict", name);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, bytes);
}
writeFileSync(join(ROOT, "manifest.json"), manifestText(ROOT));
