// Runs one program on request, as the page does.
import { runProgram } from "./run-program.mjs";

self.onmessage = async ({ data }) => {
  self.postMessage(await runProgram(data));
};
