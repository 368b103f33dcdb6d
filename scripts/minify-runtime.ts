/** Minifies the files of the runtime in dist/. */
import { readFileSync, writeFileSync } from "node:fs";
import { minify } from "terser";

for (const name of ["runtime.js", "runtime.cjs", "runtime-tokenizers.js"]) {
  const file = new URL(`../dist/${name}`, import.meta.url);
  const { code } = await minify(readFileSync(file, "utf8"), {
    module: name.endsWith(".js"),
    toplevel: true,
    ecma: 2020,
    compress: { passes: 3 },
  });
  if (code === undefined) throw new Error(`expected code for ${name}`);
  writeFileSync(file, code);
}
