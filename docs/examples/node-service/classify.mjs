/** A worker of the service: loads the model once, and answers one text after another. */
import { parentPort, workerData } from "node:worker_threads";
import { loadClassifier } from "espalier/node";

const classifier = await loadClassifier(workerData, { threads: 1 });

parentPort.on("message", async ({ id, text }) => {
  try {
    const [{ label, probabilities }] = await classifier.classify([text]);
    parentPort.postMessage({ id, answer: { label, probabilities } });
  } catch (error) {
    parentPort.postMessage({ id, problem: String(error) });
  }
});
