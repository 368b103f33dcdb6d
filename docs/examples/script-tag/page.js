/**
 * Prunes a chosen safetensors file to 4x1 blocks, and downloads the result. No bundler is needed: serve this folder, whose
 * `node_modules` has the package.
 */
import { pruneSafetensors } from "./node_modules/espalier/dist/checkpoint.js";

const input = document.querySelector("input");
const status = document.querySelector("[role=status]");

input.addEventListener("change", async () => {
  const [file] = input.files;
  try {
    const given = new Uint8Array(await file.arrayBuffer());
    const { bytes, report } = await pruneSafetensors(given, { pattern: "4x1", sparsity: 0.75 });
    const [{ prunedBlocks, blocks }] = report.pruners;
    status.textContent = `${prunedBlocks} of ${blocks} blocks pruned.`;
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([bytes]));
    link.download = `pruned-${file.name}`;
    link.click();
  } catch (error) {
    status.textContent = String(error);
  }
});
