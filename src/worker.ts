/** Entry point `espalier/worker`: the script of a Web Worker that runs kernels for the page that started it. */
import { serveKernels, type ThreadStart } from "./kernels/simd/threads.ts";

export { serveKernels };

addEventListener("message", ({ data }: MessageEvent<ThreadStart>) => {
  // Posted first, because `serveKernels` does not return to the event loop.
  postMessage("ready");
  serveKernels(data);
});
