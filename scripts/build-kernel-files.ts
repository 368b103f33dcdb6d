/** Writes the WASM modules for inference to dist/kernels, one file for each variant. */
import { mkdirSync, writeFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { buildModule } from "../src/kernels/wasm/module.ts";
import { optimizedModule } from "./optimize-module.ts";

const TARGET = new URL("../dist/kernels/", import.meta.url);

mkdirSync(TARGET, { recursive: true });
for (const variant of ["simd", "fma", "revectorized"] as const) {
  const bytes = optimizedModule(buildModule(variant, "own", "inference"));
  writeFileSync(new URL(`${variant}.wasm`, TARGET), bytes);
  console.log(`kernels/${variant}.wasm: ${bytes.length} bytes, ${gzipSync(bytes).length} gzipped`);
}
