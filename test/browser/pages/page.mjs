// Runs the program that the address names, here or in a worker, and shows what came out as JSON.
import { probePolicy, runProgram } from "./run-program.mjs";

/** Runs the program in a Web Worker. */
function runInWorker(task) {
  const worker = new Worker(new URL("worker.mjs", import.meta.url), { type: "module" });
  return new Promise((resolve, reject) => {
    worker.onmessage = ({ data }) => resolve(data);
    worker.onerror = (event) => reject(new Error(event.message || "the worker did not start"));
    worker.postMessage(task);
  });
}

async function outcome() {
  const violations = [];
  document.addEventListener("securitypolicyviolation", (event) => {
    violations.push(`${event.violatedDirective}: ${event.blockedURI}`);
  });
  const parameters = new URLSearchParams(location.search);
  const task = { program: parameters.get("program"), variant: parameters.get("variant") };
  const result = parameters.has("worker") ? await runInWorker(task) : await runProgram(task);
  // Violations are reported a moment later than they happen.
  await new Promise((resolve) => setTimeout(resolve, 50));
  const reported = [...violations];
  return { result, violations: reported, policy: probePolicy() };
}

outcome()
  .catch((error) => ({ error: String(error?.stack ?? error) }))
  .then((value) => {
    const output = document.createElement("output");
    output.textContent = JSON.stringify(value);
    document.body.append(output);
  });
