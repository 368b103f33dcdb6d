/** The example page of a bundle: classifies typed text, under a strict policy. */

/** Why a page with this policy is strict: it runs scripts of its own site alone, and compiles WASM but no strings. */
const POLICY =
  "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self'; img-src data:";

export const EXAMPLE_PAGE: string = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<title>Text classifier</title>
<link rel="icon" href="data:,">
<script type="module" src="page.js"></script>
<h1>Text classifier</h1>
<form>
  <p><label>Text <input name="text" required></label></p>
  <p><label>Second text, for pairs <input name="pair"></label></p>
  <button disabled>Classify</button>
</form>
<output role="status">Loading</output>
</html>
`;

export const EXAMPLE_SCRIPT: string = `import { fastestVariant, loadClassifier } from "./runtime.js";

const form = document.querySelector("form");
const button = document.querySelector("button");
const output = document.querySelector("output");

const variant = fastestVariant();
const show = (text) => {
  output.textContent = text;
};

try {
  if (variant === undefined) throw new Error("This browser has no WebAssembly SIMD.");
  const kernels = fetch(\`kernels/\${variant}.wasm\`);
  const classifier = await loadClassifier(fetch("model.safetensors"), { kernels });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const { text, pair } = form.elements;
    const textPair = pair.value === "" ? undefined : pair.value;
    try {
      const [found] = await classifier.classify([{ text: text.value, textPair }]);
      const { labels, probabilities, logits } = found;
      const names = labels.length > 0 ? labels.join(", ") : logits.join(", ");
      const shares = probabilities.map((share, i) => \`\${classifier.labels[i]} \${share.toFixed(4)}\`);
      show([names, ...shares].join("; "));
    } catch (error) {
      show(String(error));
    }
  });
  button.disabled = false;
  show(\`Ready on \${variant}\`);
} catch (error) {
  show(String(error));
}
`;
