/**
 * Generates the messages of ONNX from onnx.proto of ONNX 1.23:
 *
 *   tsx scripts/build-onnx-messages.ts PROTO
 *
 * Fetches buf and protoc-gen-es with npx.
 */
import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const TARGET = fileURLToPath(new URL("../src/onnx/onnx.generated.ts", import.meta.url));
const PACKAGES = ["@bufbuild/buf@1.75.0", "@bufbuild/protoc-gen-es@2.13.0"];

const [proto] = process.argv.slice(2);
if (proto === undefined) throw new Error("PROTO: expected the path of onnx.proto, got none");
const directory = mkdtempSync(join(tmpdir(), "onnx-messages-"));
try {
  cpSync(proto, join(directory, "onnx.proto"));
  const options = { target: "ts", import_extension: "none" };
  const opt = Object.entries(options).map(([name, value]) => `${name}=${value}`);
  const template = { version: "v2", plugins: [{ local: "protoc-gen-es", out: ".", opt }] };
  const packages = PACKAGES.flatMap((name) => ["--package", name]);
  const command = ["buf", "generate", "onnx.proto", "--template", JSON.stringify(template)];
  execFileSync("npx", ["--yes", ...packages, "--", ...command], {
    cwd: directory,
    stdio: "inherit",
  });
  cpSync(join(directory, "onnx_pb.ts"), TARGET);
} finally {
  rmSync(directory, { recursive: true });
}
