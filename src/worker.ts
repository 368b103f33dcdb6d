/** Entry point `espalier/worker`: the script of a Web Worker that runs kernels for the page that started it. */
import { serveKernels, type ThreadStart } from "./kernels/simd/threads.ts";

export { serveKernels };

addEventListener("message", ({ data }: MessageEvent<ThreadStart>) => {
  // Posted before serving begins, which leaves no time for messages until the end.
  postMessage("ready");
  serveKernels(data);
});
